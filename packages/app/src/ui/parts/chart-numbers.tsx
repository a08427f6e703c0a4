import type { DrawnChart } from "../../charts/messages.js";
import { formatNumber } from "../../format.js";
import { selectLayer } from "../../state/selection.js";
import { selectedLayer } from "../../state/store.js";
import { DataTable } from "./data-table.js";

/** The numbers that a chart draws. */
export function ChartNumbers({ chart: { table, title } }: { chart: DrawnChart }) {
  const { columns, rows, layerColumn } = table;
  const layerOf = (row: (typeof rows)[number]) =>
    layerColumn === undefined ? undefined : String(row[layerColumn] ?? "");
  return (
    <DataTable
      label={`${title}, numbers`}
      columns={columns.map((column, at) => ({
        title: column,
        text: typeof rows[0]?.[at] === "string",
        cell: (row: (typeof rows)[number]) => {
          const cell = row[at];
          return typeof cell === "number" ? formatNumber(cell) : (cell ?? "");
        },
      }))}
      rows={rows}
      keyOf={(_row, index) => String(index)}
      isSelected={(row) => layerColumn !== undefined && layerOf(row) === selectedLayer.value}
      onSelect={(row) => {
        const layer = layerOf(row);
        if (layer) selectLayer(layer);
      }}
    />
  );
}
