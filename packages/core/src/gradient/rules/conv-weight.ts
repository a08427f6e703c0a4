import { int, ints, sizeOf } from "../../graph/index.js";
import type { GradientContext } from "../context.js";
import { type Geometry, kernelOffsets } from "../conv-geometry.js";

/**
 * Gradient of a Conv by its weights: dW[m, c, k] = Σ_n Σ_p dY[n, m, p] · X[n, c, stride·p + dilation·k − pad].
 *
 * Four ways to compute it, chosen by shape. Measured with ONNX Runtime 1.31 on 2 threads (AVX2), milliseconds, fastest of 25:
 *
 * | N, C → M, size, kernel | transposed | columns | shifts | one Gemm |
 * |---|---|---|---|---|
 * | 128, 1 → 8, 28², 3² | 2.1 | **1.2** | 3.1 | 1.7 |
 * | 128, 8 → 16, 14², 3² | 4.9 | **2.6** | 2.6 | 2.8 |
 * | 128, 16 → 32, 7², 3² | 3.2 | **2.0** | 2.7 | 2.2 |
 * | 64, 16 → 16, 32², 3² | 27 | 15 | **9.3** | 21 |
 * | 64, 64 → 64, 8², 3² | 11 | 8.5 | **6.5** | 8.8 |
 * | 8, 32 → 64, 56², 1² | 8.4 | 2.1 | **1.9** | 2.9 |
 *
 * transposed: a Conv of Xᵀ with dYᵀ as kernel, batch as channels; needs no sizes, so it serves where they are unknown.
 * columns: the shifted inputs side by side, one batched product, a sum over the batch; best while they stay in cache.
 * shifts: one batched product a kernel element. Depthwise, a product with one row and one column is slower than Mul and
 * ReduceSum (8×64×56²: 53 against 17 ms; transposed with groups: 29), so each shift is multiplied and summed.
 */
export function convWeightGradient(
  x: string,
  dy: string,
  out: string,
  weightDims: readonly number[],
  geometry: Geometry,
  c: GradientContext,
): string {
  const [outChannels = 1, perGroup = 1, ...kernel] = weightDims;
  const area = sizeOf(kernel);
  const inSizes = c.fixedDims(x, 2);
  const outSizes = c.fixedDims(out, 2);
  // 8×8 kernels and larger would need hundreds of nodes.
  if (!inSizes || !outSizes || area > 64) return transposedConv(x, dy, weightDims, geometry, c);
  const shifts = shiftedInputs(x, inSizes, outSizes, geometry, c);
  const positions = sizeOf(outSizes);
  const { group } = geometry;
  if (group > 1 && perGroup === 1 && outChannels === group) {
    const axes = [0, ...kernel.map((_, axis) => axis + 2)];
    const sums = shifts.map((shift) => c.reduce("ReduceSum", c.op("Mul", [shift, dy]), axes));
    return stack(sums, [outChannels], weightDims, c);
  }
  if (group > 1) {
    const rows = c.op("Reshape", [dy, c.int64([-1, group, outChannels / group, positions])]);
    const products = shifts.map((shift) => {
      const columns = c.op("Reshape", [shift, c.int64([-1, group, perGroup, positions])]);
      const right = c.op("Transpose", [columns], { perm: ints([0, 1, 3, 2]) });
      return c.reduce("ReduceSum", c.op("MatMul", [rows, right]), [0], false);
    });
    return stack(products, [outChannels, perGroup], weightDims, c);
  }
  const rows = c.op("Reshape", [dy, c.int64([-1, outChannels, positions])]);
  const product = (columns: string, channels: number) => {
    const right = c.op("Transpose", [c.op("Reshape", [columns, c.int64([-1, channels, positions])])], {
      perm: ints([0, 2, 1]),
    });
    return c.reduce("ReduceSum", c.op("MatMul", [rows, right]), [0], false);
  };
  const columnBytes = 4 * area * perGroup * positions;
  if (area === 1 || (perGroup >= 8 && columnBytes > 64 * 1024)) {
    return stack(
      shifts.map((shift) => product(shift, perGroup)),
      [outChannels, perGroup],
      weightDims,
      c,
    );
  }
  const sums = product(c.op("Concat", shifts, { axis: int(1) }), area * perGroup);
  const split = c.op("Reshape", [sums, c.int64([outChannels, area, perGroup])]);
  return c.op("Reshape", [c.op("Transpose", [split], { perm: ints([0, 2, 1]) }), c.int64(weightDims)]);
}

