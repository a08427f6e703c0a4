import * as report from "@equant/report";

/** The charts this page draws, by name. */
export const CHARTS = {
  weightRanges: report.weightRanges,
  msbHeatmap: report.msbHeatmap,
  msbBits: report.msbBits,
  msbChannels: report.msbChannels,
  sqnrPrediction: report.sqnrPrediction,
  sqnrStates: report.sqnrStates,
  sqnrKinds: report.sqnrKinds,
  channelMaxima: report.channelMaxima,
  rangeConvergence: report.rangeConvergence,
  valueHistogram: report.valueHistogram,
  confusionPair: report.confusionPair,
  classDrop: report.classDrop,
  layerSizes: report.layerSizes,
  layerTreemap: report.layerTreemap,
  sampleErrors: report.sampleErrors,
  pareto: report.pareto,
  accuracySparsity: report.accuracySparsity,
  layerSparsity: report.layerSparsity,
  layerChannels: report.layerChannels,
} as const;

export type ChartName = keyof typeof CHARTS;
export type ChartArgs<N extends ChartName> = Parameters<(typeof CHARTS)[N]>;
