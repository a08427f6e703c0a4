import type { TableFormat } from "../options/option-groups.js";
import { visible } from "./visible.js";

export interface Column<Row> {
  readonly title: string;
  /** Text of a cell; a number is printed as it is. */
  readonly cell: (row: Row) => string | number | undefined;
  /** Default: right when the column's cells look like numbers. */
  readonly align?: "left" | "right";
}

/** Renders rows as aligned text, a Markdown table, or CSV (RFC 4180). Ends with a newline. */
export function renderTable<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  format: TableFormat = "text",
): string {
  const titles = columns.map((column) => column.title);
  const raw = rows.map((row) => columns.map((column) => String(column.cell(row) ?? "")));
  // A program reads CSV, and quotes keep it whole.
  if (format === "csv") return [titles, ...raw].map((line) => `${line.map(csvCell).join(",")}\n`).join("");
  const cells = raw.map((line) => line.map(visible));
  const right = columns.map(
    (column, i) => (column.align ?? (cells.every((line) => isNumeric(line[i]!)) ? "right" : "left")) === "right",
  );
  if (format === "md") return markdown(titles, cells, right);
  const widths = titles.map((title, i) => Math.max(width(title), ...cells.map((line) => width(line[i]!))));
  const lines = [titles, ...cells].map((line) =>
    `  ${line.map((cell, i) => pad(cell, widths[i]!, right[i]!)).join("  ")}`.trimEnd(),
  );
  return `${lines.join("\n")}\n`;
}

function markdown(titles: string[], cells: string[][], right: boolean[]): string {
  const row = (line: string[]) => `| ${line.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |\n`;
  const rule = `|${right.map((isRight) => (isRight ? "---:" : "---")).join("|")}|\n`;
  return row(titles) + rule + cells.map(row).join("");
}

/** Numbers with sign, unit or percent; empty and dashes count, so that gaps do not turn a column to the left. */
function isNumeric(cell: string): boolean {
  return /^([-+\u2212]?[\d.,]+(e[-+]?\d+)?( ?(%|pp|x|dB|[kMGT]?B|[kMGT]|ms|s|min))?|[-\u2212\u2013\u2014]|)$/.test(
    cell,
  );
}

function csvCell(cell: string): string {
  return /[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
}

/** Columns on the screen: code points, wide ones (CJK, emoji) count double. */
function width(cell: string): number {
  let columns = 0;
  for (const character of cell) {
    const code = character.codePointAt(0)!;
    columns += (code >= 0x1100 && code <= 0x115f) || (code >= 0x2e80 && code <= 0xffdc) || code >= 0x1f300 ? 2 : 1;
  }
  return columns;
}

function pad(cell: string, columns: number, right: boolean): string {
  const space = " ".repeat(columns - width(cell));
  return right ? space + cell : cell + space;
}
