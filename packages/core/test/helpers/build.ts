import { type Dim, GraphBuilder, int, ints, type Model, Tensor } from "../../src/graph/index.js";
import { createRandom } from "../../src/math/index.js";

/** A model under construction with seeded random constants. */
export interface TestModel {
  readonly model: Model;
  readonly builder: GraphBuilder;
  /** Adds an initializer of normal random numbers (times `spread`, plus `center`) and returns its name. */
  random(dims: readonly number[], name?: string, spread?: number, center?: number): string;
  /** Adds an initializer of positive numbers in [0.5, 2). */
  positive(dims: readonly number[], name?: string): string;
}

export function testModel(seed: number, opset = 17): TestModel {
  const { model, builder } = GraphBuilder.model("test", opset);
  const random = createRandom(seed);
  const fill = (dims: readonly number[], next: () => number) =>
    Tensor.float32(dims, Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, next));
  return {
    model,
    builder,
    random: (dims, name = "random", spread = 1, center = 0) =>
      builder.constant(
        fill(dims, () => center + spread * random.normal()),
        name,
      ),
    positive: (dims, name = "positive") =>
      builder.constant(
        fill(dims, () => 0.5 + 1.5 * random.uniform()),
        name,
      ),
  };
}

/** Appends a BatchNormalization with random parameters and returns its output. */
export function batchNorm(test: TestModel, data: string, channels: number, name = "bn"): string {
  const inputs = [
    data,
    test.positive([channels], `${name}.scale`),
    test.random([channels], `${name}.bias`),
    test.random([channels], `${name}.mean`, 0.5),
    test.positive([channels], `${name}.var`),
  ];
  return test.builder.node("BatchNormalization", inputs, {}, { name });
}

/** Conv 3×3 → Relu → Conv 3×3 on [N, channels, 8, 8], with biases. */
export function convReluConv({ channels = 4, seed = 1 }: { channels?: number; seed?: number } = {}): Model {
  const test = testModel(seed);
  const { builder, model } = test;
  const batch: readonly Dim[] = ["N", channels, 8, 8];
  const input = builder.input("input", batch);
  const conv = (data: string, name: string) =>
    builder.node(
      "Conv",
      [data, test.random([channels, channels, 3, 3], `${name}.weight`, 0.3), test.random([channels], `${name}.bias`)],
      { kernel_shape: ints([3, 3]), pads: ints([1, 1, 1, 1]), group: int(1) },
      { name },
    );
  const output = conv(builder.node("Relu", [conv(input, "conv1")], {}, { name: "relu" }), "conv2");
  builder.output(output, "float32", batch);
  return model;
}
