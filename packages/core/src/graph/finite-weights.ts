import { ModelError } from "../errors.js";
import type { Model } from "./document.js";

/** Checks every float32 weight. @throws {ModelError} E3006 naming the tensor and the index of the first NaN or Inf. */
export function assertFiniteWeights(model: Model): void {
  for (const [name, tensor] of model.graph.initializers) {
    if (tensor.dtype !== "float32") continue;
    const values = tensor.array() as Float32Array;
    for (let at = 0; at < values.length; at++) {
      // x − x is 0 for finite x and NaN for NaN and Inf: one comparison a value.
      if (values[at]! - values[at]! === 0) continue;
      throw new ModelError("E3006", `model: ${values[at]} in weight "${name}" at index ${at}`, {
        tensor: name,
        index: at,
        hint: "the trained model is damaged: export it again",
      });
    }
  }
}
