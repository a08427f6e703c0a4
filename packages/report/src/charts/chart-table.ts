import type { LayerWeights, Report } from "../schema.js";
import { classDrop, confusionPair } from "./confusion.js";
import { channelMaxima } from "./equalization.js";
import type { Chart } from "./frame.js";
import { layerTreemap } from "./layer-treemap.js";
import { msbBits } from "./msb-bits.js";
import { msbChannels, msbHeatmap } from "./msb-heatmap.js";
import { networkView } from "./network-view.js";
import { accuracySparsity, layerChannels, layerSparsity } from "./pruning.js";
import { sampleErrors } from "./sample-errors.js";
import { sqnrPairs } from "./sqnr-pairs.js";
import { sqnrPrediction } from "./sqnr-prediction.js";
import { changes, sqnrKinds, sqnrOptimal, sqnrStates } from "./sqnr-states.js";
import { latencyBars, layerSizes, pareto, rangeConvergence } from "./summary-charts.js";
import { rangeTable, valueHistogram } from "./tensor-charts.js";
import { trainingCurve } from "./training-curve.js";
import { channelSpread, weightRanges } from "./weight-ranges.js";

/** Parts of report.html that charts stand in. */
export type ChartSection = "error" | "accuracy" | "values" | "equalization" | "pruning" | "size" | "network";

/** A row of {@link CHARTS}. */
export interface ChartRow<Args extends readonly unknown[], Drawn = Chart | undefined> {
  /** What it shows, in lists of charts; the drawing has a title of its own. */
  readonly title: string;
  /** Part of report.html. Without one it is drawn of a layer, as a view of another chart, or on request. */
  readonly section?: ChartSection;
  /**
   * What `draw` is given from a report, once for every drawing that the page shows; none where the report has not what is needed.
   * With a layer: of that one.
   */
  needs(report: Report, layer?: string): readonly Args[];
  draw(...args: Args): Drawn;
  /** Layers that it can be drawn of, where it is drawn of one. */
  layers?(report: Report): readonly string[];
  /** Drawn of the layer that is selected. */
  readonly selected?: boolean;
  /** Whether the page shows it although it can be drawn. Default: yes. */
  worth?(report: Report): boolean;
  /** Another drawing of the chart named: a button on the page, by the name `view`. */
  readonly viewOf?: string;
  readonly view?: string;
  /** Narrower, it cannot be read, px. Default: 280. */
  readonly leastWidth?: number;
}

function row<Args extends readonly unknown[], Drawn extends Chart | undefined>(
  draw: (...args: Args) => Drawn,
  rest: NoInfer<Omit<ChartRow<Args>, "draw" | "needs"> & Partial<Pick<ChartRow<Args>, "needs">>>,
): ChartRow<Args, Drawn> {
  return { needs: () => [], ...rest, draw };
}

/** The only argument, where there is one. */
const one = <Value>(value: Value | undefined): [Value][] => (value === undefined ? [] : [[value]]);
/** {@link one} of a section that has rows. */
const filled = <Section, Key extends keyof Section>(section: Section | undefined, key: Key): [Section][] =>
  one(section && (section[key] as readonly unknown[]).length > 0 ? section : undefined);
const ofLayer = <Row extends { readonly layer: string }>(rows: readonly Row[] | undefined, layer?: string): Row[] =>
  (rows ?? []).filter((own) => layer === undefined || own.layer === layer);
const names = (rows: readonly { readonly layer: string }[] | undefined): string[] =>
  (rows ?? []).map(({ layer }) => layer);
const weightsOf = ({ msb }: Report, layer?: string) => ofLayer(msb, layer).filter(({ kind }) => kind === "weights");

/** Drawings of one kind that the page shows outside the selection. */
const SHOWN = 2;

