import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { batchNorm, convReluConv, type TestModel, testModel } from "../helpers/build.js";
import { runner } from "../helpers/runner.js";
import { type Attribute, fold, int, ints, type Model, serializeModel, Tensor, transform } from "./core.js";
import { countsOf, expectFolded, expectSameFunction, foldCopy, opTypes } from "./helpers.js";

describe("options", () => {
  test("unknown keys, kinds and limits are rejected when the step is made", () => {
    expect(() => fold({ kind: ["pads"] } as never)).toThrow(expect.objectContaining({ code: "E2001" }));
    expect(() => fold({ kinds: ["padding"] as never })).toThrow(expect.objectContaining({ code: "E2004" }));
    expect(() => fold({ maxGrowthBytes: -1 })).toThrow(
      expect.objectContaining({ code: "E2002", message: "fold: invalid maxGrowthBytes -1, expected 0 or more" }),
    );
    expect(() => fold({ maxGrowthBytes: Number.NaN })).toThrow(expect.objectContaining({ code: "E2002" }));
  });

  test("kinds limits what is folded", async () => {
    const t = testModel(1);
    const x = t.builder.node("Identity", [t.builder.input("x", ["N", 3, 4, 4])]);
    t.builder.output(batchNorm(t, t.builder.node("Conv", [x, t.random([2, 3, 1, 1])]), 2));
    const { model, report } = await expectFolded(t.model, { kinds: ["identities"] });
    expect(opTypes(model)).toEqual(["Conv", "BatchNormalization"]);
    expect(report.counts).toEqual(countsOf({ identities: 1 }));
  });
});

describe("the step", () => {
  test("nothing to fold: nothing changes", async () => {
    const model = convReluConv();
    const nodes = [...model.graph.nodes];
    const before = serializeModel(model);
    const [report] = await transform(model, [fold()], { runner });
    expect(report).toEqual({
      transform: "fold",
      modified: false,
      counts: countsOf({}),
      folded: [],
      skipped: [],
      nodesBefore: 3,
      nodesAfter: 3,
    });
    expect(model.graph.nodes).toEqual(nodes);
    expect(Buffer.compare(before, serializeModel(model))).toBe(0);
  });

  test("kinds open the way for each other, to a fixed point", async () => {
    const t = testModel(5);
    const x = t.builder.input("x", ["N", 3, 6, 6]);
    const amounts = t.builder.node(
      "Concat",
      [t.builder.constant(Tensor.int64([4], [0, 0, 1, 1])), t.builder.constant(Tensor.int64([4], [0, 0, 1, 1]))],
      {
        axis: int(0),
      },
    );
    const pad = t.builder.node("Pad", [t.builder.node("Identity", [x]), amounts]);
    const weight = t.builder.node("Neg", [t.random([4, 3, 3, 3])]);
    const conv = t.builder.node("Conv", [pad, weight], {}, { name: "conv" });
    const scaled = t.builder.node("Mul", [t.builder.node("Dropout", [batchNorm(t, conv, 4)]), t.positive([4, 1, 1])]);
    const again = batchNorm(t, t.builder.node("Add", [scaled, t.random([4, 1, 1])]), 4, "bn2");
    t.builder.output(t.builder.node("Identity", [again], {}, { name: "last" }));
    const { model, report } = await expectFolded(t.model);
    expect(opTypes(model)).toEqual(["Conv"]);
    expect(report.counts).toEqual({ constants: 2, identities: 3, pads: 1, affine: 2, batchNorms: 2, heads: 0 });
    expect(report.nodesBefore).toBe(11);
    expect(model.graph.nodes[0]!.outputs).toEqual(["last_output"]);
    expect(model.graph.initializers.size).toBe(2);
  });

  test("layers inside subgraphs are folded too", async () => {
    const inner = (seed: number, output: string) => {
      const t = testModel(seed);
      const y = batchNorm(
        t,
        t.builder.node("Conv", ["x", t.random([2, 3, 1, 1], `${output}.w`)], {}, { name: `${output}.conv` }),
        2,
        `${output}.bn`,
      );
      t.builder.output(y, "float32");
      return t.model.graph;
    };
    const t = testModel(1);
    t.builder.input("x", ["N", 3, 4, 4]);
    const branches: Record<string, Attribute> = {
      then_branch: { type: "graph", value: inner(2, "a") },
      else_branch: { type: "graph", value: inner(3, "b") },
    };
    t.builder.output(t.builder.node("If", [t.builder.input("c", [], "bool")], branches));
    const { report } = await expectFolded(t.model);
    expect(report.counts).toEqual(countsOf({ batchNorms: 2 }));
    expect([report.nodesBefore, report.nodesAfter]).toEqual([5, 3]);
  });

  test("a failure leaves the model untouched", async () => {
    const t = testModel(5);
    const conv = t.builder.node("Conv", [t.builder.input("x", ["N", 3, 6, 6]), t.random([4, 3, 1, 1])]);
    const bn = batchNorm(t, t.builder.node("Identity", [conv]), 4);
    t.builder.output(bn);
    // The attribute has the wrong kind: reading it throws in the last pass, after the identity is gone.
    t.model.graph.nodes.at(-1)!.attributes.set("epsilon", int(1));
    const before = serializeModel(t.model);
    await expect(transform(t.model, [fold()], { runner })).rejects.toMatchObject({ code: "E3003" });
    expect(Buffer.compare(before, serializeModel(t.model))).toBe(0);
  });
});

