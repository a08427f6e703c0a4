import type { Model } from "@equant/core";
import { OptionsError } from "@equant/core/errors";
import { writeChart } from "../files/chart-file.js";
import type { CommandContext } from "../frame/context.js";

/**
 * Draws weights as int8 per tensor would hold them, with batch-norm folded in: all layers as a heat map of leading bits, or
 * one layer by channel. @throws {OptionsError} E2005 for a layer without float weights.
 */
export async function writeWeightsChart(
  context: CommandContext,
  path: string,
  model: Model,
  layer?: string,
): Promise<void> {
  const { floatLayers, floatMsb, floatWeights } = await import("@equant/report");
  const network = await folded(model);
  if (layer === undefined) return writeChart(context, path, "msb-heatmap", floatLayers(network).map(floatMsb));
  const [weights] = floatWeights(network, undefined, [layer]);
  if (weights) return writeChart(context, path, "weight-ranges", weights);
  throw new OptionsError("E2005", `inspect: --svg needs a layer with float weights, ${layer} has none`, {
    hint: "equant inspect MODEL --weights lists those that have",
  });
}

/** As `weightRanges` of core sees it: a model that cannot be folded is drawn as it is. */
async function folded(model: Model): Promise<Model> {
  const { cloneModel, fold, upgradeOpset } = await import("@equant/core");
  const copy = cloneModel(model);
  try {
    await upgradeOpset()(copy, {});
    await fold()(copy, {});
    return copy;
  } catch {
    return model;
  }
}
