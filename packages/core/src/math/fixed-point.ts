import { OptionsError } from "../errors.js";
import { type Encoding, encodingFromScale, type IntegerDType } from "./encoding.js";

/** A binary fixed-point type by its bits, as MathWorks' quantization page draws it: from 2^msb down to 2^lsb. */
export interface FixedPoint {
  msb: number;
  lsb: number;
  /** Adds a sign bit (two's complement). Default: `true`. */
  signed?: boolean;
}

/**
 * Encoding of a fixed-point type: scale 2^lsb, zero point 0. `{ msb: 3, lsb: -3 }` is MathWorks' worked example, 8 bits
 * with the sign: 0.03125 → 0, 2.1 → 2.125, 16.25 → 15.875 (the page prints 15.874, which the type cannot hold). Its
 * rounding is `half-away`.
 *
 * @throws {OptionsError} E2002: not integers, lsb > msb, width outside 2–16 bits, or 2^lsb no normal float32.
 */
export function fixedPointType({ msb, lsb, signed = true }: FixedPoint): Encoding {
  const bits = msb - lsb + 1 + (signed ? 1 : 0);
  if (!Number.isInteger(msb) || !Number.isInteger(lsb) || lsb < -126 || msb > 127 || bits < 2 || bits > 16) {
    throw new OptionsError(
      "E2002",
      `fixedPointType: invalid bits 2^${msb} … 2^${lsb}, expected 2-16 bits in all, between 2^127 and 2^-126`,
      { expected: "2-16 bits", actual: { msb, lsb, signed } },
    );
  }
  const dtype = `${signed ? "" : "u"}int${bits <= 4 ? 4 : bits <= 8 ? 8 : 16}` as IntegerDType;
  return encodingFromScale({ scale: [2 ** lsb], dtype, bits });
}
