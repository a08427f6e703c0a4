import * as report from "@equant/report";

/** The charts this page draws, by name. */
export const CHARTS = {
  weightRanges: report.weightRanges,
  msbHeatmap: report.msbHeatmap,
  sqnrPrediction: report.sqnrPrediction,
} as const;

export type ChartName = keyof typeof CHARTS;
export type ChartArgs<N extends ChartName> = Parameters<(typeof CHARTS)[N]>;
