import { formatBytes, formatDb, formatShape } from "../../format.js";
import type { LayerRow } from "../../state/layer-rows.js";
import type { SortKey } from "../../state/view.js";

/** Columns of the layer table; the tick comes before them. */
export interface LayerColumn {
  readonly title: string;
  readonly sort?: SortKey;
  readonly text?: boolean;
  readonly cell: (row: LayerRow) => string;
}

export const COLUMNS: readonly LayerColumn[] = [
  { title: "Layer", sort: "name", text: true, cell: ({ name }) => name },
  { title: "Operator", text: true, cell: ({ opType }) => opType },
  { title: "Shape", cell: ({ shape }) => formatShape(shape) },
  { title: "Size", sort: "bytes", cell: ({ bytes }) => formatBytes(bytes) },
  { title: "Bits", cell: ({ bits, quantized }) => (bits === null ? (quantized ? "" : "32") : String(bits)) },
  { title: "Spread", sort: "spread", cell: ({ spread }) => `${spread.toFixed(1)}×` },
  { title: "Weights", sort: "weightDb", cell: ({ weightDb, quantized }) => (quantized ? formatDb(weightDb) : "float") },
  { title: "Local", sort: "localDb", cell: ({ localDb }) => (localDb === null ? "" : formatDb(localDb)) },
  {
    title: "Cumulative",
    sort: "cumulativeDb",
    cell: ({ cumulativeDb }) => (cumulativeDb === null ? "" : formatDb(cumulativeDb)),
  },
  { title: "Kind of loss", text: true, cell: ({ finding }) => finding },
];
