import { ModelError } from "../errors.js";
import { type Graph, labelOf, type LinearLayer, Tensor } from "../graph/index.js";
import { chooseRange, type Encoding, encodingFromRanges, type Range, roundHalfEven, ValueHistogram } from "../math/index.js";
import { integerTensor } from "./integer-tensor.js";
import type { ResolvedQuantizeOptions } from "./options.js";

/** Integer weight and bias of one layer. */
export interface LayerParameters {
  readonly layer: LinearLayer;
  readonly weight: { readonly encoding: Encoding; readonly data: Tensor };
  /** Undefined when the layer has none; `data` is undefined where biases stay float. */
  readonly bias: { readonly encoding?: Encoding; readonly data?: Tensor } | undefined;
  /** Output channels whose weight scale was raised so that the bias fits in 32 bits. */
  readonly raisedChannels: readonly number[];
}

/** Largest magnitude of an int32 bias: one bit is left for the sum of products. */
const MAX_BIAS = 2 ** 30;

/** Quantizes weight and bias of a layer whose input has `inputEncoding`. Pure: the graph is not changed. */
export function quantizeParameters(
  graph: Graph,
  layer: LinearLayer,
  inputEncoding: Encoding,
  options: ResolvedQuantizeOptions,
): LayerParameters {
  const weights = layer.tensor.array() as Float32Array;
  requireFinite(weights, layer, layer.weight);
  const bias = layer.bias === undefined ? undefined : (graph.initializers.get(layer.bias)!.array() as Float32Array);
  if (bias) requireFinite(bias, layer, layer.bias!);
  const chosen = weightEncoding(layer, weights, options);
  const asInteger = bias !== undefined && options.bias !== "float32";
  const { encoding, raised } = asInteger
    ? fitBias(chosen, bias, inputEncoding.scale[0]!, options.powerOfTwo)
    : { encoding: chosen, raised: [] };
  return {
    layer,
    weight: { encoding, data: quantizeTensor(layer.tensor, weights, encoding) },
    bias: bias && (asInteger ? quantizeBias(bias, encoding, inputEncoding.scale[0]!, options.bias === "int16") : {}),
    raisedChannels: raised,
  };
}

function requireFinite(values: Float32Array, layer: LinearLayer, tensor: string): void {
  const at = values.findIndex((value) => !Number.isFinite(value));
  if (at < 0) return;
  throw new ModelError("E3006", `quantize: ${values[at]} in "${tensor}" at index ${at} (node "${labelOf(layer.node)}")`, {
    node: labelOf(layer.node),
    opType: layer.opType,
    tensor,
    hint: "the trained model is damaged: export it again",
  });
}

/** One range over the tensor, or one for every index of the axis along which output channels lie. */
function weightEncoding(layer: LinearLayer, weights: Float32Array, options: ResolvedQuantizeOptions): Encoding {
  const { weightBits: bits, weightSymmetric: symmetric, powerOfTwo } = options;
  const perChannel = options.granularity === "perChannel";
  const slices = perChannel ? slicesAlong(layer.tensor.dims, layer.outAxis) : [wholeOf(weights.length)];
  const ranges = slices.map((slice) => rangeOf(weights, slice, options));
  return encodingFromRanges(ranges, {
    bits,
    signed: symmetric,
    symmetric,
    narrow: symmetric,
    powerOfTwo,
    axis: perChannel ? layer.outAxis : null,
  });
}

/** Elements of one channel: `outer` runs of `length` elements, `stride` apart, from `start`. */
interface Slice {
  readonly start: number;
  readonly length: number;
  readonly stride: number;
  readonly outer: number;
}

function wholeOf(length: number): Slice {
  return { start: 0, length, stride: length, outer: 1 };
}

function slicesAlong(dims: readonly number[], axis: number): Slice[] {
  const length = dims.slice(axis + 1).reduce((product, size) => product * size, 1);
  const outer = dims.slice(0, axis).reduce((product, size) => product * size, 1);
  const stride = length * dims[axis]!;
  return Array.from({ length: dims[axis]! }, (_, index) => ({ start: index * length, length, stride, outer }));
}

