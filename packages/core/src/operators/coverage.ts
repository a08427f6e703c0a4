import { attributeOf } from "../graph/document.js";
import { type Padding, paddingOf } from "./attributes.js";
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
  const padding = paddingOf(node);
  return input.reduce((share, size, axis) => {
    const kernel = tensor.dims[axis + 2]!;
    const [stride, dilation, out] = [strides[axis]!, dilations[axis]!, output[axis]!];
    const total = Math.max(0, (out - 1) * stride + (kernel - 1) * dilation + 1 - size);
    const begin = beginOf(padding, axis, total);
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

/** How many of `total` padded positions lie before the input. */
function beginOf(padding: Padding, axis: number, total: number): number {
  switch (padding.rule) {
    case "explicit":
      return padding.amounts[axis] ?? 0;
    case "sameLower":
      return Math.ceil(total / 2);
    case "sameUpper":
      return Math.floor(total / 2);
    case "valid":
      return 0;
  }
}
