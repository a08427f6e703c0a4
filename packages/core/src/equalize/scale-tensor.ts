import { Tensor } from "../graph/index.js";
import { forEachWeight, type LinearLayer } from "../operators/index.js";

/** Weight of a layer with output channel j multiplied by b_j and input channel i divided by a_i, rounded once to float32. */
export function scaleWeight(layer: LinearLayer, a: Float64Array | undefined, b: Float64Array | undefined): Tensor {
  const weights = layer.tensor.array() as Float32Array;
  const scaled = new Float32Array(weights.length);
  forEachWeight(layer, (flat, out, input) => {
    scaled[flat] = (weights[flat]! * (b ? b[out]! : 1)) / (a ? a[input]! : 1);
  });
  return Tensor.float32(layer.tensor.dims, scaled);
}

/** A constant with one value a channel, multiplied by the factors. */
export function scaleChannels(tensor: Tensor, factors: Float64Array): Tensor {
  const values = tensor.array() as Float32Array;
  return Tensor.float32(
    tensor.dims,
    values.map((value, channel) => value * factors[channel]!),
  );
}

/**
 * A constant operand that ONNX broadcasts against a value of shape `dims` with channels along `axes`, multiplied by the
 * factors. It grows along the channel axes where it had size 1 and factors differ.
 */
export function scaleBroadcast(
  tensor: Tensor,
  dims: readonly number[],
  axes: readonly number[],
  factors: Float64Array,
): Tensor {
  const values = tensor.array() as Float32Array;
  const uniform = factors.every((factor) => factor === factors[0]);
  if (uniform) {
    return Tensor.float32(
      tensor.dims,
      values.map((value) => value * (factors[0] ?? 1)),
    );
  }
  // Count axes from the left of the value's shape: the operand gets as many as the first channel axis needs.
  const rank = Math.max(tensor.dims.length, dims.length - axes[0]!);
  const shift = dims.length - rank;
  const from = [...new Array<number>(rank - tensor.dims.length).fill(1), ...tensor.dims];
  const to = from.map((size, axis) => (axes.includes(axis + shift) ? dims[axis + shift]! : size));
  const size = to.reduce((product, dim) => product * dim, 1);
  const scaled = new Float32Array(size);
  const index = to.map(() => 0);
  for (let flat = 0; flat < size; flat++) {
    let source = 0;
    for (let axis = 0; axis < rank; axis++) source = source * from[axis]! + (from[axis] === 1 ? 0 : index[axis]!);
    let channel = 0;
    for (const axis of axes) channel = channel * dims[axis]! + index[axis - shift]!;
    scaled[flat] = values[source]! * factors[channel]!;
    for (let axis = rank - 1; axis >= 0; axis--) {
      if (++index[axis]! < to[axis]!) break;
      index[axis] = 0;
    }
  }
  return Tensor.float32(to, scaled);
}

/** A vector of one value a channel, shaped to broadcast against a value of shape `dims` with channels along `axes`. */
export function channelTensor(dims: readonly number[], axes: readonly number[], values: Float64Array): Tensor {
  const shape = dims.map((size, axis) => (axes.includes(axis) ? size : 1));
  return Tensor.float32(shape, Float32Array.from(values));
}
