import { geometryOf, kernelOffsets } from "../gradient/conv-geometry.js";
import { createRandom } from "../math/index.js";
import type { LinearLayer } from "../operators/index.js";
import type { HostTensor } from "../runtime/index.js";

/** Rows of a layer seen as products of matrices, group by group: x [group, rows, K], y [group, rows, M/group]. */
export class Rows {
  readonly data: Float32Array;
  #filled = 0;

  constructor(
    readonly groups: number,
    readonly rows: number,
    readonly width: number,
  ) {
    this.data = new Float32Array(groups * rows * width);
  }

  get filled(): number {
    return this.#filled;
  }

  /** Opens the next row; `at(group)` is where its values of a group begin. */
  next(): (group: number) => number {
    const row = this.#filled++;
    return (group) => (group * this.rows + row) * this.width;
  }

  tensor(): HostTensor {
    return { dtype: "float32", dims: [this.groups, this.rows, this.width], data: this.data };
  }
}

/** Output positions of one sample that are looked at: `count` of `total`, chosen by seed, layer and sample. */
export function choosePositions(total: number, count: number, seed: number, layer: number, sample: number): number[] {
  if (count >= total) return Array.from({ length: total }, (_, at) => at);
  const random = createRandom(seed, layer * 65_536 + sample);
  const chosen = new Set<number>();
  while (chosen.size < count) chosen.add(random.below(total));
  return [...chosen].sort((a, b) => a - b);
}

/** Output positions a sample has: 1 for Gemm, positions in space for Conv, rows for MatMul. */
export function positionsOf(layer: LinearLayer, outputDims: readonly number[]): number {
  const inner = layer.opType === "MatMul" ? outputDims.slice(1, -1) : outputDims.slice(2);
  return inner.reduce((product, size) => product * size, 1);
}

/** Copies the outputs of one sample at some positions. */
export function addOutputs(layer: LinearLayer, y: HostTensor, sample: number, positions: readonly number[], to: Rows) {
  const data = y.data as Float32Array;
  const channels = layer.outChannels;
  const total = positionsOf(layer, y.dims);
  const perGroup = channels / layer.group;
  const last = layer.opType === "MatMul";
  for (const position of positions) {
    const at = to.next();
    for (let c = 0; c < channels; c++) {
      const from = last ? (sample * total + position) * channels + c : (sample * channels + c) * total + position;
      to.data[at(Math.floor(c / perGroup)) + (c % perGroup)] = data[from]!;
    }
  }
}

/** Copies what the layer multiplies its weights with to make the outputs at some positions of one sample. */
export function addInputs(
  layer: LinearLayer,
  x: HostTensor,
  outputDims: readonly number[],
  sample: number,
  positions: readonly number[],
  to: Rows,
): void {
  if (layer.opType === "Conv") {
    addPatches(layer, x, outputDims, sample, positions, to);
    return;
  }
  const data = x.data as Float32Array;
  const total = positionsOf(layer, outputDims);
  for (const position of positions) {
    const from = (sample * total + position) * layer.inChannels;
    to.data.set(data.subarray(from, from + layer.inChannels), to.next()(0));
  }
}

/** Patches of a convolution, in the order of its weights: channel of the group, then kernel element. Padding is 0. */
function addPatches(
  layer: LinearLayer,
  x: HostTensor,
  outputDims: readonly number[],
  sample: number,
  positions: readonly number[],
  to: Rows,
): void {
  const data = x.data as Float32Array;
  const sizes = x.dims.slice(2);
  const out = outputDims.slice(2);
  const kernel = layer.tensor.dims.slice(2);
  const { strides, dilations, padBegin } = geometryOf(layer.node, kernel, { fixedDims: () => sizes });
  const offsets = kernelOffsets(kernel);
  const plane = sizes.reduce((product, size) => product * size, 1);
  const perGroup = layer.inChannels / layer.group;
  for (const position of positions) {
    const at = to.next();
    const base = unravel(position, out).map((index, axis) => index * strides[axis]! - padBegin[axis]!);
    const taps = offsets.map((offset) => {
      let flat = 0;
      for (let axis = 0; axis < sizes.length; axis++) {
        const index = base[axis]! + offset[axis]! * dilations[axis]!;
        if (index < 0 || index >= sizes[axis]!) return -1;
        flat = flat * sizes[axis]! + index;
      }
      return flat;
    });
    for (let group = 0; group < layer.group; group++) {
      let write = at(group);
      for (let c = 0; c < perGroup; c++) {
        const from = (sample * layer.inChannels + group * perGroup + c) * plane;
        for (const tap of taps) to.data[write++] = tap < 0 ? 0 : data[from + tap]!;
      }
    }
  }
}

function unravel(flat: number, dims: readonly number[]): number[] {
  const index = new Array<number>(dims.length);
  let rest = flat;
  for (let axis = dims.length - 1; axis >= 0; axis--) {
    index[axis] = rest % dims[axis]!;
    rest = Math.floor(rest / dims[axis]!);
  }
  return index;
}
