import { float, int, ints, string } from "../../src/lab.js";
import type { GradientCase } from "./case.js";
import {
  broadcast,
  conv,
  convTranspose,
  type Dense,
  map,
  matMul,
  pool,
  reduce,
  reshape,
  softmax,
  standardize,
  sum,
  transpose,
  type Window,
} from "./naive.js";

type Inputs = GradientCase["inputs"];
type Moves = Omit<Window, "kernel"> & { outputPadding?: number[] };

function attributesOf(m: Moves & { kernel?: number[] }) {
  return {
    ...(m.kernel && { kernel_shape: ints(m.kernel) }),
    ...(m.strides && { strides: ints(m.strides) }),
    ...(m.dilations && { dilations: ints(m.dilations) }),
    ...(m.pads && { pads: ints(m.pads) }),
    ...(m.group && { group: int(m.group) }),
    ...(m.outputPadding && { output_padding: ints(m.outputPadding) }),
    ...(m.ceil && { ceil_mode: int(1) }),
  };
}

function convCase(name: string, x: number[], w: number[], moves: Moves = {}, bias = true): GradientCase {
  const transposed = name.startsWith("ConvTranspose");
  const channels = transposed ? w[1]! * (moves.group ?? 1) : w[0]!;
  const inputs: Inputs = [[x, -1, 1], [w, -1, 1], ...(bias ? [[[channels], -1, 1] as const] : [])];
  return {
    name,
    inputs,
    build: (b, values) => b.node(transposed ? "ConvTranspose" : "Conv", values, attributesOf(moves)),
    naive: ([input, weight, shift]) => (transposed ? convTranspose : conv)(input!, weight!, shift, moves),
  };
}

function autoPad(
  name: string,
  mode: string,
  x: number[],
  w: number[],
  strides: number[],
  pads: number[],
): GradientCase {
  return {
    ...convCase(name, x, w, { strides, pads }, false),
    build: (b, values) => b.node("Conv", values, { auto_pad: string(mode), strides: ints(strides) }),
  };
}

function poolCase(name: string, x: number[], window: Window, includePad = false): GradientCase {
  const opType = name.split(" ")[0]!;
  const attributes = { ...attributesOf(window), ...(includePad && { count_include_pad: int(1) }) };
  return {
    name,
    inputs: [[x, -1, 1]],
    build: (b, values) => b.node(opType, values, attributes),
    naive: ([input]) => pool(input!, window, opType === "MaxPool" ? "max" : "average", includePad),
  };
}

function gemmCase(
  name: string,
  a: number[],
  b: number[],
  c: number[] | undefined,
  attributes: Record<string, number>,
): GradientCase {
  const { transA = 0, transB = 0, alpha = 1, beta = 1 } = attributes;
  return {
    name,
    inputs: [[a, -1, 1], [b, -1, 1], ...(c ? [[c, -1, 1] as const] : [])],
    batched: transA ? [] : [0],
    build: (builder, values) =>
      builder.node("Gemm", values, {
        transA: int(transA),
        transB: int(transB),
        alpha: float(alpha),
        beta: float(beta),
      }),
    naive: ([x, y, z]) => {
      const product = matMul(transA ? transpose(x!, [1, 0]) : x!, transB ? transpose(y!, [1, 0]) : y!);
      return z ? broadcast([product, z], (p, q) => alpha * p! + beta * q!) : map(product, (p) => alpha * p);
    },
  };
}

function matMulCase(name: string, a: number[], b: number[], batched: number[] = []): GradientCase {
  return {
    name,
    inputs: [
      [a, -1, 1],
      [b, -1, 1],
    ],
    batched,
    build: (builder, values) => builder.node("MatMul", values),
    naive: ([x, y]) => matMul(x!, y!),
  };
}

/** Vectors of channels in a shape that broadcasts along axis 1. */
const channels = (x: Dense, v: Dense) => reshape(v, [1, v.dims[0]!, ...x.dims.slice(2).map(() => 1)]);

function batchNorm(name: string, x: number[], training: boolean): GradientCase {
  const c = x[1]!;
  const vectors: Inputs = [
    [[c], 0.5, 1.5],
    [[c], -1, 1],
  ];
  return {
    name,
    inputs: training ? [[x, -1, 1], ...vectors] : [[x, -1, 1], ...vectors, [[c], -1, 1], [[c], 0.5, 2]],
    build: (b, values) => {
      const running = training ? [b.node("Mul", [values[2]!, b.constant(0)]), b.node("Exp", [values[2]!])] : [];
      return b.nodes(
        "BatchNormalization",
        [...values, ...running],
        { epsilon: float(0.01), ...(training && { training_mode: int(1) }) },
        { outputs: training ? 3 : 1 },
      ).outputs[0]!;
    },
    naive: ([input, scale, shift, mean, variance]) => {
      const axes = input!.dims.map((_, axis) => axis).filter((axis) => axis !== 1);
      const normal = training
        ? standardize(input!, axes, 0.01)
        : broadcast(
            [input!, channels(input!, mean!), channels(input!, variance!)],
            (v, m, s) => (v! - m!) / Math.sqrt(s! + 0.01),
          );
      return broadcast([normal, channels(input!, scale!), channels(input!, shift!)], (v, s, t) => v! * s! + t!);
    },
  };
}

