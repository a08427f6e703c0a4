import { float, int, ints, type Model, string, Tensor } from "../../src/graph/index.js";
import { createRandom, type Random } from "../../src/math/index.js";
import { type TestModel, testModel } from "../helpers/build.js";

/** A value under construction: name and channels, on [N, channels, size, size]. */
interface Value {
  readonly name: string;
  readonly channels: number;
  readonly size: number;
}

export interface RandomNetwork {
  readonly model: Model;
  /** Names of the blocks it is made of. */
  readonly blocks: readonly string[];
}

type Block = (t: TestModel, x: Value, random: Random) => Value;

let unique = 0;
const name = (stem: string) => `${stem}_${unique++}`;

export function conv(
  t: TestModel,
  x: Value,
  to: number,
  { group = 1, kernel = 1, stride = 1, bias = true } = {},
): Value {
  const label = name("conv");
  const pad = Math.floor(kernel / 2);
  const inputs = [x.name, t.random([to, x.channels / group, kernel, kernel], `${label}.w`, 0.6)];
  if (bias) inputs.push(t.random([to], `${label}.b`, 0.5));
  const attributes = {
    kernel_shape: ints([kernel, kernel]),
    pads: ints([pad, pad, pad, pad]),
    strides: ints([stride, stride]),
    group: int(group),
  };
  const output = t.builder.node("Conv", inputs, attributes, { name: label });
  return { name: output, channels: to, size: Math.ceil(x.size / stride) };
}

const op = (t: TestModel, x: Value, type: string, attributes = {}, more: string[] = []): Value => ({
  ...x,
  name: t.builder.node(type, [x.name, ...more], attributes, { name: name(type) }),
});
const relu = (t: TestModel, x: Value) => op(t, x, "Relu");
const clip = (t: TestModel, x: Value, low: number, high: number) =>
  op(t, x, "Clip", {}, [t.builder.constant(low), t.builder.constant(high)]);
const add = (t: TestModel, a: Value, b: Value): Value => op(t, a, "Add", {}, [b.name]);
const vector = (t: TestModel, x: Value) => t.random([1, x.channels, 1, 1], name("vector"), 0.5);
const indices = (t: TestModel, values: number[]) =>
  t.builder.constant(Tensor.int64([values.length], values), name("int"));

