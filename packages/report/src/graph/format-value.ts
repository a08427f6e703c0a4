import { decibels } from "../charts/text.js";
import type { OverlayMetric } from "./types.js";

/** Three digits and a decimal prefix: 1.23 k, 45.6 M. */
export function formatCount(value: number): string {
  const prefixes = ["", "k", "M", "G", "T"];
  let step = 0;
  let scaled = value;
  while (Math.abs(scaled) >= 999.5 && step < prefixes.length - 1) {
    scaled /= 1000;
    step++;
  }
  const digits = step === 0 ? 0 : Math.abs(scaled) < 9.995 ? 2 : Math.abs(scaled) < 99.95 ? 1 : 0;
  return step === 0 ? scaled.toFixed(digits) : `${scaled.toFixed(digits)} ${prefixes[step]}`;
}

/** The edge of a bin: as short as it can be said, 10 k and not 10.0 k. */
export const shortCount = (value: number): string => formatCount(value).replace(/\.0+(?= |$)/, "");

/** Bytes in decimal units, as the rest of the program prints them. */
export const formatBytes = (bytes: number, count = formatCount): string => {
  const text = count(bytes);
  return /[a-z]$/i.test(text) ? `${text}B` : `${text} B`;
};

/** A value of an overlay with its unit, as printed on a card and in a label. */
export function formatValue(metric: OverlayMetric, value: number): string {
  switch (metric) {
    case "sqnr":
      return decibels(value);
    case "bits":
      return `${value} bit`;
    case "size":
      return formatBytes(value);
    case "sparsity":
      return `${(100 * value).toFixed(value > 0 && value < 0.1 ? 1 : 0)} %`;
    case "macs":
      return `${formatCount(value)} MAC`.replace(/ ([kMGT]) MAC$/, " $1MAC");
    case "none":
      return "";
  }
}