function layerNorm(name: string, x: number[], normal: number[], axis: number): GradientCase {
  return {
    name,
    inputs: [
      [x, -1, 1],
      [normal, 0.5, 1.5],
      [normal, -1, 1],
    ],
    build: (b, values) => b.node("LayerNormalization", values, { axis: int(axis), epsilon: float(0.01) }),
    naive: ([input, scale, shift]) => {
      const axes = normal.map((_, i) => x.length - normal.length + i);
      return broadcast([standardize(input!, axes, 0.01), scale!, shift!], (v, s, t) => v! * s! + t!);
    },
  };
}

function softmaxCase(name: string, axis: number): GradientCase {
  const log = name.startsWith("Log");
  return {
    name,
    inputs: [[[2, 4, 3], -2, 2]],
    build: (b, values) => b.node(log ? "LogSoftmax" : "Softmax", values, { axis: int(axis) }),
    naive: ([x]) => map(softmax(x!, (axis + 3) % 3), log ? Math.log : (v) => v),
  };
}

export const LAYER_CASES: GradientCase[] = [
  convCase("Conv", [2, 3, 5, 6], [4, 3, 3, 3], { pads: [1, 1, 1, 1] }),
  convCase("Conv valid", [2, 3, 5, 6], [4, 3, 3, 2], {}, false),
  convCase("Conv 1x1", [2, 3, 4, 4], [5, 3, 1, 1]),
  convCase("Conv 1x1 strided", [2, 3, 5, 6], [4, 3, 1, 1], { strides: [2, 2] }, false),
  convCase("Conv strides", [2, 3, 7, 6], [4, 3, 3, 3], { strides: [2, 3], pads: [1, 1, 1, 1] }),
  convCase("Conv dilations", [2, 2, 7, 8], [3, 2, 3, 2], { dilations: [2, 3], pads: [1, 2, 1, 2] }),
  convCase("Conv uneven pads", [1, 2, 6, 5], [3, 2, 3, 3], { strides: [2, 2], pads: [0, 1, 2, 0] }),
  convCase("Conv wide pads", [1, 2, 4, 4], [3, 2, 2, 2], { pads: [3, 2, 2, 3] }, false),
  convCase("Conv groups", [2, 4, 5, 5], [6, 2, 3, 3], { group: 2, pads: [1, 1, 1, 1] }),
  convCase("Conv groups strided", [2, 4, 5, 6], [6, 2, 3, 3], { group: 2, strides: [2, 2], pads: [1, 1, 1, 1] }, false),
  convCase("Conv depthwise", [2, 4, 5, 5], [4, 1, 3, 3], { group: 4, pads: [1, 1, 1, 1] }),
  convCase(
    "Conv depthwise strided",
    [2, 3, 6, 6],
    [3, 1, 3, 3],
    { group: 3, strides: [2, 2], pads: [0, 0, 1, 1] },
    false,
  ),
  convCase("Conv depthwise multiplier", [2, 3, 5, 5], [6, 1, 3, 3], { group: 3, pads: [1, 1, 1, 1] }, false),
  convCase("Conv 1-D", [2, 3, 9], [4, 3, 3], { strides: [2], dilations: [2], pads: [1, 2] }),
  convCase("Conv 1-D depthwise", [2, 3, 8], [3, 1, 5], { group: 3, pads: [4, 0] }),
  convCase("Conv 3-D", [1, 2, 4, 3, 4], [2, 2, 2, 2, 2], { strides: [2, 1, 1] }, false),
  convCase("Conv many channels", [1, 16, 11, 11], [3, 16, 3, 3], { pads: [1, 1, 1, 1] }, false),
  convCase("Conv large kernel", [1, 1, 10, 10], [2, 1, 9, 9], { pads: [2, 2, 2, 2] }, false),
  autoPad("Conv SAME_UPPER", "SAME_UPPER", [2, 2, 6, 5], [3, 2, 3, 3], [2, 2], [0, 1, 1, 1]),
  autoPad("Conv SAME_LOWER", "SAME_LOWER", [2, 2, 6, 5], [3, 2, 2, 2], [1, 1], [1, 1, 0, 0]),
  autoPad("Conv VALID", "VALID", [2, 2, 6, 5], [3, 2, 2, 2], [1, 1], [0, 0, 0, 0]),
  convCase("ConvTranspose", [2, 3, 4, 3], [3, 2, 3, 3], { pads: [1, 1, 1, 1] }),
  convCase("ConvTranspose strides", [2, 3, 4, 3], [3, 2, 3, 3], {
    strides: [2, 3],
    pads: [1, 0, 1, 0],
    outputPadding: [1, 2],
  }),
  convCase("ConvTranspose groups", [2, 4, 3, 3], [4, 2, 2, 2], { group: 2, strides: [2, 2] }),
  convCase(
    "ConvTranspose depthwise",
    [2, 3, 3, 4],
    [3, 1, 3, 3],
    { group: 3, strides: [2, 2], pads: [1, 1, 1, 1] },
    false,
  ),
  convCase("ConvTranspose 1-D", [2, 3, 5], [3, 2, 4], { strides: [2], pads: [1, 1] }),
  gemmCase("Gemm", [4, 3], [3, 5], [5], {}),
  gemmCase("Gemm transB", [4, 3], [5, 3], [5], { transB: 1 }),
  gemmCase("Gemm transA", [3, 4], [3, 5], [4, 1], { transA: 1, alpha: 0.5, beta: 2 }),
  gemmCase("Gemm transA transB", [3, 4], [5, 3], undefined, { transA: 1, transB: 1, alpha: 1.5 }),
  matMulCase("MatMul", [4, 3], [3, 5], [0]),
  matMulCase("MatMul rows", [2, 4, 3], [3, 5], [0]),
  matMulCase("MatMul batch", [2, 3, 4, 5], [2, 3, 5, 2], [0, 1]),
  matMulCase("MatMul broadcast", [5, 1, 2, 3], [4, 3, 2]),
  matMulCase("MatMul left matrix", [2, 3], [4, 3, 5]),
  matMulCase("MatMul vector right", [2, 4, 3], [3]),
  matMulCase("MatMul vector left", [3], [2, 3, 4]),
  matMulCase("MatMul dot", [4], [4]),
  poolCase("MaxPool", [2, 3, 4, 6], { kernel: [2, 2], strides: [2, 2] }),
  poolCase("MaxPool odd", [2, 3, 5, 7], { kernel: [2, 2], strides: [2, 2] }),
  poolCase("MaxPool overlapping", [2, 3, 7, 7], { kernel: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] }),
  poolCase("MaxPool wide", [2, 3, 6, 9], { kernel: [2, 3], strides: [3, 3] }),
  poolCase("MaxPool dilations", [2, 2, 7, 7], { kernel: [2, 2], strides: [2, 2], dilations: [2, 2] }),
  poolCase("MaxPool ceil", [2, 2, 5, 5], { kernel: [2, 2], strides: [2, 2], ceil: true }),
  poolCase("MaxPool 1-D", [2, 3, 8], { kernel: [2], strides: [2] }),
  poolCase("AveragePool", [2, 3, 4, 6], { kernel: [2, 2], strides: [2, 2] }),
  poolCase("AveragePool padded", [2, 3, 5, 5], { kernel: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] }),
  poolCase("AveragePool include pad", [2, 3, 5, 5], { kernel: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] }, true),
  poolCase("AveragePool overlapping", [2, 2, 6, 6], { kernel: [3, 3], strides: [1, 1] }),
  poolCase("AveragePool ceil", [2, 2, 5, 5], { kernel: [2, 2], strides: [2, 2], ceil: true }),
  poolCase("AveragePool 1-D", [2, 3, 9], { kernel: [3], strides: [2] }),
  {
    name: "GlobalAveragePool",
    inputs: [[[2, 3, 4, 5], -1, 1]],
    build: (b, x) => b.node("GlobalAveragePool", x),
    naive: ([x]) => reduce(x!, [2, 3], true, (v) => sum(v) / v.length),
  },
  {
    name: "GlobalMaxPool",
    inputs: [[[2, 3, 4, 5], -1, 1]],
    build: (b, x) => b.node("GlobalMaxPool", x),
    naive: ([x]) => reduce(x!, [2, 3], true, (v) => Math.max(...v)),
  },
  batchNorm("BatchNormalization", [3, 2, 3, 2], false),
  batchNorm("BatchNormalization vectors", [4, 3], false),
  batchNorm("BatchNormalization training", [3, 2, 3, 2], true),
  layerNorm("LayerNormalization", [2, 3, 5], [5], -1),
  layerNorm("LayerNormalization two axes", [2, 3, 5], [3, 5], 1),
  {
    name: "InstanceNormalization",
    inputs: [
      [[2, 3, 3, 4], -1, 1],
      [[3], 0.5, 1.5],
      [[3], -1, 1],
    ],
    build: (b, values) => b.node("InstanceNormalization", values, { epsilon: float(0.01) }),
    naive: ([x, scale, shift]) =>
      broadcast([standardize(x!, [2, 3], 0.01), channels(x!, scale!), channels(x!, shift!)], (v, s, t) => v! * s! + t!),
  },
  softmaxCase("Softmax", -1),
  softmaxCase("Softmax axis 1", 1),
  softmaxCase("LogSoftmax", -1),
  softmaxCase("LogSoftmax axis 1", 1),
];
