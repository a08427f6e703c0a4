import { type Attribute, int, ints, sizeOf } from "../../graph/index.js";
import type { GradientContext } from "../context.js";
import { extent, type Geometry } from "../conv-geometry.js";

/**
 * Gradient of a Conv by its input: the transposed convolution of `dy`, in the shape of `x`.
 *
 * With stride 1 it is an ordinary Conv with the kernel turned by 180° and its channel axes swapped. That is as fast as
 * ConvTranspose where weights are trained, and 2–4 times faster where they are constant, since ONNX Runtime folds the
 * turning and packs the weights (8×256×14×14 depthwise 3×3: 0.7 against 1.8 ms; ONNX Runtime 1.31, 2 threads).
 *
 * @param weights [M, C/group, k…]; @param dy [N, M, …]; @param x value whose shape the result has.
 */
export function convInputGradient(
  dy: string,
  weights: string,
  weightDims: readonly number[],
  x: string,
  out: string,
  geometry: Geometry,
  c: GradientContext,
): string {
  const { kernel, strides, dilations, padBegin, padEnd, group } = geometry;
  const covered = extent(geometry);
  const turnedBegin = covered.map((size, axis) => size - 1 - padBegin[axis]!);
  const turnedEnd = covered.map((size, axis) => size - 1 - padEnd[axis]!);
  const fits = [...turnedBegin, ...turnedEnd].every((pad) => pad >= 0);
  if (strides.every((stride) => stride === 1) && fits) {
    return c.op("Conv", [dy, turnedKernel(weights, weightDims, group, c)], {
      pads: ints([...turnedBegin, ...turnedEnd]),
      dilations: ints(dilations),
      group: int(group),
    });
  }
  const attributes: Record<string, Attribute> = {
    strides: ints(strides),
    dilations: ints(dilations),
    group: int(group),
    kernel_shape: ints(kernel),
  };
  const inSizes = c.fixedDims(x, 2);
  const outSizes = c.fixedDims(out, 2);
  if (inSizes && outSizes) {
    // What a stride steps over at the end got no gradient: it comes back as output padding.
    const rest = inSizes.map(
      (size, axis) =>
        size - ((outSizes[axis]! - 1) * strides[axis]! + covered[axis]! - padBegin[axis]! - padEnd[axis]!),
    );
    return c.op("ConvTranspose", [dy, weights], {
      ...attributes,
      pads: ints([...padBegin, ...padEnd]),
      ...(rest.some((size) => size > 0) && { output_padding: ints(rest) }),
    });
  }
  // Sizes are known at run time only: the whole transposed convolution, zeros for the rest, then the window without pads.
  const full = c.op("ConvTranspose", [dy, weights], attributes);
  const rank = kernel.length;
  const padded = c.op("Pad", [full, c.int64([...Array(rank + 4).fill(0), ...strides.map((stride) => stride - 1)])]);
  const axes = kernel.map((_, axis) => axis + 2);
  const sizes = c.op("Gather", [c.shape(x), c.int64(axes)], { axis: int(0) });
  const begin = c.int64(padBegin);
  return c.op("Slice", [padded, begin, c.op("Add", [begin, sizes]), c.int64(axes)]);
}

/** [M, C/group, k…] as [C, M/group, k…], every kernel turned by 180°. */
function turnedKernel(weights: string, dims: readonly number[], group: number, c: GradientContext): string {
  const [out = 1, perGroup = 1, ...kernel] = dims;
  const rank = kernel.length;
  let swapped: string;
  if (group === 1) {
    swapped = c.op("Transpose", [weights], { perm: ints([1, 0, ...kernel.map((_, axis) => axis + 2)]) });
  } else if (perGroup === 1 && out === group) {
    swapped = weights;
  } else {
    const split = c.op("Reshape", [weights, c.int64([group, out / group, perGroup, ...kernel])]);
    const perm = [0, 2, 1, ...kernel.map((_, axis) => axis + 3)];
    const crossed = c.op("Transpose", [split], { perm: ints(perm) });
    swapped = c.op("Reshape", [crossed, c.int64([group * perGroup, out / group, ...kernel])]);
  }
  if (sizeOf(kernel) === 1) return swapped;
  const all = (value: number) => c.int64(Array<number>(rank).fill(value));
  return c.op("Slice", [swapped, all(-1), all(-(2 ** 31)), c.int64(kernel.map((_, axis) => axis + 2)), all(-1)]);
}
