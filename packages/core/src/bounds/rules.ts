import { attributeOf, type Node, sizeOf } from "../graph/index.js";
import { averagesPadding, clipBounds, fillsOutside, padValue, resizeMode } from "../operators/attributes.js";
import { binaryRule } from "./arithmetic.js";
import { type ChannelIntervals, floatsOf, type IntervalView, linked, moved, open, operand } from "./operands.js";

/** Bounds of every output of a node, in the order of its float outputs; undefined where nothing can be said. */
export type IntervalRule = (view: IntervalView) => readonly ChannelIntervals[] | undefined;

/** A function that never falls: bounds go to bounds. `curved` ones are widened by a few roundings of float32. */
const rising =
  (f: (x: number, node: Node) => number, curved = false): IntervalRule =>
  (view) => {
    const input = operand(view, 0);
    if (!input) return undefined;
    const low = input.low.map((x) => f(x, view.node.node));
    const high = input.high.map((x) => f(x, view.node.node));
    return [curved ? widened({ low, high }) : { low, high }];
  };

/** 2⁻²⁰ of the value: what float32 implementations of the usual functions may be off. Constants stay constants. */
function widened({ low, high }: ChannelIntervals): ChannelIntervals {
  const slack = 2 ** -20;
  for (let channel = 0; channel < low.length; channel++) {
    if (low[channel] === high[channel]) continue;
    low[channel]! -= slack * Math.abs(low[channel]!);
    high[channel]! += slack * Math.abs(high[channel]!);
  }
  return { low, high };
}

/** x·gate(x) and its kin: falls to `bottom` at x < 0 and rises from there. */
const dipping =
  (f: (x: number) => number, bottom: number): IntervalRule =>
  (view) => {
    const input = operand(view, 0);
    if (!input) return undefined;
    const ends = (x: number) => (x === Number.NEGATIVE_INFINITY ? 0 : x === Number.POSITIVE_INFINITY ? x : f(x));
    const low = input.low.map((x, channel) => {
      const top = input.high[channel]!;
      return x === top || x >= 0 ? ends(x) : bottom;
    });
    const high = input.high.map((x, channel) => {
      const least = input.low[channel]!;
      return x === least ? ends(x) : Math.max(ends(x), ends(least));
    });
    return [widened({ low, high })];
  };

const clip: IntervalRule = (view) => {
  const input = operand(view, 0);
  const { low, high } = clipBounds(view.node.node, view.flow.constant);
  if (!input || low === undefined || high === undefined) return undefined;
  const clamp = (x: number) => Math.min(Math.max(x, low), high);
  return [{ low: input.low.map(clamp), high: input.high.map(clamp) }];
};

/** x where x ≥ 0, slope·x below; the slope is a number or lies between two. */
function leaky(input: ChannelIntervals, slope: (channel: number) => readonly [number, number]): ChannelIntervals {
  const low = new Float64Array(input.low.length);
  const high = new Float64Array(input.low.length);
  for (let channel = 0; channel < low.length; channel++) {
    const ends = [input.low[channel]!, input.high[channel]!];
    const images = ends.flatMap((x) => (x >= 0 ? [x] : slope(channel).map((s) => (s === 0 ? 0 : s * x))));
    // Between a negative and a positive end the function passes 0.
    if (ends[0]! < 0 && ends[1]! > 0) images.push(0);
    low[channel] = Math.min(...images);
    high[channel] = Math.max(...images);
  }
  return { low, high };
}

const leakyRelu: IntervalRule = (view) => {
  const input = operand(view, 0);
  const alpha = attributeOf(view.node.node, "alpha", "float", 0.01);
  return input && [leaky(input, () => [alpha, alpha])];
};

const prelu: IntervalRule = (view) => {
  const input = operand(view, 0);
  const slope = operand(view, 1);
  return input && slope && [leaky(input, (channel) => [slope.low[channel]!, slope.high[channel]!])];
};

const absolute: IntervalRule = (view) => {
  const input = operand(view, 0);
  if (!input) return undefined;
  const low = input.low.map((x, c) => (x >= 0 ? x : input.high[c]! <= 0 ? -input.high[c]! : 0));
  return [{ low, high: input.high.map((x, c) => Math.max(Math.abs(x), Math.abs(input.low[c]!))) }];
};

const negated: IntervalRule = (view) => {
  const input = operand(view, 0);
  return input && [{ low: input.high.map((x) => -x), high: input.low.map((x) => -x) }];
};

/** y = scale·(x − mean)/√(variance + ε) + bias, in inference. */
const batchNormalization: IntervalRule = (view) => {
  const { node } = view.node;
  if (attributeOf(node, "training_mode", "int", 0) !== 0) return undefined;
  const input = operand(view, 0);
  const parameters = [1, 2, 3, 4].map((position) => {
    const tensor = view.flow.constant(node.inputs[position] ?? "");
    return tensor && floatsOf(tensor);
  });
  const [scale, bias, mean, variance] = parameters;
  if (!input || !scale || !bias || !mean || !variance) return undefined;
  const epsilon = attributeOf(node, "epsilon", "float", 1e-5);
  const low = new Float64Array(input.low.length);
  const high = new Float64Array(input.low.length);
  for (let c = 0; c < low.length; c++) {
    const factor = scale[c]! / Math.sqrt(variance[c]! + epsilon);
    const shift = bias[c]! - factor * mean[c]!;
    const ends = [input.low[c]!, input.high[c]!].map((x) => (factor === 0 ? shift : factor * x + shift));
    const slack =
      input.low[c] === input.high[c] ? 0 : 8 * 2 ** -24 * (Math.abs(factor * mean[c]!) + Math.abs(bias[c]!));
    low[c] = Math.min(...ends) - slack;
    high[c] = Math.max(...ends) + slack;
  }
  return [widened({ low, high })];
};

