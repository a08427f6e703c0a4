import { type FoldReport, fold, upgradeOpset } from "../fold/index.js";
import { assertValid, type Model } from "../graph/index.js";
import { assertFiniteWeights } from "../operators/finite-weights.js";
import { toFloat32 } from "../operators/index.js";
import type { TransformContext } from "../runtime/index.js";

/**
 * Brings a model into the form that pruning expects: valid, float32, finite weights, opset 13 or newer, constants computed.
 * BatchNormalization stays: fine-tuning needs it, and weights keep the magnitudes they were trained with. In place.
 */
export async function preparePrune(model: Model, context: TransformContext): Promise<FoldReport> {
  assertValid(model);
  assertFiniteWeights(model);
  toFloat32(model);
  await upgradeOpset()(model, context);
  return fold({ kinds: ["constants", "identities", "pads"] })(model, context);
}
