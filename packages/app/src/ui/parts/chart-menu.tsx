import type { ChartArgs, ChartId } from "@equant/report";
import { drawChart } from "../../charts/client.js";
import type { DrawnChart } from "../../charts/messages.js";
import { tableCsv } from "../../charts/table-csv.js";
import { svgToPng } from "../../charts/to-png.js";
import { download } from "../../state/download.js";
import { theme } from "../theme.js";

interface ChartMenuProps<N extends ChartId> {
  readonly name: N;
  readonly args: ChartArgs<N>;
  readonly chart: DrawnChart;
  readonly asTable: boolean;
  readonly onTable: (asTable: boolean) => void;
}

const FILE_WIDTH = 960;

/** Numbers of a chart, and the chart as a file. */
export function ChartMenu<N extends ChartId>({ name, args, chart, asTable, onTable }: ChartMenuProps<N>) {
  const file = async () => (await drawChart(name, args, FILE_WIDTH, true))!.svg;
  const save = {
    SVG: async () => download(`${name}.svg`, new Blob([await file()], { type: "image/svg+xml" })),
    PNG: async () => download(`${name}.png`, await svgToPng(await file(), theme.value)),
    CSV: async () => download(`${name}.csv`, new Blob([tableCsv(chart.table)], { type: "text/csv" })),
  };
  return (
    <span class="chart-menu">
      <button type="button" class="button small ghost" aria-pressed={asTable} onClick={() => onTable(!asTable)}>
        Table
      </button>
      {Object.entries(save).map(([type, run]) => (
        <button
          key={type}
          type="button"
          class="button small ghost"
          aria-label={`Save ${chart.title} as ${type}`}
          onClick={() => void run()}
        >
          {type}
        </button>
      ))}
    </span>
  );
}
