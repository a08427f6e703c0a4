import type { LinearLayer, Model } from "@equant/core";
import { OptionsError } from "@equant/core/errors";
import type { Chart, WeightState } from "@equant/report";

/** What a person asked to see of the weights. */
export interface WeightsChart {
  /** The one layer to draw by channel. Default: the leading bits of all layers. */
  readonly layer?: string;
}

/**
 * Weights as int8 per tensor would hold them, with batch-norm folded in: all layers as a heat map of leading bits, or one
 * layer by channel. @throws {OptionsError} E2005 for a layer without float weights.
 */
export async function weightsChart(model: Model, { layer: name }: WeightsChart): Promise<Chart> {
  const [core, { msbHeatmap, msbRow, weightRanges }] = await Promise.all([
    import("@equant/core"),
    import("@equant/report"),
  ]);
  const layers = core.linearLayers((await folded(model)).graph).filter(({ tensor }) => tensor.dtype === "float32");
  if (name === undefined) {
    const rows = layers.map((layer) =>
      msbRow(
        { layer: core.labelOf(layer.node), tensor: layer.weight, kind: "weights" },
        layer.tensor.array() as Float32Array,
        core.encodingFromRange(rangeOf(layer), core.WEIGHT_ENCODING),
        layer.tensor.dims,
      ),
    );
    return msbHeatmap(rows);
  }
  const layer = layers.find(({ node }) => core.labelOf(node) === name);
  if (!layer) {
    throw new OptionsError("E2005", `inspect: --svg needs a layer with float weights, ${name} has none`, {
      hint: "equant inspect MODEL --weights lists those that have",
    });
  }
  return weightRanges({ layer: name, opType: layer.opType, before: await weightStateOf(layer), after: null });
}

/** Weights of a layer by channel, and the type that int8 with one scale would give them. */
export async function weightStateOf(layer: LinearLayer): Promise<WeightState> {
  const [{ encodingFromRange, WEIGHT_ENCODING }, { channelBoxes, reportEncoding }] = await Promise.all([
    import("@equant/core"),
    import("@equant/report"),
  ]);
  const encoding = reportEncoding(encodingFromRange(rangeOf(layer), WEIGHT_ENCODING));
  return { channels: channelBoxes(layer), encoding };
}

function rangeOf({ tensor }: LinearLayer): { min: number; max: number } {
  const values = tensor.array() as Float32Array;
  return { min: values.reduce((a, b) => Math.min(a, b), 0), max: values.reduce((a, b) => Math.max(a, b), 0) };
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