type Step =
  | { kind: "conv"; out: number; group: boolean; bias: boolean; pad: boolean; transpose: boolean }
  | { kind: "bn" | "identity" | "relu" | "dropout" | "pad" | "fork" }
  | { kind: "binary"; opType: "Add" | "Sub" | "Mul" | "Div"; scalar: boolean; first: boolean };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constant("conv" as const),
    out: fc.integer({ min: 1, max: 3 }),
    group: fc.boolean(),
    bias: fc.boolean(),
    pad: fc.boolean(),
    transpose: fc.boolean(),
  }),
  fc.record({
    kind: fc.constantFrom(
      "bn" as const,
      "identity" as const,
      "relu" as const,
      "dropout" as const,
      "pad" as const,
      "fork" as const,
    ),
  }),
  fc.record({ kind: fc.constant("bn" as const) }),
  fc.record({
    kind: fc.constant("binary" as const),
    opType: fc.constantFrom("Add" as const, "Sub" as const, "Mul" as const, "Div" as const),
    scalar: fc.boolean(),
    first: fc.boolean(),
  }),
);

const head = fc.record({ kind: fc.constantFrom("none", "Gemm", "MatMul"), bias: fc.boolean(), bn: fc.boolean() });

function chain(steps: readonly Step[], end: { kind: string; bias: boolean; bn: boolean }, seed: number): Model {
  const t = testModel(seed);
  let channels = 2;
  let value = t.builder.input("x", ["N", channels, 5, 5]);
  for (const item of steps) [value, channels] = append(t, item, value, channels);
  if (end.kind !== "none") {
    const flat = t.builder.node("Flatten", [t.builder.node("GlobalAveragePool", [value])]);
    const weight = t.random([channels, 3]);
    value = t.builder.node(end.kind, [flat, weight]);
    if (end.bias) value = t.builder.node("Add", [value, t.random([3])]);
    if (end.bn) value = batchNorm(t, value, 3);
  }
  t.builder.output(value);
  return t.model;
}

function append(t: TestModel, item: Step, value: string, channels: number): [string, number] {
  switch (item.kind) {
    case "conv": {
      const group = item.group ? channels : 1;
      const out = group * item.out;
      const dims = item.transpose ? [channels, out / group, 3, 3] : [out, channels / group, 3, 3];
      const inputs = [value, t.random(dims, "w", 0.5), ...(item.bias ? [t.random([out])] : [])];
      const attributes = { group: int(group), pads: ints(item.pad ? [1, 1, 1, 1] : [0, 0, 0, 0]) };
      // Data must not shrink away: without padding it is enlarged first.
      if (!item.transpose && !item.pad) inputs[0] = pad(t, value);
      return [t.builder.node(item.transpose ? "ConvTranspose" : "Conv", inputs, attributes), out];
    }
    case "bn":
      return [batchNorm(t, value, channels), channels];
    case "relu":
      return [t.builder.node("Relu", [value]), channels];
    case "identity":
      return [t.builder.node("Identity", [value]), channels];
    case "dropout":
      return [t.builder.node("Dropout", [value]), channels];
    case "pad":
      return [pad(t, value), channels];
    case "fork":
      return [t.builder.node("Add", [value, t.builder.node("Sigmoid", [value])]), channels];
    default: {
      const constant = t.positive(item.scalar ? [] : [channels, 1, 1]);
      const swap = item.first && item.opType !== "Div";
      return [t.builder.node(item.opType, swap ? [constant, value] : [value, constant]), channels];
    }
  }
}

function pad(t: TestModel, value: string): string {
  return t.builder.node("Pad", [value, t.builder.constant(Tensor.int64([8], [0, 0, 1, 0, 0, 0, 1, 2]))]);
}

test("property: any chain of layers, normalizations, constants and identities keeps its function", async () => {
  let folded = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 1, maxLength: 8 }),
      head,
      fc.integer({ min: 0, max: 1e6 }),
      async (steps, end, seed) => {
        const model = chain(steps, end, seed);
        const result = await foldCopy(model);
        folded += result.report.folded.length;
        if (result.report.modified) await expectSameFunction(model, result);
        else expect(Buffer.compare(result.before, result.after)).toBe(0);
      },
    ),
    { numRuns: 60, seed: 20260101 },
  );
  expect(folded).toBeGreaterThan(100);
});
