import { fileError } from "./errors.js";
import { Positions } from "./text.js";

/** Rows of a CSV file. Cells are cut out of the text when they are asked for: a table may have millions. */
export interface CsvTable {
  /** Rows that hold something. */
  readonly length: number;
  /** Where a row starts; counts from 1. */
  line(row: number): number;
  /** Undefined where the row has no such cell. */
  cell(row: number, column: number): string | undefined;
}

/**
 * Comma-separated values as in RFC 4180: quotes around a cell, doubled inside it; any line ends; empty lines skipped; spaces around
 * unquoted cells dropped.
 *
 * @throws {DataError} E5004 a quote is not closed.
 */
export function parseCsv(text: string, file: string): CsvTable {
  const [from, to] = [new Positions(), new Positions()];
  const [first, lines] = [new Positions(), new Positions()];
  const isQuoted = new Set<number>();
  let line = 1;
  let at = 0;
  while (at < text.length) {
    const [start, firstCell] = [line, from.length];
    let open = true;
    while (open) {
      while (at < text.length && (text[at] === " " || text[at] === "\t")) at++;
      const quoted = text[at] === '"';
      if (quoted) {
        isQuoted.add(from.length);
        const begin = ++at;
        while (text[at] !== '"' || text[at + 1] === '"') {
          if (at >= text.length) {
            throw fileError("E5004", file, `line ${start}: a quote is not closed`, 'Write " inside a cell as "".');
          }
          if (text[at] === "\n") line++;
          at += text[at] === '"' ? 2 : 1;
        }
        from.push(begin);
        to.push(at++);
      }
      const begin = at;
      while (at < text.length && text[at] !== "," && text[at] !== "\n" && text[at] !== "\r") at++;
      if (!quoted) {
        from.push(begin);
        to.push(at);
      }
      open = text[at] === ",";
      if (open) at++;
    }
    if (text[at] === "\r") at++;
    if (text[at] === "\n") at++;
    line++;
    if (from.length === firstCell + 1 && cellAt(firstCell) === "") {
      isQuoted.delete(firstCell);
      from.pop();
      to.pop();
      continue;
    }
    first.push(firstCell);
    lines.push(start);
  }
  function cellAt(index: number): string {
    const value = text.slice(from.at(index), to.at(index));
    return isQuoted.has(index) ? value.replaceAll('""', '"') : value.trim();
  }
  const endOf = (row: number) => (row + 1 < first.length ? first.at(row + 1) : from.length);
  return {
    length: first.length,
    line: (row) => lines.at(row),
    cell: (row, column) => (first.at(row) + column < endOf(row) ? cellAt(first.at(row) + column) : undefined),
  };
}

/** Rows under a header. */
export interface CsvColumns {
  readonly length: number;
  line(row: number): number;
  /** The cell of a column by its key; empty where the row or the table has none. */
  cell(row: number, key: string): string;
  /** Whether the table has the column. */
  has(key: string): boolean;
}

/** Reads the header: a column may go by several names. @throws {DataError} E5004 a required column is missing. */
export function readTable(
  text: string,
  file: string,
  columns: Readonly<Record<string, readonly string[]>>,
  required: readonly string[],
): CsvColumns {
  const table = parseCsv(text, file);
  const names: string[] = [];
  for (
    let name = table.length > 0 ? table.cell(0, 0) : undefined;
    name !== undefined;
    name = table.cell(0, names.length)
  )
    names.push(name.toLowerCase());
  const positions = new Map<string, number>();
  for (const [key, aliases] of Object.entries(columns)) {
    const position = names.findIndex((name) => aliases.includes(name));
    if (position >= 0) positions.set(key, position);
  }
  const missing = required.filter((key) => !positions.has(key));
  if (missing.length > 0) {
    throw fileError(
      "E5004",
      file,
      `has no column "${missing[0]}" in its first line (${names.slice(0, 5).join(", ") || "empty"})`,
      `The first line names the columns: ${required.join(",")}.`,
      { expected: [...required], actual: names.slice(0, 20) },
    );
  }
  return {
    length: Math.max(0, table.length - 1),
    line: (row) => table.line(row + 1),
    cell: (row, key) => (positions.has(key) ? (table.cell(row + 1, positions.get(key)!) ?? "") : ""),
    has: (key) => positions.has(key),
  };
}
