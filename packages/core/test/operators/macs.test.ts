import { expect, test } from "vitest";
import {
  type Attribute,
  createNode,
  createRandom,
  GraphBuilder,
  int,
  ints,
  type Model,
  macsOf,
  observeShapes,
  Tensor,
  zeroFeeds,
} from "../../src/lab.js";
import { runner } from "../helpers/runner.js";

/** A model of one node on inputs of the given shapes; weights are inputs too. */
function oneNode(opType: string, shapes: readonly number[][], attributes: Record<string, Attribute> = {}): Model {
  const { model, builder } = GraphBuilder.model("one");
  const names = shapes.map((shape, i) => builder.input(`x${i}`, shape));
  builder.output(builder.node(opType, names, attributes));
  return model;
}

async function count(model: Model): Promise<number> {
  return macsOf(model, await observeShapes(model, zeroFeeds(model), { runner })).total;
}

/** Multiplications of a convolution, counted one by one; taps on padding count as everywhere. */
function convByLoops(
  [n, c, h, w]: readonly number[],
  [m, cg, kh, kw]: readonly number[],
  { stride, pad, dilation }: { stride: number; pad: number; dilation: number },
): number {
  let macs = 0;
  const size = (length: number, kernel: number) => length + 2 * pad - dilation * (kernel - 1);
  for (let sample = 0; sample < n!; sample++)
    for (let out = 0; out < m!; out++)
      for (let y = 0; y < size(h!, kh!); y += stride)
        for (let x = 0; x < size(w!, kw!); x += stride)
          for (let channel = 0; channel < cg!; channel++) for (let tap = 0; tap < kh! * kw!; tap++) macs++;
  expect(c! % cg!).toBe(0);
  return macs;
}

test("Conv: outputs times kernel, with stride, pads, dilation and groups", async () => {
  const random = createRandom(11);
  const pick = (...values: number[]) => values[Math.floor(random.uniform() * values.length)]!;
  for (let round = 0; round < 12; round++) {
    const group = pick(1, 2, 4);
    const x = [pick(1, 2), 4, pick(5, 8), pick(5, 9)];
    const weight = [group * pick(1, 2), 4 / group, pick(1, 3), pick(1, 2)];
    const [stride, pad, dilation] = [pick(1, 2), pick(0, 1), pick(1, 2)];
    const model = oneNode("Conv", [x, weight], {
      group: int(group),
      strides: ints([stride, stride]),
      pads: ints([pad, pad, pad, pad]),
      dilations: ints([dilation, dilation]),
    });
    expect(await count(model), `round ${round}`).toBe(convByLoops(x, weight, { stride, pad, dilation }));
  }
});

test("ConvTranspose: every input value goes to M/group · kernel outputs", async () => {
  const attributes = { group: int(2), strides: ints([2, 2]) };
  expect(
    await count(
      oneNode(
        "ConvTranspose",
        [
          [1, 4, 5, 6],
          [4, 3, 2, 2],
        ],
        attributes,
      ),
    ),
  ).toBe(4 * 5 * 6 * 3 * 4);
});

test("Gemm and MatMul: M · N · K, transposed or not, with batches", async () => {
  const [m, k, n] = [3, 5, 7];
  for (const transA of [0, 1]) {
    for (const transB of [0, 1]) {
      const a = transA ? [k, m] : [m, k];
      const b = transB ? [n, k] : [k, n];
      const attributes = { transA: int(transA), transB: int(transB) };
      expect(await count(oneNode("Gemm", [a, b], attributes))).toBe(m * k * n);
    }
  }
  expect(
    await count(
      oneNode("MatMul", [
        [2, 4, m, k],
        [k, n],
      ]),
    ),
  ).toBe(8 * m * k * n);
  expect(
    await count(
      oneNode("MatMul", [
        [m, k],
        [6, k, n],
      ]),
    ),
  ).toBe(6 * m * k * n);
  expect(await count(oneNode("MatMul", [[k], [k]]))).toBe(k);
});

