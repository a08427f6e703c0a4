import type { SampleAnswer } from "../answer.js";

/** One output of a network for one sample. */
export interface HeadTensor {
  readonly name: string;
  /** Without the batch dimension. */
  readonly dims: readonly number[];
  readonly values: ArrayLike<number>;
}

/** Height and width of the network's input, pixels. */
export interface InputSize {
  readonly width: number;
  readonly height: number;
}

/**
 * Makes an answer of a network's outputs. Boxes, points and masks are in pixels of the network's input: where the image lies in it
 * is known elsewhere. What an own decoder (`--decode ./mine.js`) exports by default.
 */
export interface Decoder {
  /** What was recognised, for people. */
  readonly name: string;
  decode(outputs: readonly HeadTensor[], input: InputSize): SampleAnswer | Promise<SampleAnswer>;
}

/** What people may say about a head where it does not follow from the outputs; the content of `--decode FILE.json`. */
export interface HeadSettings {
  /** Name of the head. Default: recognised. */
  readonly head?: string;
  /** Found objects below this score are dropped. Default: 0.05, for mean precision. */
  readonly score?: number;
  /** Overlap above which the weaker box goes. Default: 0.5. */
  readonly iou?: number;
  /** Whether boxes of different classes suppress each other. Default: false. */
  readonly agnostic?: boolean;
  /** Boxes kept of a class. Default: 100. */
  readonly most?: number;
  /** Objects of a network that count as there where it is the truth. Default: 0.5. */
  readonly truthScore?: number;
  /** Boxes of reference: [width, height] of a grid, one list a stride; or [top, left, bottom, right] in parts of the image, one a row. */
  readonly anchors?: readonly (readonly number[])[] | readonly (readonly (readonly number[])[])[];
  /** Unit of a grid's anchors. Default: cells for one grid, pixels for several. */
  readonly unit?: "cells" | "pixels";
  /** How a grid's numbers become sizes: exp (YOLO 2 to 4) or square (YOLO 5 and 7). */
  readonly form?: "exp" | "square";
  /** Columns of the scores that are classes. Default: all, without the first one for `ssd`. */
  readonly classes?: readonly number[];
  /** How scores are made of the numbers. Default: as they are where all are within 0–1, else sigmoid. */
  readonly activation?: "none" | "sigmoid" | "softmax";
  /** Order of the six columns of a suppressed head. */
  readonly order?: "box-score-class" | "class-score-box";
  /** Symbols by class, for sequences. Default: the class numbers themselves. */
  readonly symbols?: readonly string[];
  /** Class that separates symbols. Default: 0. */
  readonly blank?: number;
}

/** A kind of output that is known how to read. */
export interface Head {
  readonly name: string;
  /** One line for people: whose networks, which outputs. */
  readonly help: string;
  /**
   * How outputs like these are read; the first sample's are given. A text is a question: the head it may be, and what is missing.
   * Undefined: not this head.
   */
  read(outputs: readonly HeadTensor[], input: InputSize, settings: HeadSettings): Decoder | string | undefined;
}

/** Numbers of an output by cell: item i of cell c is values[start + c · cell + i · item]. */
export interface Field {
  readonly output: number;
  readonly start: number;
  readonly cell: number;
  readonly item: number;
  readonly items: number;
}

export const sigmoid = (value: number): number => 1 / (1 + Math.exp(-value));

/** Whether all numbers are shares already. */
export function areShares(values: ArrayLike<number>, start = 0, end = values.length, step = 1): boolean {
  for (let i = start; i < end; i += step) if (!(values[i]! >= 0 && values[i]! <= 1)) return false;
  return true;
}

/** What makes a score of a number, by settings or by the numbers themselves. */
export function scoring(settings: HeadSettings, values: ArrayLike<number>): (value: number) => number {
  const { activation = areShares(values) ? "none" : "sigmoid" } = settings;
  return activation === "none" ? (value) => value : sigmoid;
}
