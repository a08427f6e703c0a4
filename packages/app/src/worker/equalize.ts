import {
  cloneModel,
  type Dataset,
  equalizationInput,
  equalize,
  firstSample,
  fixedBatchOf,
  type Model,
  observeShapes,
  quantizationRequests,
  type RecipeStep,
  singleInput,
} from "@equant/core/web";
import { collectEqualization } from "@equant/report";
import type { EqualizePreview } from "../protocol.js";
import { type CallContext, transformContext } from "./context.js";
import { quantizeOptionsOf } from "./steps.js";
import { weightsOf } from "./weights.js";

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
  const {
    use: _use,
    keep: _keep,
    relu6 = "auto",
    ...chosen
  } = step?.use === "equalize" ? step : { use: "equalize" as const };
  const original = cloneModel(model);
  const probe = { [singleInput(model)]: await firstSample(dataset, fixedBatchOf(model)) };
  const shapes = await observeShapes(context.runner!, model, probe);
  const quantized = quantizationRequests(model, options).map(({ value }) => value);
  const input = await equalizationInput(model, shapes, options, dataset, context, { quantized });
  const report = await equalize({ ...chosen, relu6: relu6 === "auto" ? "exact" : relu6, ...input, probes: [probe] })(
    model,
    context,
  );
  const after = weightsOf(model);
  const weights = [...weightsOf(original)].map(([name, { weights }]) => ({
    ...weights,
    after: after.get(name)?.weights.before ?? null,
  }));
  return { report, weights, section: collectEqualization(report, original, model) };
}