/** Every block ends in a value of the same kind; each stands for something that real networks have. */
export const BLOCKS: Readonly<Record<string, Block>> = {
  convRelu: (t, x, random) => relu(t, conv(t, x, 2 + 2 * random.below(4), { kernel: 3 })),
  depthwise: (t, x) => relu(t, conv(t, x, x.channels, { kernel: 3, group: x.channels })),
  depthwiseMultiplier: (t, x) => relu(t, conv(t, x, 2 * x.channels, { kernel: 3, group: x.channels })),
  grouped: (t, x) => relu(t, conv(t, x, x.channels, { kernel: 3, group: 2 })),
  relu6: (t, x) => clip(t, conv(t, x, x.channels), 0, 1.5),
  clipBothSides: (t, x) => clip(t, conv(t, x, x.channels), -0.8, 1.2),
  leaky: (t, x) => op(t, conv(t, x, 6), "LeakyRelu", { alpha: float(0.2) }),
  prelu: (t, x) => {
    const y = conv(t, x, 6);
    return op(t, y, "PRelu", {}, [t.positive([6, 1, 1], name("slope"))]);
  },
  residual: (t, x) => relu(t, add(t, conv(t, relu(t, conv(t, x, 8, { kernel: 3 })), x.channels), x)),
  residualOfBranches: (t, x) => add(t, conv(t, x, 6), conv(t, x, 6, { kernel: 3 })),
  concat: (t, x) => {
    const [a, b] = [relu(t, conv(t, x, 4)), conv(t, x, 2, { kernel: 3 })];
    const output = t.builder.node("Concat", [a.name, b.name], { axis: int(1) }, { name: name("Concat") });
    return { ...a, name: output, channels: 6 };
  },
  dense: (t, x) => {
    const a = relu(t, conv(t, x, 4));
    const output = t.builder.node("Concat", [x.name, a.name], { axis: int(1) }, { name: name("Concat") });
    return { ...x, name: output, channels: x.channels + 4 };
  },
  split: (t, x) => {
    const y = conv(t, x, 6);
    const label = name("Split");
    const sizes = indices(t, [2, 4]);
    const [a, b] = t.builder.nodes("Split", [y.name, sizes], { axis: int(1) }, { name: label, outputs: 2 }).outputs;
    const left = relu(t, { ...y, name: a!, channels: 2 });
    const output = t.builder.node("Concat", [b!, left.name], { axis: int(1) }, { name: name("Concat") });
    return { ...y, name: output };
  },
  slice: (t, x) => {
    const y = conv(t, x, 8);
    const bounds = [[1], [7], [1], [2]].map((values) => indices(t, values));
    return { ...op(t, y, "Slice", {}, bounds), channels: 3 };
  },
  padChannels: (t, x) => {
    const y = relu(t, conv(t, x, 4));
    return { ...op(t, y, "Pad", {}, [indices(t, [0, 1, 0, 0, 0, 1, 0, 0])]), channels: 6 };
  },
  padSpace: (t, x) => {
    const y = op(t, relu(t, conv(t, x, 4)), "Pad", {}, [indices(t, [0, 0, 1, 1, 0, 0, 1, 1])]);
    return { ...op(t, y, "MaxPool", { kernel_shape: ints([3, 3]) }), size: x.size };
  },
  averagePool: (t, x) => op(t, conv(t, x, 4), "AveragePool", { kernel_shape: ints([3, 3]), pads: ints([1, 1, 1, 1]) }),
  channelsLast: (t, x) => {
    const y = op(t, relu(t, conv(t, x, 6)), "Transpose", { perm: ints([0, 2, 3, 1]) });
    const z = op(t, y, "Add", {}, [t.random([6], name("vector"), 0.5)]);
    return op(t, z, "Transpose", { perm: ints([0, 3, 1, 2]) });
  },
  shuffle: (t, x) => {
    const y = relu(t, conv(t, x, 6));
    const grouped = op(t, y, "Reshape", {}, [indices(t, [-1, 2, 3, y.size, y.size])]);
    const turned = op(t, grouped, "Transpose", { perm: ints([0, 2, 1, 3, 4]) });
    return op(t, turned, "Reshape", {}, [indices(t, [-1, 6, y.size, y.size])]);
  },
  gate: (t, x) => {
    const y = relu(t, conv(t, x, 6));
    const squeezed = relu(t, conv(t, op(t, y, "GlobalAveragePool"), 3));
    const gate = op(t, conv(t, squeezed, 6), "Sigmoid");
    return op(t, y, "Mul", {}, [gate.name]);
  },
  spatialGate: (t, x) => {
    const y = relu(t, conv(t, x, 6));
    const gate = op(t, conv(t, y, 1), "Sigmoid");
    return op(t, { ...y, name: gate.name }, "Mul", {}, [y.name]);
  },
  constants: (t, x) => {
    const y = op(t, conv(t, x, 6), "Add", {}, [t.builder.constant(0.3)]);
    const z = op(t, op(t, y, "Mul", {}, [vector(t, y)]), "Sub", {}, [vector(t, y)]);
    return op(t, op(t, z, "Div", {}, [t.positive([1, 6, 1, 1], name("vector"))]), "Max", {}, [vector(t, y)]);
  },
  batchNorm: (t, x) => {
    const y = conv(t, x, 6, { bias: false });
    const more = [t.positive([6]), t.random([6]), t.random([6], "mean", 0.5), t.positive([6])];
    return relu(t, op(t, y, "BatchNormalization", {}, more));
  },
  swish: (t, x) => {
    const y = conv(t, x, 4);
    return op(t, y, "Mul", {}, [op(t, y, "Sigmoid").name]);
  },
  hardSwish: (t, x) => op(t, conv(t, x, 6), "HardSwish"),
  hardSwishWrittenOut: (t, x) => {
    const y = conv(t, x, 6);
    const gate = clip(t, op(t, y, "Add", {}, [t.builder.constant(3)]), 0, 6);
    return op(t, op(t, y, "Mul", {}, [gate.name]), "Div", {}, [t.builder.constant(6)]);
  },
  hardSigmoidGate: (t, x) => {
    const y = conv(t, x, 4);
    return op(t, op(t, y, "HardSigmoid", { alpha: float(1 / 6) }), "Mul", {}, [y.name]);
  },
  gelu: (t, x) => {
    const y = conv(t, x, 6);
    const error = op(t, op(t, y, "Div", {}, [t.builder.constant(Math.SQRT2)]), "Erf");
    const shifted = op(t, error, "Add", {}, [t.builder.constant(1)]);
    return op(t, op(t, y, "Mul", {}, [shifted.name]), "Mul", {}, [t.builder.constant(0.5)]);
  },
  geluTanh: (t, x) => {
    const y = conv(t, x, 6);
    const cubed = op(t, op(t, op(t, y, "Mul", {}, [y.name]), "Mul", {}, [y.name]), "Mul", {}, [
      t.builder.constant(0.044715),
    ]);
    const inner = op(t, add(t, y, cubed), "Mul", {}, [t.builder.constant(Math.sqrt(2 / Math.PI))]);
    const shifted = op(t, op(t, inner, "Tanh"), "Add", {}, [t.builder.constant(1)]);
    return op(t, op(t, y, "Mul", {}, [t.builder.constant(0.5)]), "Mul", {}, [shifted.name]);
  },
  mish: (t, x) => {
    const y = conv(t, x, 4);
    return op(t, y, "Mul", {}, [op(t, op(t, y, "Softplus"), "Tanh").name]);
  },
  gateAndResidual: (t, x) => {
    const y = conv(t, x, x.channels);
    return add(t, op(t, y, "HardSwish"), relu(t, conv(t, y, x.channels)));
  },
  squeezeExcite: (t, x) => {
    const y = op(t, conv(t, x, 6), "HardSwish");
    const squeezed = relu(t, conv(t, op(t, y, "GlobalAveragePool"), 3));
    return op(t, y, "Mul", {}, [op(t, conv(t, squeezed, 6), "HardSigmoid").name]);
  },
  successors: (t, x) => {
    const y = relu(t, conv(t, x, 6));
    return add(t, conv(t, y, 4, { kernel: 3 }), conv(t, relu(t, conv(t, y, 6)), 4));
  },
  transposed: (t, x) => {
    const label = name("deconv");
    const inputs = [x.name, t.random([x.channels, 2, 2, 2], `${label}.w`), t.random([4], `${label}.b`)];
    const attributes = { kernel_shape: ints([2, 2]), strides: ints([2, 2]), group: int(2) };
    const output = t.builder.node("ConvTranspose", inputs, attributes, { name: label });
    const up = { name: output, channels: 4, size: 2 * x.size };
    return relu(t, conv(t, up, 4, { kernel: 3, stride: 2 }));
  },
  pixelShuffle: (t, x) => {
    const up = op(t, relu(t, conv(t, x, 8)), "DepthToSpace", { blocksize: int(2), mode: string("CRD") });
    return conv(t, { name: up.name, channels: 2, size: 2 * x.size }, 4, { kernel: 3, stride: 2 });
  },
  resize: (t, x) => {
    const scales = t.builder.constant(Tensor.float32([4], [1, 1, 2, 2]), name("scales"));
    const up = op(t, relu(t, conv(t, x, 4)), "Resize", { mode: string("linear") }, ["", scales]);
    return { ...op(t, up, "MaxPool", { kernel_shape: ints([2, 2]), strides: ints([2, 2]) }), size: x.size };
  },
};

