import { RunError } from "../errors.js";
import type { DataFile } from "./data-file.js";

/** Characters that a string holds in every engine. */
export const MAX_TEXT_BYTES = 2 ** 29 - 24;

/** The content of a text file. @throws {RunError} E6001 it is longer than a string can be. */
export async function readText(file: DataFile): Promise<string> {
  const size = await file.size();
  if (size > MAX_TEXT_BYTES) {
    throw new RunError("E6001", `data: "${file.path}" has ${size} bytes of text, at most ${MAX_TEXT_BYTES} are read`, {
      file: file.path,
      actual: size,
      expected: MAX_TEXT_BYTES,
      hint: "split the file",
    });
  }
  return new TextDecoder().decode(await file.read());
}

/** Whole numbers one after the other, 4 bytes each: places in a text, of which there may be millions. */
export class Positions {
  #values = new Uint32Array(64);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(value: number): void {
    if (this.#length === this.#values.length) {
      const grown = new Uint32Array(2 * this.#length);
      grown.set(this.#values);
      this.#values = grown;
    }
    this.#values[this.#length++] = value;
  }

  pop(): void {
    this.#length--;
  }

  at(index: number): number {
    return this.#values[index]!;
  }
}

/** Lines of a text that hold something. */
export interface FilledLines {
  readonly length: number;
  line(index: number): string;
  /** Counts from 1, with the empty ones. */
  number(index: number): number;
}

/** Finds the lines of a text; none is cut out before it is asked for. */
export function filledLines(text: string): FilledLines {
  const [from, to, numbers] = [new Positions(), new Positions(), new Positions()];
  for (let start = 0, number = 1; start < text.length; number++) {
    const found = text.indexOf("\n", start);
    const next = found < 0 ? text.length : found;
    const end = text[next - 1] === "\r" && next > start ? next - 1 : next;
    if (/\S/.test(text.slice(start, Math.min(end, start + 64))) || text.slice(start, end).trim() !== "") {
      from.push(start);
      to.push(end);
      numbers.push(number);
    }
    start = next + 1;
  }
  return {
    length: from.length,
    line: (index) => text.slice(from.at(index), to.at(index)),
    number: (index) => numbers.at(index),
  };
}
