import { computed } from "@preact/signals";
import { formatBytes, formatDb, formatShape } from "../../format.js";
import type { LayerRow } from "../../state/layer-rows.js";
import { currentMeasures } from "../../state/store.js";
import type { SortKey } from "../../state/view.js";

/** Columns of the layer table; the tick comes before them. */
export interface LayerColumn {
  readonly title: string;
  /** What the column says, for a person who points at its head. */
  readonly about?: string;
  readonly sort?: SortKey;
  readonly text?: boolean;
  /** Of the grid. */
  readonly width: string;
  readonly cell: (row: LayerRow) => string;
}

const NAMES: readonly LayerColumn[] = [
  { title: "Layer", sort: "name", text: true, width: "minmax(130px, 1.2fr)", cell: ({ name }) => name },
  { title: "Operator", text: true, width: "112px", cell: ({ opType }) => opType },
];
const FACTS: readonly LayerColumn[] = [
  { title: "Shape", width: "140px", cell: ({ shape }) => formatShape(shape) },
  { title: "Size", sort: "bytes", width: "80px", cell: ({ bytes }) => formatBytes(bytes) },
  {
    title: "Bits",
    about: "of the weights in the run",
    width: "48px",
    cell: ({ bits, quantized }) => (bits === null ? (quantized ? "" : "32") : String(bits)),
  },
  {
    title: "Spread",
    about: "the widest channel's weights over the narrowest's",
    sort: "spread",
    width: "74px",
    cell: ({ spread }) => `${spread.toFixed(1)}×`,
  },
];
const WEIGHTS: LayerColumn = {
  title: "Weights",
  about: "signal over noise of the weights alone, predicted: higher is better",
  sort: "weightDb",
  width: "82px",
  cell: ({ weightDb, quantized }) => (quantized ? formatDb(weightDb) : "float"),
};
const RATIOS: readonly LayerColumn[] = [
  {
    title: "Local",
    about: "signal over noise of the layer by itself, fed with exact inputs: low means culprit",
    sort: "localDb",
    width: "82px",
    cell: ({ localDb }) => (localDb === null ? "" : formatDb(localDb)),
  },
  {
    title: "Cumulative",
    about: "signal over noise with all layers before it quantized: low while local is not means victim",
    sort: "cumulativeDb",
    width: "104px",
    cell: ({ cumulativeDb }) => (cumulativeDb === null ? "" : formatDb(cumulativeDb)),
  },
];
const LOSS: LayerColumn = {
  title: "Kind of loss",
  text: true,
  width: "minmax(190px, 1.6fr)",
  cell: ({ finding }) => finding,
};

/** What was measured stands first: beside the inspector, and on a phone, there is room for few columns. */
export const columns = computed((): readonly LayerColumn[] =>
  currentMeasures.value.report
    ? [NAMES[0]!, ...RATIOS, LOSS, WEIGHTS, ...FACTS.slice(1).reverse(), FACTS[0]!, NAMES[1]!]
    : [...NAMES, ...FACTS, WEIGHTS, ...RATIOS, LOSS],
);

/** `grid-template-columns` of a line. */
export const columnWidths = computed(() => ["34px", ...columns.value.map(({ width }) => width)].join(" "));
