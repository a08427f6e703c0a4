import { float, string, Tensor } from "../../src/lab.js";
import type { GradientCase } from "./case.js";
import { broadcast, type Dense, erf, map } from "./naive.js";

const ANY = [[3, 5], -2, 2] as const;
const POSITIVE = [[3, 5], 0.3, 2.5] as const;

function unary(
  name: string,
  f: (x: number) => number,
  more: Partial<GradientCase> & { attributes?: object } = {},
): GradientCase {
  const { attributes = {}, ...rest } = more;
  return {
    name,
    inputs: [ANY],
    build: (b, [x]) => b.node(name.split(" ")[0]!, [x!], attributes as never),
    naive: ([x]) => map(x!, f),
    ...rest,
  };
}

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
const clamp = (x: number, low: number, high: number) => Math.min(Math.max(x, low), high);

function binary(name: string, f: (...x: number[]) => number, more: Partial<GradientCase> = {}): GradientCase {
  return {
    name,
    inputs: [
      [[2, 3, 4], -2, 2],
      [[2, 3, 4], 0.5, 2],
    ],
    batched: [0, 1],
    build: (b, inputs) => b.node(name.split(" ")[0]!, inputs),
    naive: (inputs) => broadcast(inputs as Dense[], f),
    ...more,
  };
}

/** One operand of fewer axes, sizes 1 on either side. */
const BROADCAST = {
  inputs: [
    [[2, 1, 4], -2, 2],
    [[3, 1], 0.5, 2],
  ],
  batched: [0],
} as const satisfies Partial<GradientCase>;

export const ELEMENTWISE_CASES: GradientCase[] = [
  unary("Relu", (x) => Math.max(x, 0)),
  unary("LeakyRelu", (x) => (x > 0 ? x : 0.2 * x), { attributes: { alpha: float(0.2) } }),
  unary("Elu", (x) => (x > 0 ? x : 0.7 * Math.expm1(x)), { attributes: { alpha: float(0.7) } }),
  unary("Sigmoid", sigmoid),
  unary("Tanh", Math.tanh),
  unary("Softplus", (x) => Math.log1p(Math.exp(x))),
  unary("HardSigmoid", (x) => clamp(x / 6 + 0.5, 0, 1), {
    inputs: [[[3, 5], -4.5, 4.5]],
    attributes: { alpha: float(1 / 6) },
  }),
  unary("HardSwish", (x) => x * clamp(x / 6 + 0.5, 0, 1), { inputs: [[[3, 5], -4.5, 4.5]] }),
  unary("Erf", erf),
  unary("Gelu", (x) => 0.5 * x * (1 + erf(x / Math.SQRT2)), { opset: 20 }),
  unary("Gelu tanh", (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))), {
    opset: 20,
    attributes: { approximate: string("tanh") },
  }),
  unary("Exp", Math.exp),
  unary("Log", Math.log, { inputs: [POSITIVE] }),
  unary("Sqrt", Math.sqrt, { inputs: [POSITIVE] }),
  unary("Reciprocal", (x) => 1 / x, { inputs: [POSITIVE] }),
  unary("Neg", (x) => -x),
  unary("Abs", Math.abs),
  unary("Sin", Math.sin),
  unary("Cos", Math.cos),
  unary("Identity", (x) => x),
  {
    ...unary("Clip", (x) => clamp(x, -0.5, 1.1)),
    build: (b, [x]) => b.node("Clip", [x!, b.constant(-0.5), b.constant(1.1)]),
  },
  {
    ...unary("Clip below", (x) => Math.min(x, 0.4)),
    build: (b, [x]) => b.node("Clip", [x!, "", b.constant(Tensor.scalar(0.4))]),
  },
  {
    name: "Clip bounds",
    inputs: [ANY, [[], -0.9, -0.8], [[], 0.8, 0.9]],
    build: (b, inputs) => b.node("Clip", inputs),
    naive: ([x, low, high]) => map(x!, (v) => clamp(v, low!.data[0]!, high!.data[0]!)),
  },
  binary("Add", (a, b) => a! + b!),
  binary("Sub", (a, b) => a! - b!),
  binary("Mul", (a, b) => a! * b!),
  binary("Div", (a, b) => a! / b!),
  binary("Max", Math.max),
  binary("Min", Math.min),
  binary("Add broadcast", (a, b) => a! + b!, BROADCAST),
  binary("Sub broadcast", (a, b) => a! - b!, BROADCAST),
  binary("Mul broadcast", (a, b) => a! * b!, BROADCAST),
  binary("Div broadcast", (a, b) => a! / b!, BROADCAST),
  binary("Min broadcast", Math.min, BROADCAST),
  binary("Mul scalar", (a, b) => a! * b!, { inputs: [ANY, [[], 0.5, 1]], batched: [0] }),
  binary("Add vector", (a, b) => a! + b!, {
    inputs: [
      [[4, 3, 2], -1, 1],
      [[2], -1, 1],
    ],
    batched: [0],
  }),
  binary("Sum three", (a, b, c) => a! + b! + c!, {
    inputs: [ANY, [[5], -1, 1], [[3, 1], -1, 1]],
    batched: [],
  }),
  binary("Mean three", (a, b, c) => (a! + b! + c!) / 3, {
    inputs: [ANY, [[5], -1, 1], [[3, 1], -1, 1]],
    batched: [],
  }),
  binary("Max three", Math.max, { inputs: [ANY, [[5], -1, 1], [[3, 1], -1, 1]], batched: [] }),
  binary("Pow", (a, b) => a! ** b!, { inputs: [POSITIVE, [[3, 5], -1.5, 2.5]] }),
  binary("Pow broadcast", (a, b) => a! ** b!, { inputs: [POSITIVE, [[5], -1.5, 2.5]], batched: [0] }),
  {
    ...unary("Pow square", (x) => x * x),
    build: (b, [x]) => b.node("Pow", [x!, b.constant(2)]),
  },
  {
    ...unary("Pow cube", (x) => x ** 3),
    build: (b, [x]) => b.node("Pow", [x!, b.constant(3)]),
  },
  {
    name: "PRelu",
    inputs: [
      [[2, 3, 4], -2, 2],
      [[3, 1], 0.1, 0.4],
    ],
    build: (b, inputs) => b.node("PRelu", inputs),
    naive: (inputs) => broadcast(inputs, (x, slope) => (x! > 0 ? x! : slope! * x!)),
  },
  {
    name: "Where",
    inputs: [ANY, [[5], -1, 1]],
    build: (b, [x, y]) => b.node("Where", [b.node("Greater", [x!, b.constant(0.3)]), x!, y!]),
    naive: (inputs) => broadcast(inputs, (x, y) => (x! > 0.3 ? x! : y!)),
  },
  {
    // A value read three times gathers three gradients.
    name: "fan out",
    inputs: [ANY],
    build: (b, [x]) => b.node("Sum", [b.node("Mul", [x!, x!]), b.node("Exp", [x!]), b.node("Neg", [x!])]),
    naive: ([x]) => map(x!, (v) => v * v + Math.exp(v) - v),
  },
];
