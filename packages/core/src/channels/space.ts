/**
 * Where the channels of a value lie: the axes whose indices, row-major, number them. One axis for almost every value;
 * several between the Reshapes of a channel shuffle.
 */
export interface ChannelSpace {
  /** Ascending. Empty for a scalar, which counts as one channel. */
  readonly axes: readonly number[];
  readonly count: number;
  /** Nothing told: the value comes from where channels are not followed. */
  readonly assumed?: true;
}

/** Which channels of one value make which channels of another: pair k is (from[k], to[k]). */
export interface ChannelPairs {
  readonly from: Int32Array;
  readonly to: Int32Array;
}

/** Channels along the given axes of a shape. */
export function spaceOf(dims: readonly number[], axes: readonly number[]): ChannelSpace {
  return { axes, count: axes.reduce((product, axis) => product * dims[axis]!, 1) };
}

/** Where channels lie when nothing tells: axis 1 (ONNX layers are channels first); the last axis up to rank 2. */
export function defaultSpace(dims: readonly number[]): ChannelSpace {
  return spaceOf(dims, dims.length === 0 ? [] : [Math.min(1, dims.length - 1)]);
}

export function sameAxes(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((axis, i) => axis === b[i]);
}

/** Channel c to channel c. */
export function identityPairs(count: number): ChannelPairs {
  const iota = Int32Array.from({ length: count }, (_, channel) => channel);
  return { from: iota, to: iota };
}

/**
 * Pairs of an operator that computes indices: `source` gives, for the index of a channel of the result along each of its
 * axes, the channel it comes from, or −1 where it comes from none.
 */
export function pairsBy(
  dims: readonly number[],
  axes: readonly number[],
  source: (index: readonly number[]) => number,
): ChannelPairs {
  const from: number[] = [];
  const to: number[] = [];
  const index = axes.map(() => 0);
  const { count } = spaceOf(dims, axes);
  for (let channel = 0; channel < count; channel++) {
    const origin = source(index);
    if (origin >= 0) {
      from.push(origin);
      to.push(channel);
    }
    for (let k = axes.length - 1; k >= 0; k--) {
      if (++index[k]! < dims[axes[k]!]!) break;
      index[k] = 0;
    }
  }
  return { from: Int32Array.from(from), to: Int32Array.from(to) };
}

/** Channel number of indices along the axes of a space. */
export function channelAt(dims: readonly number[], axes: readonly number[], index: readonly number[]): number {
  return axes.reduce((channel, axis, k) => channel * dims[axis]! + index[k]!, 0);
}

/** Row-major strides. */
function stridesOf(dims: readonly number[]): number[] {
  const strides = dims.map(() => 1);
  for (let axis = dims.length - 2; axis >= 0; axis--) strides[axis] = strides[axis + 1]! * dims[axis + 1]!;
  return strides;
}

/** Channel of every element of a value, in storage order. */
function channelOfElements(dims: readonly number[], axes: readonly number[]): Int32Array {
  const size = dims.reduce((product, dim) => product * dim, 1);
  const channels = new Int32Array(size);
  const weights = dims.map(() => 0);
  let weight = 1;
  for (const axis of [...axes].reverse()) {
    weights[axis] = weight;
    weight *= dims[axis]!;
  }
  const index = dims.map(() => 0);
  for (let flat = 0, channel = 0; flat < size; flat++) {
    channels[flat] = channel;
    for (let axis = dims.length - 1; axis >= 0; axis--) {
      channel += weights[axis]!;
      if (++index[axis]! < dims[axis]!) break;
      channel -= weights[axis]! * dims[axis]!;
      index[axis] = 0;
    }
  }
  return channels;
}

/**
 * Channels through an operator that keeps the elements in storage order and changes the shape alone (Reshape, Flatten,
 * Squeeze, Unsqueeze): an axis of the result carries channels when a step along it leads to another channel anywhere.
 * Where that would split one channel into many along several axes, the first such axis alone is kept and the channels
 * that meet on one of its indices are paired with it together.
 */
export function reshapeSpace(
  fromDims: readonly number[],
  fromAxes: readonly number[],
  toDims: readonly number[],
): { space: ChannelSpace; pairs: ChannelPairs } {
  // Leave the batch out where it stays: one sample shows everything.
  const keepsBatch = fromDims.length > 1 && fromDims[0] === toDims[0] && !fromAxes.includes(0);
  const before = keepsBatch ? [1, ...fromDims.slice(1)] : fromDims;
  const after = keepsBatch ? [1, ...toDims.slice(1)] : toDims;
  const channels = channelOfElements(before, fromAxes);
  const strides = stridesOf(after);
  const carrying = after.flatMap((dim, axis) => (carries(channels, dim, strides[axis]!) ? axis : []));
  let space = carrying.length > 0 ? spaceOf(toDims, carrying) : defaultSpace(toDims);
  if (carrying.length > 1 && space.count > spaceOf(fromDims, fromAxes).count) space = spaceOf(toDims, [carrying[0]!]);
  return { space, pairs: meetingPairs(channels, channelOfElements(after, space.axes)) };
}

/** Whether some step along an axis of the given size and stride changes the channel. */
function carries(channels: Int32Array, size: number, stride: number): boolean {
  const run = size * stride;
  for (let start = 0; start < channels.length; start += run) {
    for (let at = start; at < start + run - stride; at++) {
      if (channels[at] !== channels[at + stride]) return true;
    }
  }
  return false;
}

/** Pairs of channels that share an element, each once. */
function meetingPairs(from: Int32Array, to: Int32Array): ChannelPairs {
  const seen = new Set<number>();
  const pairs: { from: number[]; to: number[] } = { from: [], to: [] };
  for (let at = 0; at < from.length; at++) {
    if (at > 0 && from[at] === from[at - 1] && to[at] === to[at - 1]) continue;
    const key = from[at]! * 2 ** 26 + to[at]!;
    if (seen.has(key)) continue;
    seen.add(key);
    pairs.from.push(from[at]!);
    pairs.to.push(to[at]!);
  }
  return { from: Int32Array.from(pairs.from), to: Int32Array.from(pairs.to) };
}
