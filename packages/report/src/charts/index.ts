export * from "./chart-table.js";
export { CHART_CSS } from "./colours.js";
export type { Cell, Chart, ChartTable, DrawOptions } from "./frame.js";
export { type BitExample, bitExamples } from "./msb-bits.js";
export { msbKey } from "./msb-heatmap.js";
export { msbSteps } from "./msb-steps.js";
export { fixedPointOf, type MsbLimits, type MsbMode } from "./msb-type.js";
export { type ParetoPoint, paretoFront } from "./summary-charts.js";
export type { TrainedEpoch } from "./training-curve.js";
