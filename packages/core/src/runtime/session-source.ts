import {
  type ExternalLocation,
  MAX_PROTOBUF_BYTES,
  type Model,
  serializeModel,
  type Tensor,
  tensorsOf,
} from "../graph/index.js";

/** What a session is made from: the bytes of the model, and large tensors beside them. */
export interface SessionSource {
  readonly bytes: Uint8Array;
  readonly externalData: { path: string; data: Uint8Array }[];
}

/** Above this many bytes of weights a model is handed over in parts: protobuf ends at 2 GiB, and copies take memory. */
const MAX_EMBEDDED_BYTES = MAX_PROTOBUF_BYTES * 0.75;

/** Weights below this stay in the model: a part has its price too, and ONNX Runtime wants shapes and the like inside. */
const MIN_PART_BYTES = 64 * 1024;

/**
 * Serializes a model for a session. Beyond `maxEmbeddedBytes` of weights the larger ones become external data in memory,
 * which onnxruntime-node and -web both take (`externalData` of the session options; no file is written).
 */
export function sessionSource(model: Model | Uint8Array, maxEmbeddedBytes: number = MAX_EMBEDDED_BYTES): SessionSource {
  if (model instanceof Uint8Array) return { bytes: model, externalData: [] };
  const all = [...tensorsOf(model)];
  const total = all.reduce((sum, { tensor }) => sum + (tensor.byteLength ?? 0), 0);
  if (total <= maxEmbeddedBytes) return { bytes: serializeModel(model), externalData: [] };
  const parts = new Map<Tensor, ExternalLocation>();
  for (const { tensor, node } of all) {
    const length = tensor.byteLength ?? 0;
    if (node || length < MIN_PART_BYTES || parts.has(tensor)) continue;
    parts.set(tensor, { location: `tensor-${parts.size}`, offset: 0, length });
  }
  const bytes = serializeModel(model, { externalize: (_name, tensor) => parts.get(tensor) });
  return {
    bytes,
    externalData: [...parts].map(([tensor, { location }]) => ({ path: location, data: tensor.bytes() })),
  };
}
