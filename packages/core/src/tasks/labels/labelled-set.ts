import { baseName } from "../../data/data-file.js";
import { fileError } from "../../data/errors.js";
import type { SampleTruth } from "../../data/index.js";
import type { DataError } from "../../errors.js";

/** What is known of a sample, or how it follows from the size of its image, pixels. */
export type LabelledSample = SampleTruth | ((size: { width: number; height: number }) => Promise<SampleTruth>);

/** What labels say, by the image's file name as they write it, or by its stem. */
export interface LabelledSet {
  /** For people: `COCO JSON`. */
  readonly format: string;
  /** The file, or the folder, that was read. */
  readonly file: string;
  readonly samples: ReadonlyMap<
    string,
    SampleTruth | ((size: { width: number; height: number }) => Promise<SampleTruth>)
  >;
  /** Names of classes by number, where the labels have them. */
  readonly names?: readonly string[];
}

/** E5004 that names file and line. */
export function broken(file: string, line: number | undefined, problem: string, hint: string): DataError {
  const place = line === undefined ? "" : `line ${line}: `;
  return fileError("E5004", file, `${place}${problem}`, hint, { ...(line !== undefined && { line }) });
}

/** Name of a file without folders and extension: what images and their labels share. */
export function stemOf(path: string): string {
  return baseName(path).replace(/\.[^.]+$/, "");
}

/** Line, from 1, of a position in a text. */
export function lineAt(text: string, position: number): number {
  let line = 1;
  for (let i = 0; i < Math.min(position, text.length); i++) if (text.charCodeAt(i) === 10) line++;
  return line;
}
