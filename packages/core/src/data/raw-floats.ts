import { OptionsError } from "../errors.js";
import { type ArraySource, openRanges, rowMajorSource } from "./array-source.js";
import type { DataFile } from "./data-file.js";
import { fileError } from "./errors.js";
import { elementCount } from "./input.js";

/** How a file of bare float32 numbers is cut into samples. */
export interface RawFloats {
  /** Shape of one sample. */
  readonly shape: readonly number[];
  /** Numbers from the start of one sample to the start of the next. Smaller than a sample: they overlap, as frames of sound. Default: no overlap. */
  readonly stride?: number;
}

/**
 * Opens little-endian float32 numbers without a header.
 *
 * @throws {DataError} E5002 the size is no multiple of 4; E5003 the numbers do not divide into samples.
 */
export async function openRawFloats(file: DataFile, { shape, stride }: RawFloats, keep = true): Promise<ArraySource> {
  const perSample = elementCount(shape);
  const step = stride ?? perSample;
  if (!(Number.isInteger(step) && step >= 1)) {
    throw new OptionsError("E2002", `data: invalid stride ${step}, expected a positive number of float32 values`);
  }
  const size = await file.size();
  if (size === 0 || size % 4 !== 0) {
    throw fileError("E5002", file.path, `has ${size} bytes, float32 values take 4 each`, "Check that it is float32.");
  }
  const numbers = size / 4;
  if (numbers < perSample || (numbers - perSample) % step !== 0) {
    throw fileError(
      "E5003",
      file.path,
      `has ${numbers} float32 values, not a whole number of samples [${shape.join(", ")}] (${perSample} values)`,
      "Check the shape; overlapping frames need a stride.",
      { expected: perSample, actual: numbers },
    );
  }
  const ranges = await openRanges(file, keep);
  const count = (numbers - perSample) / step + 1;
  const layout = { dtype: "float32", little: true, shape: [count, ...shape], offset: 0 } as const;
  return rowMajorSource(file, ranges, layout, step);
}
