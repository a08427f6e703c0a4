import { ModelError } from "../errors.js";

/** Index of the first NaN or infinity in `values[from, to)`; −1 if all are finite. */
function findNonFinite(values: ArrayLike<number>, from = 0, to = values.length): number {
  for (let i = from; i < to; i++) {
    const x = values[i]!;
    // x − x is 0 for every finite x and NaN for NaN and ±∞: one test for all three.
    if (x - x !== 0) return i;
  }
  return -1;
}

/**
 * Requires finite values; `what` names them in the message (`weights of "conv1"`).
 *
 * @throws {ModelError} E3006 with the first index and its value.
 */
export function assertFinite(values: ArrayLike<number>, what: string, tensor?: string): void {
  const index = findNonFinite(values);
  if (index < 0) return;
  throw new ModelError("E3006", `${what}: value at index ${index} is ${values[index]}, expected finite numbers`, {
    ...(tensor === undefined ? {} : { tensor }),
    index,
    expected: "finite",
    actual: String(values[index]),
    hint: "The training run or the export produced this value: export the model again from a checkpoint without NaN or Inf.",
  });
}
