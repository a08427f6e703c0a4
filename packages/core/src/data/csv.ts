import { fileError } from "./errors.js";

/** One row of a CSV file; `line` counts from 1 and is where the row starts. */
export interface CsvRow {
  readonly line: number;
  readonly cells: readonly string[];
}

/**
 * Comma-separated values as in RFC 4180: quotes around a cell, doubled inside it; any line ends; byte order mark and
 * empty lines skipped; spaces around unquoted cells dropped.
 *
 * @throws {DataError} E5004 a quote is not closed.
 */
export function parseCsv(bytes: Uint8Array, file: string): CsvRow[] {
  const text = new TextDecoder().decode(bytes);
  const rows: CsvRow[] = [];
  let line = 1;
  let at = 0;
  while (at < text.length) {
    const start = line;
    const cells: string[] = [];
    let open = true;
    while (open) {
      let cell = "";
      let quoted = false;
      while (at < text.length && (text[at] === " " || text[at] === "\t")) at++;
      if (text[at] === '"') {
        quoted = true;
        at++;
        while (text[at] !== '"' || text[at + 1] === '"') {
          if (at >= text.length) {
            throw fileError("E5004", file, `line ${start}: a quote is not closed`, 'Write " inside a cell as "".');
          }
          if (text[at] === "\n") line++;
          if (text[at] === '"') at++;
          cell += text[at++];
        }
        at++;
      }
      const from = at;
      while (at < text.length && text[at] !== "," && text[at] !== "\n" && text[at] !== "\r") at++;
      cell += quoted ? "" : text.slice(from, at).trim();
      cells.push(cell);
      open = text[at] === ",";
      if (open) at++;
    }
    if (text[at] === "\r") at++;
    if (text[at] === "\n") at++;
    line++;
    if (cells.length > 1 || cells[0] !== "") rows.push({ line: start, cells });
  }
  return rows;
}

/** Rows under a header, with the positions of its columns; a column may go by several names. */
export function readTable(
  bytes: Uint8Array,
  file: string,
  columns: Readonly<Record<string, readonly string[]>>,
  required: readonly string[],
): { rows: readonly CsvRow[]; column: Readonly<Record<string, number>> } {
  const [header, ...rows] = parseCsv(bytes, file);
  const names = header?.cells.map((cell) => cell.toLowerCase()) ?? [];
  const column: Record<string, number> = {};
  for (const [key, aliases] of Object.entries(columns)) {
    const position = names.findIndex((name) => aliases.includes(name));
    if (position >= 0) column[key] = position;
  }
  const missing = required.filter((key) => column[key] === undefined);
  if (missing.length > 0) {
    throw fileError(
      "E5004",
      file,
      `has no column "${missing[0]}" in its first line (${names.slice(0, 5).join(", ") || "empty"})`,
      `The first line names the columns: ${required.join(",")}.`,
      { expected: [...required], actual: names.slice(0, 20) },
    );
  }
  return { rows, column };
}