const HEADS: readonly ((t: TestModel, x: Value) => string)[] = [
  (t, x) => gemm(t, t.builder.node("Flatten", [op(t, x, "GlobalAveragePool").name]), x.channels, true),
  // Several input features share the factor of one channel.
  (t, x) => gemm(t, t.builder.node("Flatten", [x.name]), x.channels * x.size ** 2, false),
  (t, x) => {
    const mean = t.builder.node("ReduceMean", [x.name], { axes: ints([2, 3]), keepdims: int(0) });
    const hidden = t.builder.node("MatMul", [mean, t.random([x.channels, 5], name("w"))]);
    const biased = t.builder.node("Relu", [t.builder.node("Add", [hidden, t.random([5], name("b"))])]);
    return gemm(t, biased, 5, true);
  },
];

function gemm(t: TestModel, input: string, from: number, transposed: boolean): string {
  const weight = t.random(transposed ? [4, from] : [from, 4], name("fc.w"), 0.5);
  return t.builder.node("Gemm", [input, weight, t.random([4], name("fc.b"))], { transB: int(transposed ? 1 : 0) });
}

/** Three to five random blocks between a convolution and a head, on [N, 3, 6, 6]. The same seed gives the same network. */
export function randomNetwork(seed: number, chosen?: readonly string[]): RandomNetwork {
  unique = 0;
  const random = createRandom(seed);
  const t = testModel(seed);
  const all = Object.keys(BLOCKS);
  const blocks = chosen ?? Array.from({ length: 3 + random.below(3) }, () => all[random.below(all.length)]!);
  let value = relu(
    t,
    conv(t, { name: t.builder.input("input", ["N", 3, 6, 6]), channels: 3, size: 6 }, 4, { kernel: 3 }),
  );
  for (const block of blocks) {
    // Grouped blocks need an even number of channels.
    if (value.channels % 2 === 1) value = conv(t, value, value.channels + 1);
    value = BLOCKS[block]!(t, value, random);
  }
  t.builder.output(HEADS[random.below(HEADS.length)]!(t, value));
  return { model: t.model, blocks };
}
