import type { FixedPoint } from "@equant/core/lab";
import type { MsbRow, ReportEncoding } from "../schema.js";

/** How the data type of a row is read. */
export type MsbMode = "affine" | "power-of-two";

/** Magnitudes that a type can tell from zero and from its largest value: from `low` up to `positive` and `negative`. */
export interface MsbLimits {
  readonly low: number;
  readonly positive: number;
  readonly negative: number;
}

/**
 * The fixed-point type with the same bits that covers what the encoding covers: its lowest bit is the scale, rounded up to a
 * power of two. A type that must hold negative numbers gives one bit to the sign.
 */
export function fixedPointOf({ scale, zeroPoint, qmin, qmax, bits }: ReportEncoding): Required<FixedPoint> {
  const signed = zeroPoint.some((zero) => zero > qmin);
  const places = bits - (signed ? 1 : 0);
  let lsb = Number.NEGATIVE_INFINITY;
  scale.forEach((step, c) => {
    const zero = zeroPoint[c % zeroPoint.length]!;
    // Two's complement reaches one step further below zero than above.
    const needed = Math.max((step * (qmax - zero)) / (2 ** places - 1), (step * (zero - qmin)) / 2 ** places);
    lsb = Math.max(lsb, Math.ceil(Math.log2(needed) - 1e-9));
  });
  return { msb: lsb + places - 1, lsb, signed };
}

/** What a row's type represents. A scale a channel: what the finest and the widest channel can. */
export function limitsOf(encoding: ReportEncoding, mode: MsbMode): MsbLimits {
  if (mode === "power-of-two") {
    const { msb, lsb, signed } = fixedPointOf(encoding);
    const high = 2 ** (msb + 1);
    const low = 2 ** (lsb - 1);
    return { low, positive: high, negative: signed ? high : low };
  }
  const { scale, zeroPoint, qmin, qmax } = encoding;
  let [low, positive, negative] = [Number.POSITIVE_INFINITY, 0, 0];
  scale.forEach((step, c) => {
    const zero = zeroPoint[c % zeroPoint.length]!;
    low = Math.min(low, step / 2);
    positive = Math.max(positive, step * (qmax - zero + 0.5));
    negative = Math.max(negative, step * (zero - qmin + 0.5));
  });
  return { low, positive, negative };
}

/** Shares 0–1 of a row's values that saturate and that become zero; null without a type. */
export function lossesOf(
  row: Pick<MsbRow, "first" | "positive" | "negative" | "total" | "encoding" | "overflow" | "underflow">,
  mode: MsbMode,
): { overflow: number; underflow: number } | null {
  if (!row.encoding || row.total === 0) return null;
  if (mode === "affine") {
    if (row.overflow === null || row.underflow === null) return null;
    return { overflow: row.overflow / row.total, underflow: row.underflow / row.total };
  }
  const { msb, lsb, signed } = fixedPointOf(row.encoding);
  let [overflow, underflow] = [0, 0];
  for (let i = 0; i < row.positive.length; i++) {
    const exponent = row.first + i;
    const negative = row.negative[i]!;
    const both = row.positive[i]! + negative;
    if (exponent > msb) overflow += both;
    else if (exponent < lsb - 1) underflow += both;
    else if (!signed) overflow += negative;
  }
  return { overflow: overflow / row.total, underflow: underflow / row.total };
}