test("QOperator forms count like their float forms; other operators and unknown shapes count nothing", () => {
  const { model, builder } = GraphBuilder.model("quantized");
  const weight = builder.constant(Tensor.of("int8", [8, 4, 3, 3], new Int8Array(288)), "w");
  const q = (opType: string, inputs: string[], output: string, domain = "") =>
    builder.graph.nodes.push(createNode({ opType, inputs, outputs: [output], name: opType, domain }));
  q("QLinearConv", ["x", "s", "z", weight, "s", "z", "s", "z"], "y");
  q("QLinearMatMul", ["a", "s", "z", "b", "s", "z", "s", "z"], "c");
  q("Relu", ["y"], "r");
  q("Conv", ["unseen", weight], "u");
  q("Conv", ["x", weight], "foreign", "example.org");
  const dims = (...sizes: number[]) => ({ dims: sizes });
  const shapes = new Map([
    ["x", dims(1, 4, 6, 6)],
    ["y", dims(1, 8, 4, 4)],
    ["a", dims(2, 3)],
    ["b", dims(3, 5)],
    ["c", dims(2, 5)],
  ]);
  const report = macsOf(model, shapes);
  expect(report.nodes.map(({ name, macs }) => [name, macs])).toEqual([
    ["QLinearConv", 8 * 16 * 4 * 9],
    ["QLinearMatMul", 30],
    ["Conv", 0],
  ]);
  expect(report.total).toBe(8 * 16 * 36 + 30);
});

/** A model of one node whose values are declared, not run: what runtimes without the operator count too. */
function declared(
  opType: string,
  inputs: readonly number[][],
  output: readonly number[],
  attributes = {},
  domain = "",
) {
  const { model } = GraphBuilder.model("declared");
  const names = inputs.map((_, at) => `x${at}`);
  model.graph.nodes.push(createNode({ opType, domain, inputs: names, outputs: ["y"], attributes }));
  const shapes = new Map([...inputs, output].map((dims, at) => [names[at] ?? "y", { dims }]));
  return macsOf(model, shapes);
}

test("recurrent cells: every weight once a step and sample", () => {
  // 5 steps, 2 samples, 3 inputs, 4 hidden units: gates · hidden · (inputs + hidden).
  for (const [opType, gates] of [
    ["LSTM", 4],
    ["GRU", 3],
    ["RNN", 1],
  ] as const) {
    const inputs = [
      [5, 2, 3],
      [1, gates * 4, 3],
      [1, gates * 4, 4],
    ];
    expect(declared(opType, inputs, [5, 1, 2, 4]).total).toBe(5 * 2 * gates * 4 * (3 + 4));
  }
});

test("attention: projections, Q·Kᵀ and the product with V", () => {
  // 2 samples, 6 positions, 8 channels to 8 queries, keys and values.
  expect(
    declared(
      "Attention",
      [
        [2, 6, 8],
        [8, 24],
      ],
      [2, 6, 8],
      {},
      "com.microsoft",
    ).total,
  ).toBe(2 * 6 * 8 * 24 + 2 * 6 * 6 * (8 + 8));
  expect(
    declared(
      "Attention",
      [
        [2, 6, 8],
        [2, 7, 8],
        [2, 7, 8],
      ],
      [2, 6, 8],
    ).total,
  ).toBe(2 * 6 * 7 * (8 + 8));
});

test("Einsum: the product of all its sizes", () => {
  const equation = (value: string) => ({ equation: { type: "string", value } as const });
  expect(
    declared(
      "Einsum",
      [
        [2, 3],
        [3, 5],
      ],
      [2, 5],
      equation("ij, jk -> ik"),
    ).total,
  ).toBe(2 * 3 * 5);
  expect(
    declared(
      "Einsum",
      [
        [4, 2, 3],
        [3, 5],
      ],
      [4, 2, 5],
      equation("...ij,jk->...ik"),
    ).total,
  ).toBe(4 * 2 * 3 * 5);
});

test("what cannot be told is named, and an operator called as a method of objects is none", () => {
  const { model } = GraphBuilder.model("unknown");
  model.graph.nodes.push(createNode({ opType: "LSTM", name: "cell", inputs: ["x", "w", "r"], outputs: ["y"] }));
  for (const opType of ["constructor", "toString", "__proto__"])
    model.graph.nodes.push(createNode({ opType, inputs: ["y"], outputs: [opType] }));
  expect(macsOf(model, new Map())).toMatchObject({ total: 0, uncounted: ["cell"] });
  expect(macsOf(model, new Map()).nodes).toHaveLength(1);
});
