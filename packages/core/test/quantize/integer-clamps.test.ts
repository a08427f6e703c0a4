import { describe, expect, test } from "vitest";
import { calibrate } from "../../src/calibrate/index.js";
import { randomDataset } from "../../src/data/index.js";
import { cloneModel, ints, type Model, parseModel, serializeModel, Tensor } from "../../src/graph/index.js";
import { createRandom } from "../../src/math/index.js";
import {
  moveClampsToFloat,
  moveClampsToIntegers,
  type QuantizeOptions,
  quantizationRequests,
  quantize,
} from "../../src/quantize/index.js";
import { testModel } from "../helpers/build.js";
import { runner } from "../helpers/runner.js";

const context = { runner };

/** Conv → Relu → Min with a bound a channel → Conv → Relu → Min → Conv, as equalization leaves ReLU6. */
function clamped(seed: number): Model {
  const made = testModel(seed);
  const { builder, model } = made;
  const random = createRandom(seed);
  let value = builder.input("input", ["N", 4, 8, 8]);
  for (const name of ["a", "b", "c"]) {
    const inputs = [value, made.random([4, 4, 3, 3], `${name}.weight`, 0.4), made.random([4], `${name}.bias`)];
    value = builder.node("Conv", inputs, { kernel_shape: ints([3, 3]), pads: ints([1, 1, 1, 1]) }, { name });
    if (name === "c") break;
    const bound = Float32Array.from({ length: 4 }, () => 0.1 + random.uniform());
    value = builder.node("Min", [builder.node("Relu", [value]), builder.constant(Tensor.float32([1, 4, 1, 1], bound))]);
  }
  builder.output(value);
  return model;
}

async function quantized(seed: number, options: QuantizeOptions = {}): Promise<Model> {
  const model = clamped(seed);
  const dataset = randomDataset([4, 8, 8], 8, seed, { min: -1, max: 1 });
  const calibration = await calibrate(
    model,
    { requests: quantizationRequests(model, options) },
    { ...context, data: dataset },
  );
  await quantize({ calibration, ...options })(model, context);
  return model;
}

const ops = (model: Model) => model.graph.nodes.map(({ opType }) => opType);

async function outputs(model: Model): Promise<Float32Array> {
  const random = createRandom(9);
  const data = Float32Array.from({ length: 16 * 4 * 64 }, () => 4 * random.uniform() - 2);
  return runner.using(parseModel(serializeModel(model)), async (session) => {
    const result = await session.run({ input: { dtype: "float32", dims: [16, 4, 8, 8], data } });
    return (Object.values(result)[0]!.data as Float32Array).slice();
  });
}

const PER_TENSOR = { granularity: "per-tensor" } as const;

describe.each([1, 2, 3, 4, 5])("network %i", (seed) => {
  test.each([PER_TENSOR, { ...PER_TENSOR, activations: "int8" }, { granularity: "per-channel" }] as QuantizeOptions[])(
    "the same bits leave the network with %j",
    async (options) => {
      const float = await quantized(seed, options);
      const integer = cloneModel(float);
      expect(moveClampsToIntegers(integer)).toBe(2);
      const pairs = (model: Model) => ops(model).filter((op) => op === "QuantizeLinear").length;
      expect(pairs(integer)).toBe(pairs(float) - 2);
      const before = await outputs(float);
      expect(await outputs(integer)).toEqual(before);
      // Without the bounds it is another function.
      const open = cloneModel(integer);
      for (const node of open.graph.nodes) {
        if (node.opType !== "Min") continue;
        const bound = open.graph.initializers.get(node.inputs[1]!)!;
        const largest = bound.dtype === "uint8" ? new Uint8Array(4).fill(255) : new Int8Array(4).fill(127);
        open.graph.initializers.set(node.inputs[1]!, Tensor.of(bound.dtype, bound.dims, largest));
      }
      expect(await outputs(open)).not.toEqual(before);
      const back = cloneModel(integer);
      expect(moveClampsToFloat(back)).toBe(2);
      expect(ops(back).toSorted()).toEqual(ops(float).toSorted());
      expect(await outputs(back)).toEqual(before);
      expect(moveClampsToIntegers(back)).toBe(2);
    },
  );
});

test("16-bit activations, and bounds whose value is read elsewhere, stay in float", async () => {
  expect(moveClampsToIntegers(await quantized(1, { activations: "uint16" }))).toBe(0);
  const model = await quantized(2);
  const min = model.graph.nodes.find(({ opType }) => opType === "Min")!;
  model.graph.outputs.push({ ...model.graph.outputs[0]!, name: min.outputs[0]! });
  expect(moveClampsToIntegers(model)).toBe(1);
});