function rangeOf(values: Float32Array, slice: Slice, options: ResolvedQuantizeOptions): Range {
  if (options.weightChooser !== "minmax") {
    const histogram = new ValueHistogram();
    for (let run = 0; run < slice.outer; run++) {
      const from = slice.start + run * slice.stride;
      histogram.add(values.subarray(from, from + slice.length));
    }
    const { weightBits: bits, weightSymmetric: symmetric } = options;
    return chooseRange(histogram, { chooser: options.weightChooser, bits, symmetric });
  }
  let min = 0;
  let max = 0;
  for (let run = 0; run < slice.outer; run++) {
    const from = slice.start + run * slice.stride;
    for (let at = from; at < from + slice.length; at++) {
      const value = values[at]!;
      if (value < min) min = value;
      if (value > max) max = value;
    }
  }
  return { min, max };
}

/** Raises weight scales where |bias| / (scale_x·scale_w) would overflow int32 (tiny weights beside a large bias). */
function fitBias(
  encoding: Encoding,
  bias: Float32Array,
  inputScale: number,
  powerOfTwo: boolean,
): { encoding: Encoding; raised: number[] } {
  const scale = Float32Array.from(encoding.scale);
  const raised: number[] = [];
  bias.forEach((value, channel) => {
    const at = encoding.axis === null ? 0 : channel % scale.length;
    const least = Math.abs(value) / (inputScale * MAX_BIAS);
    if (scale[at]! >= least) return;
    scale[at] = powerOfTwo ? 2 ** Math.ceil(Math.log2(least)) : least;
    raised.push(channel);
  });
  return { encoding: raised.length > 0 ? { ...encoding, scale } : encoding, raised };
}

function quantizeTensor(tensor: Tensor, values: Float32Array, encoding: Encoding): Tensor {
  const integers = new Int32Array(values.length);
  const { scale, zeroPoint, qmin, qmax, axis } = encoding;
  const slices = axis === null ? [wholeOf(values.length)] : slicesAlong(tensor.dims, axis);
  slices.forEach((slice, channel) => {
    const step = scale[channel]!;
    const zero = zeroPoint[channel]!;
    for (let run = 0; run < slice.outer; run++) {
      const from = slice.start + run * slice.stride;
      for (let at = from; at < from + slice.length; at++) {
        integers[at] = Math.min(qmax, Math.max(qmin, roundHalfEven(values[at]! / step) + zero));
      }
    }
  });
  return integerTensor(encoding.dtype, tensor.dims, integers);
}

/**
 * Bias on the grid of the accumulator, scale_x·scale_w. With 16 bits (seed 003, §5) the integer keeps 16 significant bits:
 * it is a multiple of the smallest power of two for which it fits, so integer kernels run it unchanged.
 */
function quantizeBias(
  bias: Float32Array,
  weight: Encoding,
  inputScale: number,
  sixteenBits: boolean,
): { encoding: Encoding; data: Tensor } {
  // One scale a channel; the channels of a grouped ConvTranspose share them group by group.
  const perChannel = weight.axis !== null;
  const scale = Float32Array.from(perChannel ? bias : [0], (_, c) => weight.scale[c % weight.scale.length]! * inputScale);
  const integers = Int32Array.from(bias, (value, channel) => {
    const steps = value / scale[perChannel ? channel : 0]!;
    const unit = sixteenBits ? 2 ** Math.max(0, Math.ceil(Math.log2(Math.abs(steps) / 32767))) : 1;
    return Math.max(-(2 ** 31), Math.min(2 ** 31 - 1, roundHalfEven(steps / unit) * unit));
  });
  const encoding: Encoding = {
    scale,
    zeroPoint: new Int32Array(scale.length),
    dtype: "int32",
    bits: sixteenBits ? 16 : 32,
    axis: perChannel ? 0 : null,
    qmin: -(2 ** 31),
    qmax: 2 ** 31 - 1,
    symmetric: true,
  };
  return { encoding, data: Tensor.of("int32", [bias.length], integers) };
}
