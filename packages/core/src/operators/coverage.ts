import { attributeOf } from "../graph/document.js";
import type { LinearLayer } from "./linear-layer.js";

/**
 * Share of a layer's products that meet a value rather than padding or a gap: the number of (output position, tap) pairs
 * inside the input over all of them.
 */
export function coverage(
  { node, opType, tensor }: LinearLayer,
  { input, output }: { input: readonly number[]; output: readonly number[] },
): number {
  if (opType === "ConvTranspose") {
    // Every input position meets every tap once; what pads crop is little.
    return input.reduce((share, size, axis) => share * Math.min(1, size / output[axis]!), 1);
  }
  if (opType !== "Conv") return 1;
  const ones = input.map(() => 1);
  const strides = attributeOf(node, "strides", "ints", ones);
  const dilations = attributeOf(node, "dilations", "ints", ones);
  const pads = attributeOf(node, "pads", "ints", undefined);
  const auto = attributeOf(node, "auto_pad", "string", "NOTSET");
  return input.reduce((share, size, axis) => {
    const kernel = tensor.dims[axis + 2]!;
    const [stride, dilation, out] = [strides[axis]!, dilations[axis]!, output[axis]!];
    const total = Math.max(0, (out - 1) * stride + (kernel - 1) * dilation + 1 - size);
    const same = auto === "SAME_LOWER" ? Math.ceil(total / 2) : Math.floor(total / 2);
    const begin = auto.startsWith("SAME") ? same : (pads?.[axis] ?? 0);
    let inside = 0;
    for (let position = 0; position < out; position++) {
      for (let tap = 0; tap < kernel; tap++) {
        const at = position * stride - begin + tap * dilation;
        if (at >= 0 && at < size) inside++;
      }
    }
    return share * (inside / (out * kernel));
  }, 1);
}
