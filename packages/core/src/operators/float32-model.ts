import { ModelError } from "../errors.js";
import { labelOf, type Model } from "../graph/document.js";
import type { DType } from "../graph/dtype.js";
import { requiredInputs } from "../graph/edit.js";
import { linearLayers } from "./linear-layer.js";

const HALVES: readonly (DType | undefined)[] = ["float16", "bfloat16", "float64"];

/** The float type of a model's layers, where no layer has float32 weights and some have others; undefined otherwise. */
export function otherFloatType({ graph }: Model): DType | undefined {
  const types = linearLayers(graph).map(({ tensor }) => tensor.dtype);
  return types.includes("float32") ? undefined : types.find((type) => HALVES.includes(type));
}

const HINT = "start from the float32 model: export it without half precision (PyTorch: model.float())";

/** Samples are float32. @throws {ModelError} E4001 an input of another float type. */
export function assertFloat32Input(model: Model): void {
  for (const { name, dtype } of requiredInputs(model.graph)) {
    if (!HALVES.includes(dtype)) continue;
    throw new ModelError("E4001", `model: input "${name}" is ${dtype}, expected float32`, {
      tensor: name,
      expected: "float32",
      actual: dtype,
      hint: HINT,
    });
  }
}

/**
 * Statistics and integers are made of float32; half precision is what a model is shipped in, not compressed from.
 * @throws {ModelError} E4001 an input, or the weights of all layers, of another float type.
 */
export function assertFloat32(model: Model): void {
  assertFloat32Input(model);
  const type = otherFloatType(model);
  if (type === undefined) return;
  const { node, weight } = linearLayers(model.graph).find(({ tensor }) => tensor.dtype === type)!;
  throw new ModelError("E4001", `model: the weights of "${labelOf(node)}" are ${type}, expected float32`, {
    node: labelOf(node),
    opType: node.opType,
    tensor: weight,
    expected: "float32",
    actual: type,
    hint: HINT,
  });
}
