import { crossEntropy, float, int, ints, klDivergenceLoss, meanSquare, string, Tensor } from "../../src/lab.js";
import type { GradientCase } from "./case.js";
import { at, type Dense, dense, map, reduce, reshape, sum, transpose } from "./naive.js";

const X = [[2, 3, 4], -1, 1] as const;

function moving(
  name: string,
  naive: (x: Dense) => Dense,
  more: Partial<GradientCase> & Pick<GradientCase, "build">,
): GradientCase {
  return { name, inputs: [X], naive: ([x]) => naive(x!), ...more };
}

const int64 = (...values: number[]) => Tensor.int64([values.length], values);

/** Elements chosen by index: `pick` says where an output element comes from, undefined for zero. */
const picked =
  (dims: readonly number[], pick: (index: readonly number[]) => readonly number[] | undefined) => (x: Dense) =>
    dense(dims, (index) => {
      const from = pick(index);
      return from ? at(x, from) : 0;
    });

type Fold = (values: number[]) => number;
const FOLDS: Record<string, Fold> = {
  ReduceSum: sum,
  ReduceMean: (v) => sum(v) / v.length,
  ReduceMax: (v) => Math.max(...v),
  ReduceMin: (v) => Math.min(...v),
  ReduceProd: (v) => v.reduce((a, b) => a * b, 1),
  ReduceL1: (v) => sum(v.map(Math.abs)),
  ReduceL2: (v) => Math.hypot(...v),
  ReduceSumSquare: (v) => sum(v.map((x) => x * x)),
  ReduceLogSum: (v) => Math.log(sum(v)),
  ReduceLogSumExp: (v) => Math.log(sum(v.map(Math.exp))),
};

/** One axis kept, two axes dropped, all axes; axes as attribute (opset 17) and as input (18, where it is one). */
function reduceCases(opType: string): GradientCase[] {
  const positive = opType === "ReduceLogSum";
  const variants = [
    { label: "", axes: [1], keep: true, opset: 17 },
    { label: " axes", axes: [-1, 0], keep: false, opset: 18 },
    { label: " all", axes: undefined, keep: false, opset: 17 },
  ];
  return variants.map(({ label, axes, keep, opset }) => ({
    name: opType + label,
    inputs: [[[2, 3, 4], positive ? 0.2 : -1.2, 1.5]],
    opset,
    batched: axes?.includes(0) || !axes ? [] : [0],
    build: (b, [x]) => {
      const keepdims = int(keep ? 1 : 0);
      if (!axes) return b.node(opType, [x!], { keepdims });
      const asInput = opType === "ReduceSum" || opset >= 18;
      if (asInput) return b.node(opType, [x!, b.constant(int64(...axes))], { keepdims });
      return b.node(opType, [x!], { keepdims, axes: ints(axes) });
    },
    naive: ([x]) => reduce(x!, axes ?? [0, 1, 2], keep, FOLDS[opType]!),
  }));
}

/** Nearest and linear interpolation along the last two axes by ONNX's half_pixel or asymmetric coordinates. */
function resizeCase(
  name: string,
  scale: readonly [number, number],
  options: { mode: string; coordinates: string; nearest?: string },
): GradientCase {
  const [height, width] = [4, 3];
  const out = [Math.floor(height * scale[0]), Math.floor(width * scale[1])] as const;
  const source = (position: number, factor: number) =>
    options.coordinates === "asymmetric" ? position / factor : (position + 0.5) / factor - 0.5;
  const clamp = (p: number, size: number) => Math.min(Math.max(p, 0), size - 1);
  const round = (p: number) => (options.nearest === "floor" ? Math.floor(p) : Math.ceil(p - 0.5));
  return {
    name,
    inputs: [[[2, 2, height, width], -1, 1]],
    build: (b, [x]) =>
      b.node("Resize", [x!, "", b.constant(Tensor.float32([4], [1, 1, ...scale]))], {
        mode: string(options.mode),
        coordinate_transformation_mode: string(options.coordinates),
        ...(options.nearest && { nearest_mode: string(options.nearest) }),
      }),
    naive: ([x]) =>
      dense([2, 2, ...out], ([n, c, row, column]) => {
        const [v, h] = [source(row!, scale[0]), source(column!, scale[1])];
        if (options.mode === "nearest") return at(x!, [n!, c!, clamp(round(v), height), clamp(round(h), width)]);
        const [vc, hc] = [clamp(v, height), clamp(h, width)];
        const [v0, h0] = [Math.floor(vc), Math.floor(hc)];
        const value = (dv: number, dh: number) => at(x!, [n!, c!, clamp(v0 + dv, height), clamp(h0 + dh, width)]);
        const [a, e] = [vc - v0, hc - h0];
        return (1 - a) * ((1 - e) * value(0, 0) + e * value(0, 1)) + a * ((1 - e) * value(1, 0) + e * value(1, 1));
      }),
  };
}

