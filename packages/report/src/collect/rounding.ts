import type { Encoding } from "@equant/core/lab";
import type { ReportEncoding } from "../schema.js";

/** Numbers of a list with 4 significant digits: what a chart can show, at a third of the bytes. */
export function short(values: Iterable<number>, digits = 4): number[] {
  return Array.from(values, (value) => shortNumber(value, digits));
}

export function shortNumber(value: number, digits = 4): number {
  return Number(value.toPrecision(digits)) + 0;
}

/** Ratio in dB as JSON can hold it: 300 stands for no noise at all. */
export function finiteDb(value: number): number {
  return Math.max(-300, Math.min(300, value));
}

/** Scales keep their float32: thresholds are drawn and counted with them. */
export function reportEncoding({ scale, zeroPoint, dtype, bits, axis, qmin, qmax }: Encoding): ReportEncoding {
  const same = zeroPoint.every((zero) => zero === zeroPoint[0]);
  return {
    scale: short(scale, 7),
    zeroPoint: same ? [zeroPoint[0] ?? 0] : [...zeroPoint],
    dtype,
    bits,
    axis,
    qmin,
    qmax,
  };
}
