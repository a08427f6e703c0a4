import type { EqualizeReport, LinearLayer, Model } from "@equant/core";
import type { Chart } from "@equant/report";
import { weightStateOf } from "./inspect-chart.js";

/**
 * What equalization did, for the layers it changed most: weights by output channel before and after, against int8 with one
 * scale a tensor, and below it the largest weights of the channels that the layer shares with the next (Fig. 3 of Meller et
 * al. 2019). Without a pair the layer whose channels differ most stands alone.
 */
export async function equalizationCharts(report: EqualizeReport, before: Model, after: Model): Promise<Chart[]> {
  const [{ labelOf, linearLayers }, { channelMaxima, collectEqualization, weightRanges }] = await Promise.all([
    import("@equant/core"),
    import("@equant/report"),
  ]);
  const [pair] = collectEqualization(report, before, after).pairs;
  const widest = [...report.layers].sort((a, b) => b.before / b.after - a.before / a.after)[0]?.node;
  const layerIn = (model: Model, name: string): LinearLayer | undefined =>
    linearLayers(model.graph).find(({ node, tensor }) => labelOf(node) === name && tensor.dtype === "float32");
  const state = async (layer: LinearLayer | undefined) => (layer ? await weightStateOf(layer) : null);
  const boxes = async (name: string) => {
    const [old, now] = [layerIn(before, name), layerIn(after, name)];
    const opType = (now ?? old)?.opType ?? "Conv";
    return weightRanges({ layer: name, opType, before: await state(old), after: await state(now) });
  };
  const charts: Chart[] = [];
  for (const name of pair ? [pair.producer, pair.consumer] : [widest]) {
    if (name !== undefined) charts.push(await boxes(name));
  }
  if (pair) charts.push(channelMaxima(pair));
  return charts;
}
