import { ModelError } from "../../errors.js";
import { int, string } from "../../graph/index.js";
import type { GradientContext } from "../context.js";

/**
 * Zeros in the shape of `x` with the elements of `dy` put at flat positions `indices` (same shape as `dy`).
 * @param repeats Positions may occur more than once: what meets there is added (needs opset 16).
 */
export function scatterFlat(dy: string, indices: string, x: string, repeats: boolean, c: GradientContext): string {
  if (repeats && c.opset < 16) {
    throw new ModelError(
      "E4002",
      `differentiate: opset ${c.opset}, expected 16 or later to add at repeated positions`,
      {
        actual: c.opset,
        hint: "upgrade the model first",
      },
    );
  }
  const size = c.op("Reshape", [c.op("Size", [x]), c.int64([1])]);
  const zeros = c.op("Expand", [c.scalar(0, x), size]);
  const flat = (value: string) => c.op("Reshape", [value, c.int64([-1])]);
  const attributes = { axis: int(0), ...(repeats && { reduction: string("add") }) };
  return c.reshapeLike(c.op("ScatterElements", [zeros, flat(indices), flat(dy)], attributes), x);
}

/** The flat position of every element of `x`, in the shape of `x`: moved like `x`, it says where each element came from. */
export function flatPositions(x: string, c: GradientContext): string {
  const size = c.op("Size", [x]);
  const zero = c.op("Reshape", [c.int64([0]), c.int64([])]);
  const one = c.op("Reshape", [c.int64([1]), c.int64([])]);
  return c.reshapeLike(c.op("Range", [zero, size, one]), x);
}
