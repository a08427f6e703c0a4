import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  createRandom,
  forEachWeight,
  GraphBuilder,
  int,
  ints,
  type LinearLayer,
  linearLayerOf,
  linearLayers,
  type Model,
  Tensor,
} from "../../src/lab.js";
import { runner } from "../helpers/runner.js";

interface Kind {
  opType: LinearLayer["opType"];
  input: number[];
  weight: number[];
  group?: number;
  transB?: boolean;
}

const sizeOf = (dims: readonly number[]) => dims.reduce((product, dim) => product * dim, 1);

/** One layer without bias, with random weights. */
function layerModel(kind: Kind, seed: number): { model: Model; layer: LinearLayer } {
  const { model, builder } = GraphBuilder.model("layer");
  const random = createRandom(seed);
  const x = builder.input("x", kind.input);
  const values = Float32Array.from({ length: sizeOf(kind.weight) }, () => random.normal());
  const w = builder.constant(Tensor.float32(kind.weight, values), "w");
  const attributes = {
    ...(kind.group !== undefined && { group: int(kind.group) }),
    ...(kind.transB !== undefined && { transB: int(kind.transB ? 1 : 0) }),
  };
  builder.output(builder.node(kind.opType, [x, w], attributes));
  return { model, layer: linearLayerOf(model.graph, model.graph.nodes[0]!)! };
}

async function run(model: Model, dims: readonly number[], x: Float32Array) {
  const [output] = Object.values(
    await runner.using(model, (session) => session.run({ x: { dtype: "float32", dims, data: x } }), {
      optimization: "disabled",
    }),
  );
  return { dims: output!.dims, data: output!.data as Float32Array };
}

/** A copy of the model with each weight multiplied as `factor` says. */
function scaled(model: Model, layer: LinearLayer, factor: (out: number, input: number) => number): Model {
  const values = Float32Array.from(layer.tensor.array() as Float32Array);
  forEachWeight(layer, (flat, out, input) => {
    values[flat] = values[flat]! * factor(out, input);
  });
  const initializers = new Map([[layer.weight, Tensor.float32(layer.tensor.dims, values)]]);
  return { ...model, graph: { ...model.graph, initializers } };
}

/** Channel of each element of a value: axis 1 behind convolutions, else the last. */
function channelOf(layer: LinearLayer, dims: readonly number[]): (flat: number) => number {
  const axis = layer.opType.startsWith("Conv") ? 1 : dims.length - 1;
  const inner = sizeOf(dims.slice(axis + 1));
  return (flat) => Math.floor(flat / inner) % dims[axis]!;
}

const small = fc.integer({ min: 1, max: 3 });
const kinds: fc.Arbitrary<Kind> = fc.oneof(
  fc.tuple(small, small, small, fc.constantFrom<number[]>([3], [2, 3], [1, 2, 2])).map(([group, a, b, kernel]) => ({
    opType: "Conv" as const,
    group,
    input: [2, group * a, ...kernel.map((k) => k + 1)],
    weight: [group * b, a, ...kernel],
  })),
  fc.tuple(small, small, small, fc.constantFrom<number[]>([3], [2, 3])).map(([group, a, b, kernel]) => ({
    opType: "ConvTranspose" as const,
    group,
    input: [2, group * a, ...kernel.map(() => 2)],
    weight: [group * a, b, ...kernel],
  })),
  fc.tuple(small, small, fc.boolean()).map(([k, n, transB]) => ({
    opType: "Gemm" as const,
    transB,
    input: [2, k],
    weight: transB ? [n, k] : [k, n],
  })),
  fc.tuple(small, small, fc.constantFrom<number[]>([], [2], [2, 2])).map(([k, n, batch]) => ({
    opType: "MatMul" as const,
    input: [...batch, 2, k],
    weight: [...batch, k, n],
  })),
);

const property = (check: (kind: Kind, seed: number) => Promise<void>) =>
  fc.assert(fc.asyncProperty(kinds, fc.nat(1000), check), { seed: 11, numRuns: 60 });