const scalar = (value: number): Dense => ({ dims: [], data: Float64Array.of(value) });

function logSoftmaxRow(x: Dense, row: number, temperature: number): number[] {
  const values = Array.from({ length: x.dims[1]! }, (_, k) => at(x, [row, k]) / temperature);
  const total = Math.log(sum(values.map(Math.exp)));
  return values.map((value) => value - total);
}

const FIXED = { batched: [] } as const;

export const STRUCTURE_CASES: GradientCase[] = [
  moving("Reshape", (x) => reshape(x, [2, 12]), {
    build: (b, [x]) => b.node("Reshape", [x!, b.constant(int64(0, -1))]),
  }),
  moving("Flatten", (x) => reshape(x, [2, 12]), { build: (b, x) => b.node("Flatten", x, { axis: int(1) }) }),
  moving("Transpose", (x) => transpose(x, [2, 0, 1]), {
    build: (b, x) => b.node("Transpose", x, { perm: ints([2, 0, 1]) }),
    ...FIXED,
  }),
  moving("Transpose default", (x) => transpose(x, [2, 1, 0]), { build: (b, x) => b.node("Transpose", x), ...FIXED }),
  moving("Squeeze", (x) => reshape(x, [2, 3]), {
    inputs: [[[2, 1, 3], -1, 1]],
    build: (b, [x]) => b.node("Squeeze", [x!, b.constant(int64(1))]),
  }),
  moving("Unsqueeze", (x) => reshape(x, [2, 1, 3, 4, 1]), {
    build: (b, [x]) => b.node("Unsqueeze", [x!, b.constant(int64(1, 4))]),
  }),
  moving(
    "Slice",
    picked([2, 2, 2], ([n, i, j]) => [n!, i! + 1, j! + 1]),
    {
      build: (b, [x]) =>
        b.node("Slice", [x!, b.constant(int64(1, -3)), b.constant(int64(99, -1)), b.constant(int64(1, -1))]),
    },
  ),
  moving(
    "Slice steps",
    picked([2, 2, 2], ([n, i, j]) => [n!, 2 - 2 * i!, 1 + 2 * j!]),
    {
      build: (b, [x]) =>
        b.node("Slice", [
          ...[x!, b.constant(int64(-1, 1)), b.constant(int64(-99, 4))],
          ...[b.constant(int64(1, 2)), b.constant(int64(-2, 2))],
        ]),
    },
  ),
  moving("Split", (x) => picked([2, 3, 1], ([n, i]) => [n!, i!, 3])(x), {
    build: (b, [x]) => b.nodes("Split", [x!, b.constant(int64(1, 2, 1))], { axis: int(2) }, { outputs: 3 }).outputs[2]!,
  }),
  {
    // Both halves are read: their gradients meet again.
    name: "Split halves",
    inputs: [X],
    opset: 18,
    build: (b, [x]) => {
      const { outputs } = b.nodes("Split", [x!], { axis: int(2), num_outputs: int(2) }, { outputs: 2 });
      return b.node("Mul", [outputs[0]!, b.node("Exp", [outputs[1]!])]);
    },
    naive: ([x]) => dense([2, 3, 2], ([n, i, j]) => at(x!, [n!, i!, j!]) * Math.exp(at(x!, [n!, i!, j! + 2]))),
  },
  {
    name: "Concat",
    inputs: [X, [[2, 1, 4], -1, 1], [[2, 2, 4], -1, 1]],
    batched: [0, 1, 2],
    build: (b, inputs) => b.node("Concat", inputs, { axis: int(1) }),
    naive: (inputs) =>
      dense([2, 6, 4], ([n, i, j]) => {
        const [which, row] = i! < 3 ? [0, i!] : i! < 4 ? [1, 0] : [2, i! - 4];
        return at(inputs[which]!, [n!, row, j!]);
      }),
  },
  {
    name: "Concat batch",
    inputs: [
      [[2, 3], -1, 1],
      [[4, 3], -1, 1],
    ],
    ...FIXED,
    build: (b, inputs) => b.node("Concat", inputs, { axis: int(0) }),
    naive: ([x, y]) => ({ dims: [6, 3], data: Float64Array.from([...x!.data, ...y!.data]) }),
  },
  moving(
    "Pad",
    picked([2, 6, 4], ([n, i, j]) => (i! >= 1 && i! < 4 && j! < 3 ? [n!, i! - 1, j! + 1] : undefined)),
    // One axis grows, the other loses its first element and gains one at the end.
    { build: (b, [x]) => b.node("Pad", [x!, b.constant(int64(0, 1, -1, 0, 2, 1))]) },
  ),
  moving(
    "Pad axes",
    picked([2, 3, 7], ([n, i, j]) => (j! >= 2 && j! < 6 ? [n!, i!, j! - 2] : undefined)),
    {
      opset: 18,
      build: (b, [x]) => b.node("Pad", [x!, b.constant(int64(2, 1)), "", b.constant(int64(2))]),
    },
  ),
  moving(
    "Pad reflect",
    picked([2, 3, 7], ([n, i, j]) => [n!, i!, [2, 1, 0, 1, 2, 3, 2][j!]!]),
    {
      build: (b, [x]) => b.node("Pad", [x!, b.constant(int64(0, 0, 2, 0, 0, 1))], { mode: string("reflect") }),
    },
  ),
  moving(
    "Pad edge",
    picked([2, 3, 7], ([n, i, j]) => [n!, i!, Math.min(Math.max(j! - 2, 0), 3)]),
    {
      build: (b, [x]) => b.node("Pad", [x!, b.constant(int64(0, 0, 2, 0, 0, 1))], { mode: string("edge") }),
    },
  ),
  moving(
    "Expand",
    picked([2, 3, 4], ([, i]) => [i!, 0]),
    {
      inputs: [[[3, 1], -1, 1]],
      ...FIXED,
      build: (b, [x]) => b.node("Expand", [x!, b.constant(int64(2, 3, 4))]),
    },
  ),
  moving(
    "Tile",
    picked([2, 6, 4], ([n, i, j]) => [n!, i! % 3, j!]),
    {
      build: (b, [x]) => b.node("Tile", [x!, b.constant(int64(1, 2, 1))]),
    },
  ),
  moving(
    "Gather",
    picked([2, 4, 4], ([n, i, j]) => [n!, [2, 0, 2, 1][i!]!, j!]),
    {
      build: (b, [x]) => b.node("Gather", [x!, b.constant(int64(2, 0, -1, 1))], { axis: int(1) }),
    },
  ),
  moving(
    "Gather scalar",
    picked([2, 4], ([n, j]) => [n!, 1, j!]),
    {
      build: (b, [x]) => b.node("Gather", [x!, b.constant(Tensor.int64([], [1]))], { axis: int(1) }),
    },
  ),
  moving(
    "Gather rows",
    picked([2, 2, 4], ([a, b, j]) => [[3, 1, 3, 0][2 * a! + b!]!, j!]),
    {
      inputs: [[[5, 4], -1, 1]],
      ...FIXED,
      build: (b, [x]) => b.node("Gather", [x!, b.constant(Tensor.int64([2, 2], [3, 1, 3, 0]))]),
    },
  ),
  moving(
    "GatherElements",
    picked([2, 3], ([i, j]) => [i!, [1, 0, 1, 3, 3, 2][3 * i! + j!]!]),
    {
      inputs: [[[2, 4], -1, 1]],
      ...FIXED,
      build: (b, [x]) =>
        b.node("GatherElements", [x!, b.constant(Tensor.int64([2, 3], [1, 0, 1, 3, 3, 2]))], { axis: int(1) }),
    },
  ),
  moving(
    "GatherND",
    picked([3, 4], ([i, j]) => [[1, 0, 1][i!]!, [2, 0, 2][i!]!, j!]),
    {
      ...FIXED,
      build: (b, [x]) => b.node("GatherND", [x!, b.constant(Tensor.int64([3, 2], [1, 2, 0, 0, 1, 2]))]),
    },
  ),
  moving("Cast", (x) => x, { build: (b, x) => b.node("Cast", [b.node("Cast", x, { to: int(11) })], { to: int(1) }) }),
  moving("Dropout", (x) => x, { build: (b, x) => b.node("Dropout", x) }),
  ...Object.keys(FOLDS).flatMap(reduceCases),
  resizeCase("Resize nearest", [2, 3], { mode: "nearest", coordinates: "asymmetric", nearest: "floor" }),
  resizeCase("Resize nearest half pixel", [2, 2], {
    mode: "nearest",
    coordinates: "half_pixel",
    nearest: "round_prefer_floor",
  }),
  resizeCase("Resize nearest fraction", [1.5, 0.67], { mode: "nearest", coordinates: "asymmetric", nearest: "floor" }),
  resizeCase("Resize linear", [2, 1.5], { mode: "linear", coordinates: "half_pixel" }),
  {
    // Round is flat: only the other factor has a gradient.
    name: "Round",
    inputs: [X],
    build: (b, [x]) => b.node("Mul", [x!, b.node("Round", [b.node("Mul", [x!, b.constant(Tensor.scalar(2))])])]),
    naive: ([x]) => map(x!, (v) => v * Math.round(2 * v)),
  },
  {
    name: "Shape as divisor",
    inputs: [X],
    build: (b, [x]) => {
      const size = b.node("Cast", [b.node("Size", [x!])], { to: int(1) });
      return b.node("Div", [b.node("Mul", [x!, x!]), size]);
    },
    naive: ([x]) => map(x!, (v) => (v * v) / 24),
  },
  {
    name: "attention",
    inputs: [
      [[2, 3, 4], -1, 1],
      [[2, 3, 4], -1, 1],
      [[2, 3, 4], -1, 1],
    ],
    batched: [0, 1, 2],
    build: (b, [q, k, v]) => {
      const scores = b.node("MatMul", [q!, b.node("Transpose", [k!], { perm: ints([0, 2, 1]) })]);
      return b.node("MatMul", [b.node("Softmax", [b.node("Mul", [scores, b.constant(0.5)])]), v!]);
    },
    naive: ([q, k, v]) =>
      dense([2, 3, 4], ([n, row, column]) => {
        const exps = [0, 1, 2].map((j) =>
          Math.exp(0.5 * sum([0, 1, 2, 3].map((d) => at(q!, [n!, row!, d]) * at(k!, [n!, j, d])))),
        );
        return sum(exps.map((e, j) => (e / sum(exps)) * at(v!, [n!, j, column!])));
      }),
  },
  {
    name: "SoftmaxCrossEntropyLoss",
    inputs: [[[4, 3], -2, 2]],
    ...FIXED,
    build: (b, [x]) => b.node("SoftmaxCrossEntropyLoss", [x!, b.constant(int64(2, 0, 1, 2))]),
    naive: ([x]) => {
      const logs = [2, 0, 1, 2].map((label, n) => {
        const row = [0, 1, 2].map((k) => at(x!, [n, k]));
        return row[label]! - Math.log(sum(row.map(Math.exp)));
      });
      return { dims: [], data: Float64Array.of(-sum(logs) / 4) };
    },
  },
  {
    name: "NegativeLogLikelihoodLoss",
    inputs: [[[4, 3], -2, -1]],
    ...FIXED,
    build: (b, [x]) =>
      b.node("NegativeLogLikelihoodLoss", [x!, b.constant(int64(2, 0, 1, 2))], { reduction: string("sum") }),
    naive: ([x]) => scalar(-sum([2, 0, 1, 2].map((label, n) => at(x!, [n, label])))),
  },
  {
    name: "cross-entropy",
    inputs: [[[4, 3], -2, 2]],
    ...FIXED,
    build: (b, [x]) => crossEntropy(b, x!, b.constant(int64(2, 0, 1, 2)), 3),
    naive: ([x]) => scalar(-sum([2, 0, 1, 2].map((label, n) => logSoftmaxRow(x!, n, 1)[label]!)) / 4),
  },
  {
    name: "mean-square",
    inputs: [
      [[4, 3], -2, 2],
      [[4, 3], -2, 2],
    ],
    batched: [0, 1],
    build: (b, [x, y]) => meanSquare(b, x!, y!),
    naive: ([x, y]) => scalar(sum(Array.from(x!.data, (v, i) => (v - y!.data[i]!) ** 2)) / 12),
  },
  {
    name: "KL divergence",
    inputs: [
      [[4, 3], -2, 2],
      [[4, 3], -2, 2],
    ],
    batched: [0, 1],
    build: (b, [x, y]) => klDivergenceLoss(b, x!, y!, 2),
    naive: ([x, y]) => {
      const terms = [0, 1, 2, 3].flatMap((n) => {
        const [q, p] = [logSoftmaxRow(x!, n, 2), logSoftmaxRow(y!, n, 2)];
        return p.map((log, k) => Math.exp(log) * (log - q[k]!));
      });
      return scalar((4 * sum(terms)) / 4);
    },
  },
  {
    name: "Gemm behind LeakyRelu",
    inputs: [
      [[3, 2], -1, 1],
      [[2, 2], -1, 1],
    ],
    batched: [0],
    build: (b, [x, w]) => b.node("LeakyRelu", [b.node("Gemm", [x!, w!])], { alpha: float(0.1) }),
    naive: ([x, w]) =>
      dense([3, 2], ([n, j]) => {
        const value = at(x!, [n!, 0]) * at(w!, [0, j!]) + at(x!, [n!, 1]) * at(w!, [1, j!]);
        return value > 0 ? value : 0.1 * value;
      }),
  },
];