/** Elements move, are averaged or the largest taken: the output lies among the inputs that reach it. */
const within: IntervalRule = (view) =>
  view.node.outputs.map((output) => {
    const { low, high, reached } = moved(view, output);
    open(low, high, reached);
    return { low, high };
  });

const identity: IntervalRule = (view) => {
  const { node, outputs, inputs } = view.node;
  // Dropout may be in training then.
  if (node.opType === "Dropout" && (node.inputs[2] ?? "") !== "") return undefined;
  return outputs.slice(0, 1).map((output) => linked(view, inputs[0]!, output));
};

const averaged: IntervalRule = (view) => {
  const results = within(view);
  return averagesPadding(view.node.node) ? results?.map((bounds) => hullWith(bounds, 0)) : results;
};

function hullWith({ low, high }: ChannelIntervals, value: number): ChannelIntervals {
  return { low: low.map((x) => Math.min(x, value)), high: high.map((x) => Math.max(x, value)) };
}

const padded: IntervalRule = (view) => {
  const { node, outputs } = view.node;
  const output = outputs[0]!;
  const { low, high, reached } = moved(view, output);
  const value = padValue(node, view.flow.constant);
  if (value === undefined) return undefined;
  if (value !== "repeats") {
    const channels = view.flow.space(output)!.axes;
    const before = view.shapes.get(view.node.inputs[0]!)!.dims;
    const after = view.shapes.get(output)!.dims;
    // Channels that padding made hold its value; so does the border, where another axis is padded.
    const border = after.some((size, axis) => !channels.includes(axis) && size !== before[axis]);
    reached.forEach((yes, c) => {
      if (yes === 1 && !border) return;
      low[c] = Math.min(low[c]!, value);
      high[c] = Math.max(high[c]!, value);
    });
    return [{ low, high }];
  }
  open(low, high, reached);
  return [{ low, high }];
};

/** Cubic interpolation overshoots; nearest and linear do not, and a constant stays a constant everywhere but beyond the image. */
const resized: IntervalRule = (view) => {
  const { node } = view.node;
  if (fillsOutside(node)) return undefined;
  const results = within(view);
  if (resizeMode(node) !== "cubic") return results;
  return results?.map(({ low, high }) => ({
    low: low.map((x, c) => (x === high[c] ? x : Number.NEGATIVE_INFINITY)),
    high: high.map((x, c) => (x === low[c] ? x : Number.POSITIVE_INFINITY)),
  }));
};

const summed: IntervalRule = (view) => {
  const [input, output] = [view.node.inputs[0]!, view.node.outputs[0]!];
  const terms = sizeOf(view.shapes.get(input)!.dims) / sizeOf(view.shapes.get(output)!.dims);
  const { low, high } = linked(view, input, output);
  const slack = (x: number) => (Number.isFinite(x) ? Math.abs(x) * terms * terms * 2 ** -24 : 0);
  return [
    {
      low: low.map((x, c) => terms * x - (x === high[c] ? 0 : slack(x))),
      high: high.map((x, c) => terms * x + (x === low[c] ? 0 : slack(x))),
    },
  ];
};

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
const hardSwish = (x: number) => x * Math.min(Math.max(x / 6 + 0.5, 0), 1);
const alphaOf = (node: Node, fallback: number) => Math.max(0, attributeOf(node, "alpha", "float", fallback));

const table = (rule: IntervalRule, ...opTypes: string[]) => opTypes.map((opType) => [opType, rule] as const);

/**
 * Bounds through every operator that has channel links. What is not here may hold anything.
 * Linear layers are in layer-intervals.ts.
 */
export const INTERVAL_RULES: ReadonlyMap<string, IntervalRule> = new Map([
  ...table(identity, "Identity", "Dropout"),
  ...table(
    rising((x) => Math.max(0, x)),
    "Relu",
  ),
  ...table(clip, "Clip"),
  ...table(leakyRelu, "LeakyRelu"),
  ...table(prelu, "PRelu"),
  ...table(rising(sigmoid, true), "Sigmoid"),
  ...table(
    rising((x) => Math.tanh(x), true),
    "Tanh",
  ),
  ...table(
    rising((x) => Math.exp(x), true),
    "Exp",
  ),
  ...table(
    rising((x) => (x > 30 ? x : Math.log1p(Math.exp(x))), true),
    "Softplus",
  ),
  ...table(
    rising((x, node) => (x >= 0 ? x : alphaOf(node, 1) * Math.expm1(x)), true),
    "Elu",
  ),
  ...table(
    rising((x, node) => {
      const line = x === 0 ? 0 : alphaOf(node, 0.2) * x;
      return Math.min(Math.max(line + attributeOf(node, "beta", "float", 0.5), 0), 1);
    }, true),
    "HardSigmoid",
  ),
  ...table(dipping(hardSwish, -0.375), "HardSwish"),
  ...table(absolute, "Abs"),
  ...table(negated, "Neg"),
  ...table(binaryRule, "Add", "Sub", "Mul", "Div", "Min", "Max", "Sum", "Mean"),
  ...table(batchNormalization, "BatchNormalization"),
  ...table(within, "MaxPool", "GlobalAveragePool", "GlobalMaxPool", "ReduceMean", "ReduceMax", "ReduceMin"),
  ...table(within, "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Slice", "Split", "Tile", "Gather"),
  ...table(within, "DepthToSpace", "SpaceToDepth", "Expand"),
  ...table(within, "Concat"),
  ...table(averaged, "AveragePool"),
  ...table(padded, "Pad"),
  ...table(resized, "Resize", "Upsample"),
  ...table(summed, "ReduceSum"),
]);
