import {
  applyFloatStep,
  cloneModel,
  type Dataset,
  type EqualizeReport,
  ensureBiases,
  type Model,
  quantizeOptionsOf,
  type RecipeStep,
  splitSamples,
  type TransformContext,
} from "@equant/core/lab";
import { collectEqualization, floatWeights } from "@equant/report";
import type { EqualizePreview } from "../protocol.js";

/**
 * Equalizes `model` in place, for the eye: what happens to the ranges, which classes there are, how far outputs drift.
 * The step is applied as a run of the recipe applies it, to the samples that its steps learn from; `relu6: "auto"`, for which a run
 * tries two, is shown as `exact`.
 */
export async function previewEqualize(
  model: Model,
  dataset: Dataset,
  steps: readonly RecipeStep[],
  context: TransformContext,
): Promise<EqualizePreview> {
  const step: RecipeStep = steps.find(({ use }) => use === "equalize") ?? { use: "equalize" };
  ensureBiases(model);
  const original = cloneModel(model);
  const input = {
    quantize: quantizeOptionsOf(steps),
    known: new Map(),
    biasCorrected: steps.some(({ use }) => use === "bias-correct"),
  };
  const data = splitSamples(dataset).learn;
  const { report: made } = await applyFloatStep(model, step, input, { ...context, data });
  const report = made as EqualizeReport;
  const weights = floatWeights(original, model);
  return { report, weights, section: collectEqualization(report, original, model) };
}
