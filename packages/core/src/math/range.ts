import { DataError, OptionsError } from "../errors.js";
import { type EncodingOptions, integerGrid, type Range, rangeWithZero } from "./encoding.js";
import { entropyRange } from "./range-entropy.js";
import { mseRange } from "./range-mse.js";
import { percentileRange } from "./range-percentile.js";
import { ValueHistogram } from "./value-histogram.js";

/** Ways to choose a clipping range, as they are written in options and recipes. */
export const CHOOSERS = ["minmax", "tail", "percentile", "entropy", "mse"] as const;

/** A parsed chooser. */
export type Chooser =
  | { readonly kind: "minmax" | "tail" | "entropy" | "mse" }
  | { readonly kind: "percentile" /** Share of values kept, in percent. */; readonly percent: number };

/** Percentile when none is written. */
const DEFAULT_PERCENTILE = 99.99;

/** Options of {@link chooseRange}: the chooser, and the encoding for which the range is meant. */
export interface ChooseRangeOptions extends EncodingOptions {
  /** `minmax`, `tail`, `percentile`, `percentile:99.9`, `entropy` or `mse`. Default: `'minmax'`. */
  chooser?: string;
}

/**
 * Reads `minmax`, `tail`, `percentile`, `percentile:99.99`, `entropy` or `mse`.
 *
 * @throws {OptionsError} E2004 for another name, E2002 for a percentile outside 50 < p ≤ 100.
 */
export function parseChooser(text: string): Chooser {
  const [kind, argument, ...rest] = text.split(":");
  const known = CHOOSERS.find((name) => name === kind);
  if (!known || rest.length > 0 || (argument !== undefined && known !== "percentile")) {
    throw new OptionsError("E2004", `calibrator '${text}' is not one of minmax, tail, percentile:P, entropy, mse`, {
      expected: ["minmax", "tail", "percentile:P", "entropy", "mse"],
      actual: text,
    });
  }
  if (known !== "percentile") return { kind: known };
  const percent = argument === undefined ? DEFAULT_PERCENTILE : argument.trim() === "" ? Number.NaN : Number(argument);
  if (!(percent > 50 && percent <= 100)) {
    throw new OptionsError("E2002", `chooser: invalid percentile '${argument}', expected above 50 up to 100`, {
      expected: "50 < p ≤ 100",
      actual: argument,
      hint: "The percentile is the share of values kept: percentile:99.99 clips one in 10,000.",
    });
  }
  return { kind: known, percent };
}

/**
 * Range to quantize to, from a histogram (or from a known range, with `minmax` only). The result contains 0 and lies
 * within the data's own range widened to 0. Only finite values count; whether NaN or ∞ are an error is the caller's
 * decision (attention masks hold −∞ on purpose), see `ValueHistogram.nonFinite`.
 *
 * A constant tensor gives [0, c] or [c, 0], all zeros [0, 0], whatever the chooser.
 *
 * @throws {OptionsError} E2004: unknown chooser, or one that needs a histogram.
 * @throws {DataError} E5001: no finite value.
 */
export function chooseRange(source: ValueHistogram | Range, options: ChooseRangeOptions = {}): Range {
  const chooser = parseChooser(options.chooser ?? "minmax");
  const { symmetric } = integerGrid(options, "chooseRange");
  if (!(source instanceof ValueHistogram)) {
    if (chooser.kind === "minmax") return rangeWithZero(source, "chooseRange");
    throw new OptionsError(
      "E2004",
      `calibrator '${chooser.kind}' needs a histogram, but only minimum and maximum are known`,
      {
        expected: ["minmax"],
        actual: chooser.kind,
        hint: "Calibrate again with this chooser, or use minmax.",
      },
    );
  }
  if (source.total === 0) {
    throw new DataError("E5001", "chooseRange: the histogram holds no finite value", {
      actual: source.nonFinite === 0 ? "no value" : `${source.nonFinite} NaN or Inf`,
      hint: "The tensor was never computed on the calibration data, or holds nothing but NaN and Inf.",
    });
  }
  // `+ 0` turns −0 into 0, which JSON and comparisons keep apart.
  const { min, max } = rangeBy(chooser, source, symmetric, options);
  return { min: min + 0, max: max + 0 };
}

function rangeBy(chooser: Chooser, histogram: ValueHistogram, symmetric: boolean, options: EncodingOptions): Range {
  switch (chooser.kind) {
    case "minmax":
    // Tails are known by channel, not to a histogram: what was seen is all it can say.
    case "tail":
      return rangeWithZero(histogram, "chooseRange");
    case "percentile":
      return percentileRange(histogram, chooser.percent, symmetric);
    case "entropy":
      return entropyRange(histogram, options);
    case "mse":
      return mseRange(histogram, options);
  }
}