describe("channels, against onnxruntime", () => {
  test("multiplying the weights of one output channel multiplies that channel of the output", () =>
    property(async (kind, seed) => {
      const { model, layer } = layerModel(kind, seed);
      const random = createRandom(seed + 1);
      const x = Float32Array.from({ length: sizeOf(kind.input) }, () => random.normal());
      const before = await run(model, kind.input, x);
      const factor = (out: number) => 2 ** (out - 1);
      const after = await run(scaled(model, layer, factor), kind.input, x);
      const channel = channelOf(layer, before.dims);
      // Powers of two: exact in floating point.
      expect([...after.data]).toEqual([...before.data].map((value, flat) => value * factor(channel(flat))));
      expect(Math.max(...[...before.data.keys()].map(channel)) + 1).toBe(layer.outChannels);
    }));

  test("multiplying the weights of one input channel equals multiplying that channel of the input", () =>
    property(async (kind, seed) => {
      const { model, layer } = layerModel(kind, seed);
      const random = createRandom(seed + 1);
      const x = Float32Array.from({ length: sizeOf(kind.input) }, () => random.normal());
      const factor = (input: number) => 2 ** (1 - input);
      const channel = channelOf(layer, kind.input);
      const weights = await run(
        scaled(model, layer, (_, input) => factor(input)),
        kind.input,
        x,
      );
      const inputs = await run(
        model,
        kind.input,
        x.map((value, flat) => value * factor(channel(flat))),
      );
      expect([...weights.data]).toEqual([...inputs.data]);
      expect(Math.max(...[...x.keys()].map(channel)) + 1).toBe(layer.inChannels);
    }));

  test("every element is visited once, in storage order, with channels along the stated axes", () =>
    property(async (kind, seed) => {
      const { layer } = layerModel(kind, seed);
      const dims = layer.tensor.dims;
      let next = 0;
      forEachWeight(layer, (flat, out, input) => {
        expect(flat).toBe(next++);
        const along = (axis: number) => Math.floor(flat / sizeOf(dims.slice(axis + 1))) % dims[axis]!;
        const perGroup = (channels: number, axis: number) =>
          dims[axis] === channels ? channels : channels / layer.group;
        expect(out % perGroup(layer.outChannels, layer.outAxis)).toBe(along(layer.outAxis));
        expect(input % perGroup(layer.inChannels, layer.inAxis)).toBe(along(layer.inAxis));
      });
      expect(next).toBe(layer.tensor.size);
      expect(layer.kernelArea * layer.outChannels * layer.inChannels).toBe(
        layer.opType === "MatMul" ? layer.outChannels * layer.inChannels : next * layer.group,
      );
    }));
});

describe("what is a linear layer", () => {
  test("depthwise: one input channel a group, with or without a multiplier", () => {
    const depthwise = (kind: Kind) => layerModel(kind, 1).layer.depthwise;
    expect(depthwise({ opType: "Conv", input: [1, 4, 3], weight: [8, 1, 3], group: 4 })).toBe(true);
    expect(depthwise({ opType: "Conv", input: [1, 4, 3], weight: [4, 2, 3], group: 2 })).toBe(false);
    expect(depthwise({ opType: "Conv", input: [1, 1, 3], weight: [4, 1, 3], group: 1 })).toBe(false);
    expect(depthwise({ opType: "ConvTranspose", input: [1, 4, 3], weight: [4, 2, 3], group: 4 })).toBe(true);
    expect(depthwise({ opType: "ConvTranspose", input: [1, 4, 3], weight: [4, 2, 3], group: 2 })).toBe(false);
  });

  test("not: computed weights, transposed input, vectors, groups that do not divide, other operators and domains", () => {
    const { model, builder } = GraphBuilder.model("none");
    const x = builder.input("x", [2, 2]);
    const w = builder.constant(Tensor.float32([2, 2], [1, 2, 3, 4]), "w");
    const vector = builder.constant(Tensor.float32([2], [1, 2]), "v");
    const kernel = builder.constant(Tensor.float32([3, 1, 1], [1, 2, 3]), "k");
    builder.node("MatMul", [x, builder.node("Relu", [w])]);
    builder.node("MatMul", [w, x]);
    builder.node("MatMul", [x, vector]);
    builder.node("Gemm", [x, w], { transA: int(1) });
    builder.node("Conv", [x, kernel], { group: int(2) });
    builder.node("Conv", [x, kernel], { group: int(0) });
    builder.node("Conv", [x, w]);
    builder.node("Add", [x, w]);
    builder.node("MatMul", [x, w], {}, { domain: "custom" });
    builder.node("MatMul", []);
    expect(linearLayers(model.graph)).toEqual([]);
  });

  test("in node order, with bias only where it is constant", () => {
    const { model, builder } = GraphBuilder.model("two");
    const x = builder.input("x", [1, 2, 3, 3]);
    const w = builder.constant(Tensor.float32([2, 2, 1, 1], [1, 2, 3, 4]), "w");
    const b = builder.constant(Tensor.float32([2], [1, 2]), "b");
    const first = builder.node("Conv", [x, w, b], { kernel_shape: ints([1, 1]) }, { name: "first" });
    builder.node("Conv", [first, w, builder.node("Relu", [b])], {}, { name: "second" });
    builder.node("Conv", [first, w, ""], {}, { name: "third" });
    const layers = linearLayers(model.graph);
    expect(layers.map(({ node, bias }) => [node.name, bias])).toEqual([
      ["first", "b"],
      ["second", undefined],
      ["third", undefined],
    ]);
    expect(layers[0]).toMatchObject({
      input: "x",
      output: first,
      weight: "w",
      outChannels: 2,
      inChannels: 2,
      outAxis: 0,
      inAxis: 1,
    });
  });
});
