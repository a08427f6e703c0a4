import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { type Attribute, float, GraphBuilder, ints, Tensor } from "../../src/lab.js";
import { type GradientCase, gradients, gradientsOf, type InputSpec, relativeError, sampledAt } from "./case.js";
import { ELEMENTWISE_CASES } from "./elementwise-cases.js";
import { LAYER_CASES } from "./layer-cases.js";
import { PYTORCH_CASES } from "./pytorch-cases.js";
import { STRUCTURE_CASES } from "./structure-cases.js";

interface Fixture {
  readonly cases: Record<string, { inputs: InputSpec[]; gradients: number[][] }>;
  readonly corners: Record<string, { dims: number[][]; inputs: number[][]; gradients: number[][] }>;
}

/** Made by scripts/gradient-reference.py with PyTorch 2.13.0 in float64. */
const FIXTURE = JSON.parse(readFileSync(new URL("./fixtures/gradients.json", import.meta.url), "utf8")) as Fixture;
const CASES = new Map(
  [...ELEMENTWISE_CASES, ...LAYER_CASES, ...STRUCTURE_CASES, ...PYTORCH_CASES].map((own) => [own.name, own]),
);
/** The bar is 1e-4. */
const TOLERANCE = 1e-5;
const KEPT = 8;

describe("gradients equal PyTorch's", () => {
  it.each(Object.entries(FIXTURE.cases))("%s", async (name, reference) => {
    const testCase = CASES.get(name) as GradientCase;
    expect(testCase.inputs).toEqual(reference.inputs);
    const actual = await gradientsOf(testCase, "fixed");
    actual.gradients.forEach((gradient, i) => {
      const expected = { ...sampledAt(gradient.dims, KEPT), values: reference.gradients[i]! };
      expect(relativeError(gradient.data as Float32Array, expected)).toBeLessThan(TOLERANCE);
    });
  });
});

const CORNERS: Record<string, { opType?: string; attributes?: Record<string, Attribute>; constants?: Tensor[] }> = {
  Relu: {},
  LeakyRelu: {},
  Elu: {},
  Abs: {},
  Sqrt: {},
  Clip: { constants: [Tensor.scalar(-1), Tensor.scalar(1)] },
  HardSigmoid: { attributes: { alpha: float(1 / 6) } },
  HardSwish: {},
  Max: {},
  Min: {},
  Pow: {},
  ReduceMax: { attributes: { axes: ints([1]) } },
  ReduceMin: { attributes: { axes: ints([1]) } },
  ReduceProd: { attributes: { axes: ints([1]) } },
  ReduceL2: { attributes: { axes: ints([1]) } },
  MaxPool: { attributes: { kernel_shape: ints([2, 2]), strides: ints([2, 2]) } },
  "MaxPool overlapping": { opType: "MaxPool", attributes: { kernel_shape: ints([3, 3]) } },
  GlobalMaxPool: {},
};

describe("ties and bounds follow PyTorch", () => {
  it("has a test for every corner of the fixture", () => {
    expect(Object.keys(FIXTURE.corners).filter((name) => !(name in CORNERS))).toEqual(["fake quantize"]);
  });

  const run = async (name: string, build: (builder: GraphBuilder, inputs: string[]) => string) => {
    const { dims, inputs, gradients: expected } = FIXTURE.corners[name]!;
    const { model, builder } = GraphBuilder.model(name);
    const wrt = dims.map((own, i) => builder.input(`x${i}`, own));
    builder.output(build(builder, wrt));
    const feeds = Object.fromEntries(
      wrt.map((input, i) => [
        input,
        { dtype: "float32" as const, dims: dims[i]!, data: Float32Array.from(inputs[i]!) },
      ]),
    );
    // The loss is the tensor itself: its sum is meant.
    const actual = await gradients({ model, wrt, feeds }, undefined);
    actual.gradients.forEach((gradient, i) => {
      const values = Array.from(gradient.data as Float32Array);
      values.forEach((value, j) => {
        expect(value).toBeCloseTo(expected[i]![j]!, 6);
      });
      expect(values.length).toBe(expected[i]!.length);
    });
  };

  it.each(Object.keys(CORNERS))("%s", (name) => {
    const { opType = name, attributes = {}, constants = [] } = CORNERS[name]!;
    return run(name, (b, inputs) => b.node(opType, [...inputs, ...constants.map((c) => b.constant(c))], attributes));
  });

  it("fake quantize", () => run("fake quantize", (b, inputs) => PYTORCH_CASES[0]!.build(b, inputs)));
});