/** The layers whose channels became most alike, then those that differ most. */
function widest(all: readonly LayerWeights[]): LayerWeights[] {
  const spread = ({ before, after }: LayerWeights) => channelSpread((before ?? after)!.channels);
  const gain = ({ before, after }: LayerWeights) =>
    before && after ? channelSpread(before.channels) / channelSpread(after.channels) : 1;
  return all
    .filter(({ before, after }) => before ?? after)
    .sort((a, b) => gain(b) - gain(a) || spread(b) - spread(a))
    .slice(0, SHOWN);
}

/**
 * Every chart, by the name that `--chart`, `<equant-report charts>` and the app know it by, in the order of the page. A new chart is a
 * file, its test and a row here.
 */
export const CHARTS = {
  "sqnr-prediction": row(sqnrPrediction, {
    title: "SQNR by layer, predicted and measured",
    section: "error",
    view: "by prediction",
    needs: ({ sqnr }) => filled(sqnr, "layers"),
    leastWidth: 520,
  }),
  "sqnr-graph-order": row(sqnrPrediction, {
    title: "SQNR by layer in graph order, predicted and measured",
    viewOf: "sqnr-prediction",
    view: "graph order",
    needs: ({ sqnr }) => filled(sqnr, "layers").map(([section]) => [section, { order: "graph" }]),
    leastWidth: 520,
  }),
  "sqnr-kinds": row(sqnrKinds, {
    title: "Local, cumulative and weight SQNR by layer",
    section: "error",
    needs: ({ sqnr }) => filled(sqnr, "layers"),
    leastWidth: 440,
  }),
  "sqnr-states": row(sqnrStates, {
    title: "SQNR before and after each method",
    section: "error",
    needs: ({ curves }) => one(curves),
    worth: ({ curves }) => curves !== undefined && changes(curves),
    leastWidth: 480,
  }),
  "sqnr-optimal": row(sqnrOptimal, {
    title: "SQNR and the bound of optimal equalization",
    section: "error",
    needs: ({ curves }) => one(curves),
  }),
  confusion: row(confusionPair, {
    title: "Confusions before and after, and their difference",
    section: "accuracy",
    needs: ({ validation }) => one(validation),
    leastWidth: 560,
  }),
  "class-drop": row(classDrop, {
    title: "Accuracy lost by class",
    section: "accuracy",
    needs: ({ validation }) => one(validation),
  }),
  "sample-errors": row(sampleErrors, {
    title: "Error by sample",
    section: "accuracy",
    needs: ({ sampleErrors: errors }) => filled(errors, "rows"),
  }),
  latency: row(latencyBars, {
    title: "Time of one run",
    section: "accuracy",
    needs: ({ latency }) => one(latency),
  }),
  "msb-heatmap": row(msbHeatmap, {
    title: "Most significant bits of values",
    section: "values",
    view: "types as exported",
    needs: ({ msb }) => one(msb),
    leastWidth: 520,
  }),
  "msb-fixed-point": row(msbHeatmap, {
    title: "Most significant bits, fixed-point types",
    viewOf: "msb-heatmap",
    view: "fixed-point types (power-of-two scales)",
    needs: ({ msb }) => (msb ? [[msb, { mode: "power-of-two" }]] : []),
    leastWidth: 520,
  }),
  "range-table": row(rangeTable, {
    title: "Ranges of weights, biases and activations",
    section: "values",
    needs: ({ ranges }) => one(ranges),
  }),
  "range-convergence": row(rangeConvergence, {
    title: "How soon the ranges settled",
    section: "values",
    needs: ({ convergence }) => one(convergence),
  }),
  "weight-ranges": row(weightRanges, {
    title: "Weights of a layer by output channel, before and after",
    section: "equalization",
    selected: true,
    layers: ({ weights }) => names(weights),
    needs: ({ weights = [] }, layer) =>
      (layer === undefined ? widest(weights) : ofLayer(weights, layer)).map((own) => [own]),
  }),
  "channel-maxima": row(channelMaxima, {
    title: "Largest weights of the channels that two layers share",
    section: "equalization",
    layers: ({ equalization }) => equalization?.pairs.map(({ producer }) => producer) ?? [],
    needs: ({ equalization }, layer) =>
      (equalization?.pairs ?? [])
        .filter(({ producer }) => layer === undefined || producer === layer)
        .slice(0, SHOWN)
        .map((pair) => [pair]),
  }),
  "accuracy-sparsity": row(accuracySparsity, {
    title: "Accuracy against sparsity",
    section: "pruning",
    needs: ({ pruning }) => filled(pruning, "curves"),
    leastWidth: 400,
  }),
  "layer-sparsity": row(layerSparsity, {
    title: "Sparsity by layer",
    section: "pruning",
    needs: ({ pruning }) => filled(pruning, "layers"),
  }),
  "layer-channels": row(layerChannels, {
    title: "Channels by layer, removed and kept",
    section: "pruning",
    needs: ({ pruning }) => filled(pruning, "layers"),
  }),
  "pruning-confusion": row(confusionPair, {
    title: "Confusions before and after pruning",
    section: "pruning",
    needs: ({ pruning }) => one(pruning?.validation),
    leastWidth: 560,
  }),
  "pruning-class-drop": row(classDrop, {
    title: "Accuracy lost by class through pruning",
    section: "pruning",
    needs: ({ pruning }) => one(pruning?.validation),
  }),
  "layer-treemap": row(layerTreemap, {
    title: "Bytes of the layers as areas",
    section: "size",
    needs: ({ layers }) => one(layers),
  }),
  "layer-sizes": row(layerSizes, {
    title: "Bytes of the layers before and after",
    section: "size",
    needs: ({ layers }) => one(layers),
  }),
  network: row(networkView, {
    title: "The network as a graph",
    section: "network",
    needs: (report) => [[report]],
  }),
  "layer-msb": row(msbHeatmap, {
    title: "Most significant bits of a layer's values",
    selected: true,
    layers: ({ msb }) => names(msb),
    needs: ({ msb }, layer) => {
      const rows = layer === undefined ? [] : ofLayer(msb, layer);
      return rows.length > 0 ? [[rows]] : [];
    },
    leastWidth: 520,
  }),
  "msb-channels": row(msbChannels, {
    title: "Most significant bits of a layer's weights by channel",
    layers: ({ msb }) => names(msb),
    needs: (report, layer) => weightsOf(report, layer).map((own) => [own]),
  }),
  "msb-bits": row(msbBits, {
    title: "Binary words of some of a layer's weights",
    layers: ({ msb }) => names(msb),
    needs: (report, layer) => weightsOf(report, layer).map((own) => [own]),
  }),
  histogram: row(valueHistogram, {
    title: "Values of one tensor and the range of each chooser",
    selected: true,
    layers: ({ histograms }) => names(histograms),
    needs: ({ histograms }, layer) => ofLayer(histograms, layer).map((own) => [own]),
  }),
  "sqnr-pairs": row(sqnrPairs, { title: "SQNR at the output of the next layer, predicted and measured" }),
  pareto: row(pareto, { title: "Size against accuracy or agreement" }),
  "training-curve": row(trainingCurve, { title: "Accuracy and loss by epoch" }),
} as const;

export type ChartId = keyof typeof CHARTS;
/** What a chart is drawn from. */
export type ChartArgs<Id extends ChartId> = Parameters<(typeof CHARTS)[Id]["draw"]>;

export const CHART_IDS = Object.keys(CHARTS) as readonly ChartId[];

/** A row, whatever its chart is drawn from. */
export function chartRow(id: ChartId): ChartRow<readonly unknown[]> {
  return CHARTS[id] as unknown as ChartRow<readonly unknown[]>;
}

/** Drawings of one chart that a report has what it needs for, of `layer` where one is given. */
export function chartsOf(report: Report, id: ChartId, layer?: string): Chart[] {
  const { needs, draw } = chartRow(id);
  return needs(report, layer).flatMap((args) => draw(...args) ?? []);
}
