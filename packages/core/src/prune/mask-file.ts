import { DataError } from "../errors.js";
import { cloneModel, createModel, type Model, parseModel, serializeModel, Tensor } from "../graph/index.js";
import { floatsIn } from "./weight-scores.js";

/** What a mask file holds. */
export interface MaskFile {
  /** 1 keeps and 0 removes, float32 in the parameter's shape. */
  readonly masks: ReadonlyMap<string, Tensor>;
  /** The pruned model with the removed values back in place. @throws {DataError} E5003 masks of another model. */
  restore(pruned: Model): Model;
}

const KEY = "equant.masks";

/**
 * Masks and the values that they hide, as bytes: an ONNX file without nodes, `mask/NAME` (uint8) and `hidden/NAME` (the
 * removed values in storage order) as its tensors. Pruned model and mask file together are the network before.
 */
export function serializeMasks({ masks, dense }: { masks: ReadonlyMap<string, Tensor>; dense: Model }): Uint8Array {
  const model = createModel("masks");
  const { initializers } = model.graph;
  for (const [name, mask] of masks) {
    const keep = floatsIn(mask);
    const values = floatsIn(dense.graph.initializers.get(name)!);
    const hidden = values.filter((_, i) => keep[i] === 0);
    initializers.set(`mask/${name}`, Tensor.of("uint8", mask.dims, Uint8Array.from(keep)));
    initializers.set(`hidden/${name}`, Tensor.float32([hidden.length], hidden));
  }
  model.metadata.set(KEY, "1");
  return serializeModel(model);
}

/** @throws {DataError} E5002 the bytes are no mask file. */
export function parseMasks(bytes: Uint8Array): MaskFile {
  const hint = "give the file that equant prune --masks wrote";
  let file: Model;
  try {
    file = parseModel(bytes);
  } catch (error) {
    throw new DataError("E5002", "masks: not a mask file", { hint }, error);
  }
  if (file.metadata.get(KEY) !== "1") throw new DataError("E5002", "masks: not a mask file of version 1", { hint });
  const masks = new Map<string, Tensor>();
  for (const [key, tensor] of file.graph.initializers) {
    if (!key.startsWith("mask/")) continue;
    masks.set(key.slice("mask/".length), Tensor.float32(tensor.dims, Float32Array.from(tensor.array() as Uint8Array)));
  }
  const restore = (pruned: Model): Model => {
    const model = cloneModel(pruned);
    for (const [name, mask] of masks) {
      const tensor = model.graph.initializers.get(name);
      if (tensor?.dims.join() !== mask.dims.join()) {
        throw new DataError("E5003", `masks: "${name}" does not have this shape in the model`, {
          tensor: name,
          expected: [...mask.dims],
          actual: tensor ? [...tensor.dims] : null,
          hint: "masks belong to the model that was pruned with them; channels that left cannot come back",
        });
      }
      const values = Float32Array.from(floatsIn(tensor));
      const hidden = floatsIn(file.graph.initializers.get(`hidden/${name}`)!);
      let at = 0;
      floatsIn(mask).forEach((keep, i) => {
        if (keep === 0) values[i] = hidden[at++]!;
      });
      model.graph.initializers.set(name, Tensor.float32(tensor.dims, values));
    }
    return model;
  };
  return { masks, restore };
}
