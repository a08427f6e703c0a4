import { MAX_PROTOBUF_BYTES, type Model, serializeModel, type Tensor } from "../graph/index.js";

/** What a session is made from: the bytes of the model, and large tensors beside them. */
export interface SessionSource {
  readonly bytes: Uint8Array;
  readonly externalData: { path: string; data: Uint8Array }[];
}

/** Above this many bytes of weights a model is handed over in parts: protobuf ends at 2 GiB, and copies take memory. */
const EMBED_LIMIT_BYTES = MAX_PROTOBUF_BYTES * 0.75;

/** Serializes a model for a session; a model beyond protobuf's limit gets its large tensors as external data in memory. */
export function sessionSource(model: Model | Uint8Array): SessionSource {
  if (model instanceof Uint8Array) return { bytes: model, externalData: [] };
  let total = 0;
  for (const tensor of model.graph.initializers.values()) total += tensor.byteLength ?? 0;
  if (total <= EMBED_LIMIT_BYTES) return { bytes: serializeModel(model), externalData: [] };
  const externalData: { path: string; data: Uint8Array }[] = [];
  const externalize = (_name: string, tensor: Tensor) => {
    const length = tensor.byteLength ?? 0;
    if (length < 1024 * 1024) return undefined;
    const location = `tensor-${externalData.length}`;
    externalData.push({ path: location, data: tensor.bytes() });
    return { location, offset: 0, length };
  };
  return { bytes: serializeModel(model, { externalize }), externalData };
}
