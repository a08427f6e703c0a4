import {
  accuracySparsity,
  type Chart,
  classDrop,
  confusionPair,
  latencyBars,
  layerChannels,
  layerSizes,
  layerSparsity,
  layerTreemap,
  msbBits,
  msbChannels,
  msbHeatmap,
  rangeConvergence,
  rangeTable,
  sampleErrors,
  sqnrKinds,
  sqnrOptimal,
  sqnrPrediction,
  sqnrStates,
  valueHistogram,
  weightRanges,
} from "../charts/index.js";
import type { Report } from "../schema.js";

type Maker = (report: Report) => Chart | undefined;
type LayerMaker = (report: Report, layer: string) => Chart | undefined;

/** Charts of a whole report, in reading order, by the name that `charts` of the element takes. */
const WHOLE = {
  sqnrPrediction: ({ sqnr }) => (sqnr && sqnr.layers.length > 0 ? sqnrPrediction(sqnr) : undefined),
  sqnrKinds: ({ sqnr }) => (sqnr && sqnr.layers.length > 0 ? sqnrKinds(sqnr) : undefined),
  sqnrStates: ({ curves }) => curves && sqnrStates(curves),
  sqnrOptimal: ({ curves }) => curves && sqnrOptimal(curves),
  msbHeatmap: ({ msb }) => msb && msbHeatmap(msb),
  rangeTable: ({ ranges }) => ranges && rangeTable(ranges),
  rangeConvergence: ({ convergence }) => convergence && rangeConvergence(convergence),
  confusionPair: ({ validation }) => validation && confusionPair(validation),
  classDrop: ({ validation }) => validation && classDrop(validation),
  accuracySparsity: ({ pruning }) => (pruning && pruning.curves.length > 0 ? accuracySparsity(pruning) : undefined),
  layerSparsity: ({ pruning }) => (pruning && pruning.layers.length > 0 ? layerSparsity(pruning) : undefined),
  layerChannels: ({ pruning }) => (pruning && pruning.layers.length > 0 ? layerChannels(pruning) : undefined),
  layerTreemap: ({ layers }) => layerTreemap(layers),
  layerSizes: ({ layers }) => layerSizes(layers),
  sampleErrors: ({ sampleErrors: errors }) => errors && sampleErrors(errors),
  latencyBars: ({ latency }) => latency && latencyBars(latency),
} as const satisfies Record<string, Maker>;

/** Charts of one layer. */
const OF_LAYER = {
  weightRanges: ({ weights }, layer) => {
    const own = weights?.find((row) => row.layer === layer);
    return own && weightRanges(own);
  },
  layerMsb: ({ msb }, layer) => {
    const rows = msb?.filter((row) => row.layer === layer) ?? [];
    return rows.length > 0 ? msbHeatmap(rows) : undefined;
  },
  msbChannels: ({ msb }, layer) => {
    const row = msb?.find((own) => own.layer === layer && own.kind === "weights");
    return row && msbChannels(row);
  },
  msbBits: ({ msb }, layer) => {
    const row = msb?.find((own) => own.layer === layer && own.kind === "weights");
    return row && msbBits(row);
  },
  valueHistogram: ({ histograms }, layer) => {
    const own = histograms?.find((row) => row.layer === layer);
    return own && valueHistogram(own);
  },
} as const satisfies Record<string, LayerMaker>;

/** Names that the attribute `charts` may list. */
export const ELEMENT_CHARTS: readonly string[] = [...Object.keys(WHOLE), ...Object.keys(OF_LAYER)];

export interface NamedChart {
  readonly name: string;
  readonly chart: Chart;
}

/** Charts that a report has sections for; `names` chooses and orders them. Those of a layer need one. */
export function reportCharts(report: Report, names?: readonly string[], layer?: string): NamedChart[] {
  const asked = names && names.length > 0 ? names : ELEMENT_CHARTS;
  return asked.flatMap((name) => {
    const whole = (WHOLE as Record<string, Maker>)[name];
    const own = (OF_LAYER as Record<string, LayerMaker>)[name];
    const chart = whole ? whole(report) : own && layer !== undefined ? own(report, layer) : undefined;
    return chart ? [{ name, chart }] : [];
  });
}
