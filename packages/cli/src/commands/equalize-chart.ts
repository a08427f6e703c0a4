import type { EqualizeReport, Model } from "@equant/core";
import type { Chart } from "@equant/report";

/**
 * What equalization did, for the layers it changed most: weights by output channel before and after, against int8 with one
 * scale a tensor, and below it the largest weights of the channels that the layer shares with the next (Fig. 3 of Meller et
 * al. 2019). Without a pair the layer whose channels differ most stands alone.
 */
export async function equalizationCharts(report: EqualizeReport, before: Model, after: Model): Promise<Chart[]> {
  const { CHARTS, collectEqualization, floatWeights } = await import("@equant/report");
  const [pair] = collectEqualization(report, before, after).pairs;
  const widest = [...report.layers].sort((a, b) => b.before / b.after - a.before / a.after)[0]?.node;
  const shown = pair ? [pair.producer, pair.consumer] : widest === undefined ? [] : [widest];
  const weights = floatWeights(before, after, shown);
  return [
    ...shown
      .flatMap((name) => weights.filter(({ layer }) => layer === name))
      .map((own) => CHARTS["weight-ranges"].draw(own)),
    ...(pair ? [CHARTS["channel-maxima"].draw(pair)] : []),
  ].flatMap((chart) => chart ?? []);
}
