import { sizeOf, Tensor } from "../graph/index.js";
import type { LinearLayer } from "../operators/index.js";

/** Indices that stay, ascending; undefined when all do. */
export type Kept = Int32Array | undefined;

/** A tensor with only the given indices along one axis. Works on bytes: any element type of whole bytes. */
export function cutAxis(tensor: Tensor, axis: number, kept: Kept): Tensor {
  if (!kept) return tensor;
  const { dims } = tensor;
  const bytes = tensor.bytes();
  const inner = (bytes.length / Math.max(1, tensor.size)) * sizeOf(dims.slice(axis + 1));
  const outer = sizeOf(dims.slice(0, axis));
  const size = dims[axis]!;
  const result = new Uint8Array(outer * kept.length * inner);
  if (inner === 4 && bytes.byteOffset % 4 === 0) {
    // Pointwise weights along the last axis: one float a piece.
    const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
    const target = new Uint32Array(result.buffer);
    for (let o = 0, at = 0; o < outer; o++) for (const index of kept) target[at++] = words[o * size + index]!;
  } else {
    for (let o = 0, at = 0; o < outer; o++) {
      for (const index of kept) {
        const start = (o * size + index) * inner;
        result.set(bytes.subarray(start, start + inner), at);
        at += inner;
      }
    }
  }
  const after = dims.map((dim, k) => (k === axis ? kept.length : dim));
  return new Tensor(tensor.dtype, after, result);
}

/** Weight of a layer with only the given channels, and its number of groups. */
export function cutWeight(layer: LinearLayer, inputs: Kept, outputs: Kept): { weight: Tensor; group: number } {
  const { tensor, group } = layer;
  if (group === 1) {
    return { weight: cutAxis(cutAxis(tensor, layer.outAxis, outputs), layer.inAxis, inputs), group };
  }
  // Rows are the channels along axis 0, columns those within a group along axis 1.
  const conv = layer.opType === "Conv";
  const rows = conv ? keptList(outputs, layer.outChannels) : keptList(inputs, layer.inChannels);
  const columns = conv ? keptList(inputs, layer.inChannels) : keptList(outputs, layer.outChannels);
  const [rowCount = 0, columnsPerGroup = 0] = tensor.dims;
  const rowsPerGroup = rowCount / group;
  const bytes = tensor.bytes();
  const block = (bytes.length / Math.max(1, tensor.size)) * layer.kernelArea;
  const parts: Uint8Array[] = [];
  const groups = new Set<number>();
  for (const row of rows) {
    const own = Math.floor(row / rowsPerGroup);
    groups.add(own);
    for (const column of columns) {
      if (Math.floor(column / columnsPerGroup) !== own) continue;
      const start = (row * columnsPerGroup + (column % columnsPerGroup)) * block;
      parts.push(bytes.subarray(start, start + block));
    }
  }
  const result = new Uint8Array(parts.length * block);
  parts.forEach((part, at) => {
    result.set(part, at * block);
  });
  const dims = [rows.length, columns.length / groups.size, ...tensor.dims.slice(2)];
  return { weight: new Tensor(tensor.dtype, dims, result), group: groups.size };
}

function keptList(kept: Kept, count: number): Int32Array {
  return kept ?? Int32Array.from({ length: count }, (_, channel) => channel);
}
