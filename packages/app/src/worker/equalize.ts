import {
  type Dataset,
  equalizationInput,
  equalize,
  type Model,
  observeShapes,
  quantizationRequests,
  type RecipeStep,
  singleInput,
} from "@equant/core/web";
import type { EqualizePreview } from "../protocol.js";
import { type CallContext, transformContext } from "./context.js";
import { quantizeOptionsOf } from "./steps.js";
import { boxesOf } from "./weights.js";

/** Equalizes `model` in place, for the eye: what happens to the ranges, which classes there are, how far outputs drift. */
export async function previewEqualize(
  model: Model,
  dataset: Dataset,
  steps: readonly RecipeStep[],
  call: CallContext,
): Promise<EqualizePreview> {
  const context = await transformContext(call);
  const options = quantizeOptionsOf(steps);
  const step = steps.find(({ use }) => use === "equalize");
  const { use: _use, keep: _keep, ...chosen } = step?.use === "equalize" ? step : { use: "equalize" as const };
  const before = boxesOf(model);
  const data = new Float32Array(dataset.shape.reduce((product, size) => product * size, 1));
  await dataset.fill(0, data, 0);
  const probe = { [singleInput(model)]: { dtype: "float32" as const, dims: [1, ...dataset.shape], data } };
  const shapes = await observeShapes(context.runner!, model, probe);
  const quantized = quantizationRequests(model, options).map(({ value }) => value);
  const input = await equalizationInput(model, shapes, options, dataset, context, quantized);
  const report = await equalize({ ...chosen, ...input, probes: [probe] })(model, context);
  return { report, before, after: boxesOf(model) };
}