/** The input as each kernel element sees it: [N, C, out…], in the order of the kernel's storage. */
function shiftedInputs(
  x: string,
  inSizes: readonly number[],
  outSizes: readonly number[],
  { kernel, strides, dilations, padBegin, padEnd }: Geometry,
  c: GradientContext,
): string[] {
  const padded = [...padBegin, ...padEnd].some((pad) => pad !== 0)
    ? c.op("Pad", [x, c.int64([0, 0, ...padBegin, 0, 0, ...padEnd])])
    : x;
  const axes = c.int64(kernel.map((_, axis) => axis + 2));
  const steps = strides.some((stride) => stride !== 1) ? [c.int64(strides)] : [];
  return kernelOffsets(kernel).map((offset) => {
    const starts = offset.map((k, axis) => k * dilations[axis]!);
    const ends = starts.map((start, axis) => start + (outSizes[axis]! - 1) * strides[axis]! + 1);
    const whole = ends.every(
      (end, axis) => starts[axis] === 0 && end === inSizes[axis]! + padBegin[axis]! + padEnd[axis]!,
    );
    if (whole && steps.length === 0) return padded;
    return c.op("Slice", [padded, c.int64(starts), c.int64(ends), axes, ...steps]);
  });
}

/** Gradients of single kernel elements, each of shape `part`, put together as [part…, kernel…]. */
function stack(parts: readonly string[], part: readonly number[], dims: readonly number[], c: GradientContext): string {
  if (parts.length === 1) return c.op("Reshape", [parts[0]!, c.int64(dims)]);
  const columns = parts.map((value) => c.op("Reshape", [value, c.int64([...part, 1])]));
  return c.op("Reshape", [c.op("Concat", columns, { axis: int(part.length) }), c.int64(dims)]);
}

/**
 * dWᵀ as one Conv: batch and channels change places, strides and dilations too. A stride that did not divide evenly
 * leaves surplus elements at the end, which are cut off.
 */
function transposedConv(
  x: string,
  dy: string,
  weightDims: readonly number[],
  { strides, dilations, padBegin, padEnd, group }: Geometry,
  c: GradientContext,
): string {
  const [outChannels = 1, perGroup = 1, ...kernel] = weightDims;
  const spatial = kernel.map((_, axis) => axis + 2);
  const swap = { perm: ints([1, 0, ...spatial]) };
  let input = c.op("Transpose", [x], swap);
  if (group > 1) {
    // [C, N, …] = [G, C/G, N, …] → [C/G, G·N, …]: every group becomes a group of the new convolution.
    const tail = c.op("Slice", [c.shape(input), c.int64([1]), c.int64([2 ** 31])]);
    const batch = c.op("Slice", [c.shape(input), c.int64([1]), c.int64([2])]);
    const sizes = c.op("Slice", [c.shape(input), c.int64([2]), c.int64([2 ** 31])]);
    const split = c.op("Reshape", [input, c.op("Concat", [c.int64([group, perGroup]), tail], { axis: int(0) })]);
    const crossed = c.op("Transpose", [split], { perm: ints([1, 0, 2, ...spatial.map((axis) => axis + 1)]) });
    const channels = c.op("Mul", [batch, c.int64([group])]);
    input = c.op("Reshape", [crossed, c.op("Concat", [c.int64([perGroup]), channels, sizes], { axis: int(0) })]);
  }
  const product = c.op("Conv", [input, c.op("Transpose", [dy], swap)], {
    strides: ints(dilations),
    dilations: ints(strides),
    pads: ints([...padBegin, ...padEnd]),
    group: int(group),
  });
  const cut = c.op("Slice", [product, c.int64(kernel.map(() => 0)), c.int64(kernel), c.int64(spatial)]);
  return c.op("Reshape", [c.op("Transpose", [cut], swap), c.int64([outChannels, perGroup, ...kernel])]);
}
