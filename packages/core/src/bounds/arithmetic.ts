import { type ChannelIntervals, type IntervalView, operand } from "./operands.js";

type Interval = readonly [low: number, high: number];
type Operation = (a: Interval, b: Interval) => Interval;

/** 0 · ∞ = 0: a channel that is 0 everywhere stays 0, whatever finite number it is multiplied by. */
const times = (x: number, y: number) => (x === 0 || y === 0 ? 0 : x * y);

const multiply: Operation = (a, b) => {
  const products = [times(a[0], b[0]), times(a[0], b[1]), times(a[1], b[0]), times(a[1], b[1])];
  return [Math.min(...products), Math.max(...products)];
};

const add: Operation = (a, b) => [a[0] + b[0], a[1] + b[1]];

const OPERATIONS: ReadonlyMap<string, Operation> = new Map(
  Object.entries<Operation>({
    Add: add,
    Sum: add,
    Mean: add,
    Sub: (a, b) => [a[0] - b[1], a[1] - b[0]],
    Mul: multiply,
    Div: (a, b) => {
      // A divisor that may be 0 leads anywhere.
      if (b[0] <= 0 && b[1] >= 0) return [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
      return multiply(a, [1 / b[1], 1 / b[0]]);
    },
    Min: (a, b) => [Math.min(a[0], b[0]), Math.min(a[1], b[1])],
    Max: (a, b) => [Math.max(a[0], b[0]), Math.max(a[1], b[1])],
  }),
);

/** Bounds through Add, Sub, Mul, Div, Min, Max, Sum and Mean of activations and constants, with broadcasting. */
export function binaryRule(view: IntervalView): readonly ChannelIntervals[] | undefined {
  const { opType, inputs } = view.node.node;
  const operands = inputs.map((_, position) => operand(view, position));
  const first = operands[0];
  const operation = OPERATIONS.get(opType);
  if (!first || !operation) return undefined;
  const low = first.low.slice();
  const high = first.high.slice();
  for (const next of operands.slice(1)) {
    if (!next) return undefined;
    for (let c = 0; c < low.length; c++) {
      [low[c], high[c]] = operation([low[c]!, high[c]!], [next.low[c]!, next.high[c]!]);
    }
  }
  const share = opType === "Mean" ? 1 / inputs.length : 1;
  return [rounded({ low: low.map((x) => share * x), high: high.map((x) => share * x) })];
}

/** One float32 rounding outward; constants stay constants, and signs stay what they are. */
function rounded({ low, high }: ChannelIntervals): ChannelIntervals {
  for (let c = 0; c < low.length; c++) {
    if (low[c] === high[c]) continue;
    low[c]! -= Math.abs(low[c]!) * 2 ** -22;
    high[c]! += Math.abs(high[c]!) * 2 ** -22;
  }
  return { low, high };
}
