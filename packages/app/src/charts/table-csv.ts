import type { ChartTable } from "@equant/report";

/** A chart's numbers as CSV (RFC 4180). */
export function tableCsv({ columns, rows }: Pick<ChartTable, "columns" | "rows">): string {
  const cell = (value: string | number | null) => {
    const text = value === null ? "" : String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return `${[columns, ...rows].map((row) => row.map(cell).join(",")).join("\r\n")}\r\n`;
}
