export { CHART_CSS } from "./colours.js";
export type { Cell, Chart, ChartTable, DrawOptions } from "./frame.js";
export { type MsbHeatmapOptions, msbHeatmap } from "./msb-heatmap.js";
export { fixedPointOf, type MsbLimits, type MsbMode } from "./msb-type.js";
export { type SqnrPredictionOptions, sqnrPrediction } from "./sqnr-prediction.js";
export { type WeightRangesOptions, weightRanges } from "./weight-ranges.js";
