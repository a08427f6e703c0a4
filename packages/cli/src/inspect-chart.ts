import type { LinearLayer, Model } from "@equant/core";
import { OptionsError } from "@equant/core/errors";
import type { Chart, ReportEncoding } from "@equant/report";

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
  const [core, { channelBoxes, msbHeatmap, msbRow, weightRanges }] = await Promise.all([
    import("@equant/core"),
    import("@equant/report"),
  ]);
  const layers = core.linearLayers((await folded(model)).graph).filter(({ tensor }) => tensor.dtype === "float32");
  const encodingOf = ({ tensor }: LinearLayer) => {
    const values = tensor.array() as Float32Array;
    const range = {
      min: values.reduce((a, b) => Math.min(a, b), 0),
      max: values.reduce((a, b) => Math.max(a, b), 0),
    };
    return core.encodingFromRange(range, { bits: 8, dtype: "int8", signed: true, symmetric: true, narrow: true });
  };
  if (name === undefined) {
    const rows = layers.map((layer) =>
      msbRow(
        { layer: core.labelOf(layer.node), tensor: layer.weight, kind: "weights" },
        layer.tensor.array() as Float32Array,
        encodingOf(layer),
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
  const { scale, zeroPoint, dtype, bits, axis, qmin, qmax } = encodingOf(layer);
  const encoding: ReportEncoding = { scale: [...scale], zeroPoint: [...zeroPoint], dtype, bits, axis, qmin, qmax };
  const before = { channels: channelBoxes(layer), encoding };
  return weightRanges({ layer: name, opType: layer.opType, before, after: null });
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
