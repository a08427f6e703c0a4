import { batchNorm, type TestModel, testModel } from "../helpers/build.js";
import type { Attribute, Model } from "./core.js";

export interface Case {
  readonly input: readonly (number | string)[];
  readonly weight: readonly number[];
  readonly attributes?: Record<string, Attribute>;
  readonly channels: number;
  readonly opType?: string;
  readonly bias?: readonly number[];
}

/** input → layer → BatchNormalization → output. */
export function layerThenBatchNorm({ input, weight, attributes = {}, channels, opType = "Conv", bias }: Case): Model {
  const t = testModel(7);
  const x = t.builder.input("x", input);
  const inputs = [x, t.random(weight, "weight"), ...(bias ? [t.random(bias, "bias")] : [])];
  const layer = t.builder.node(opType, inputs, attributes, { name: "layer" });
  t.builder.output(batchNorm(t, layer, channels));
  return t.model;
}

/** input → BatchNormalization → layers → outputs. */
export function batchNormThen(
  input: readonly (number | string)[],
  layers: (t: TestModel, data: string) => string[],
): Model {
  const t = testModel(9);
  const bn = batchNorm(t, t.builder.input("x", input), input[1] as number);
  for (const output of layers(t, bn)) t.builder.output(output);
  return t.model;
}
