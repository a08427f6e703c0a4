import { parseCsv, readTable } from "../../data/csv.js";
import type { DataFile } from "../../data/data-file.js";
import type { SampleTruth } from "../../data/index.js";
import { readText } from "../../data/text.js";
import { broken, type LabelledSet } from "./labelled-set.js";

const FILE = ["file", "filename", "path", "image"];

/** A table of file and text. Empty texts are allowed: nothing to read is an answer, too. */
export async function readTexts(file: DataFile): Promise<LabelledSet> {
  const aliases = { file: FILE, text: ["text", "label", "transcription"] };
  const table = readTable(await readText(file), file.path, aliases, ["file", "text"]);
  const samples = new Map<string, SampleTruth>();
  for (let row = 0; row < table.length; row++) {
    samples.set(nameOf(table.cell(row, "file"), file.path, table.line(row)), { text: table.cell(row, "text") });
  }
  return { format: "CSV of texts", file: file.path, samples };
}

/** A table of file and numbers: all columns but the file, in their order. */
export async function readNumbers(file: DataFile): Promise<LabelledSet> {
  const text = await readText(file);
  const names = readTable(text, file.path, { file: FILE }, ["file"]);
  const cells = parseCsv(text, file.path);
  const samples = new Map<string, SampleTruth>();
  for (let row = 0; row < names.length; row++) {
    const values: number[] = [];
    const line = names.line(row);
    for (let column = 0; cells.cell(0, column) !== undefined; column++) {
      if (FILE.includes(cells.cell(0, column)!.toLowerCase())) continue;
      const written = cells.cell(row + 1, column) ?? "";
      const value = written === "" ? Number.NaN : Number(written);
      if (!Number.isFinite(value)) {
        throw broken(file.path, line, `"${written}" is no number`, "The first line names the columns: file,value.");
      }
      values.push(value);
    }
    if (values.length === 0)
      throw broken(file.path, line, "has no number", "The first line names the columns: file,value.");
    samples.set(nameOf(names.cell(row, "file"), file.path, line), { values });
  }
  return { format: "CSV of numbers", file: file.path, samples };
}

function nameOf(cell: string, path: string, line: number): string {
  if (cell !== "") return cell.replaceAll("\\", "/").replace(/^\.\//, "");
  throw broken(path, line, "names no file", "The first column is the file.");
}
