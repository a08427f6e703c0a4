import { ModelError } from "../errors.js";
import { type DType, type Graph, labelOf, Tensor } from "../graph/index.js";
import {
  chooseRange,
  type Encoding,
  encodingFromRange,
  encodingFromRanges,
  type IntegerDType,
  MIN_SCALE,
  quantizeValues,
  type Range,
  ValueHistogram,
} from "../math/index.js";
import type { LinearLayer } from "../operators/index.js";
import { accumulatorBias, narrowBias, type QuantizedBias } from "./bias.js";
import type { ResolvedQuantizeOptions } from "./options.js";
import { saturationRatios } from "./saturation.js";

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

/**
 * Quantizes weight and bias of a layer whose input has `inputEncoding`. `shared` is the encoding that all layers of one weight take.
 * Pure: the graph is not changed.
 */
export function quantizeParameters(
  graph: Graph,
  layer: LinearLayer,
  inputEncoding: Encoding,
  options: ResolvedQuantizeOptions,
  inputMaxima?: ArrayLike<number>,
  shared?: Encoding,
): LayerParameters {
  const weights = layer.tensor.array() as Float32Array;
  requireFinite(weights, layer, layer.weight);
  const bias = layer.bias === undefined ? undefined : (graph.initializers.get(layer.bias)!.array() as Float32Array);
  if (bias) requireFinite(bias, layer, layer.bias!);
  const chosen = shared ?? weightEncoding(layer, weights, options);
  // Only the accumulator's own grid can be too fine for a bias.
  const { encoding, raised } =
    bias !== undefined && options.bias === "int32" && !shared
      ? fitBias(chosen, bias, inputEncoding.scale[0]!, options.powerOfTwo)
      : { encoding: chosen, raised: [] };
  const weight = shared
    ? { encoding: shared, data: quantizedTensor(layer.tensor.dims, weights, shared) }
    : fitLanes(layer, weights, encoding, inputEncoding, options, inputMaxima);
  return {
    layer,
    weight,
    bias: bias && quantizeBias(bias, weight.encoding, inputEncoding.scale[0]!, options),
    raisedChannels: raised,
  };
}

function requireFinite(values: Float32Array, layer: LinearLayer, tensor: string): void {
  const at = values.findIndex((value) => !Number.isFinite(value));
  if (at < 0) return;
  throw new ModelError(
    "E3006",
    `quantize: ${values[at]} in "${tensor}" at index ${at} (node "${labelOf(layer.node)}")`,
    {
      node: labelOf(layer.node),
      opType: layer.opType,
      tensor,
      hint: "the trained model is damaged: export it again",
    },
  );
}

/** One range over the tensor, or one for every index of the axis along which output channels lie. */
function weightEncoding(layer: LinearLayer, weights: Float32Array, options: ResolvedQuantizeOptions): Encoding {
  const { weightBits: bits, weightSymmetric: symmetric, powerOfTwo } = options;
  const dtype = storedType(options);
  const encoding = { bits, dtype, signed: dtype.startsWith("int"), symmetric, narrow: symmetric, powerOfTwo };
  if ((options.granularity === "per-tensor" && !isVector(layer, options)) || isBatchedMatMul(layer)) {
    return encodingFromRange(rangeOf(weights, wholeOf(weights.length), options), encoding);
  }
  const ranges = slicesAlong(layer.tensor.dims, layer.outAxis).map((slice) => rangeOf(weights, slice, options));
  const channels = { min: ranges.map(({ min }) => min), max: ranges.map(({ max }) => max) };
  return encodingFromRanges(channels, layer.outAxis, encoding);
}

/**
 * A depthwise layer of one weight a channel, as the lines of gates whose channels were scaled: where the kernels take a scale a channel,
 * that scale is the weight, and no other layer is held back by factors that lie far apart.
 */
function isVector({ depthwise, tensor, outChannels }: LinearLayer, { spec }: ResolvedQuantizeOptions): boolean {
  return spec.onnxRuntime && depthwise && tensor.size === outChannels;
}

/** Weights of a MatMul with more than two dimensions are matrices of a batch: no integer kernel takes a scale a channel of these. */
function isBatchedMatMul({ opType, tensor }: LinearLayer): boolean {
  return opType === "MatMul" && tensor.dims.length > 2;
}

/** Narrow widths are stored in 8 bits: packed 4-bit types need opset 21, and no integer kernel reads them. */
function storedType(options: ResolvedQuantizeOptions): IntegerDType {
  const signed = options.weightStorage !== "uint8" && options.weightSymmetric;
  if (options.weightBits > 8) return signed ? "int16" : "uint16";
  return signed ? "int8" : "uint8";
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
  if (options.weightCalibrator !== "minmax") {
    const histogram = new ValueHistogram();
    for (let run = 0; run < slice.outer; run++) {
      const from = slice.start + run * slice.stride;
      histogram.add(values.subarray(from, from + slice.length));
    }
    const { weightBits: bits, weightSymmetric: symmetric } = options;
    return chooseRange(histogram, { chooser: options.weightCalibrator, bits, symmetric });
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

/**
 * Largest rise of a scale that is taken rather than unsigned storage, which slows the whole layer by a third. Noise power
 * grows by its square: with one scale a channel only there, at most to that of 7 bits; with one scale a tensor everywhere.
 */
const MAX_RISE = { "per-channel": 2, "per-tensor": 1.25 } as const;

/**
 * Keeps products of neighbours within 16 bits where the kernel adds them there ({@link saturationRatios}): raises the scale
 * of the channels concerned, or stores the layer unsigned where a scale would rise too much.
 */
function fitLanes(
  layer: LinearLayer,
  weights: Float32Array,
  encoding: Encoding,
  input: Encoding,
  options: ResolvedQuantizeOptions,
  maxima: ArrayLike<number> | undefined,
): { encoding: Encoding; data: Tensor } {
  const { dims } = layer.tensor;
  const data = quantizedTensor(dims, weights, encoding);
  const { weightStorage, processor, spec } = options;
  if (weightStorage !== "auto" || processor === "vnni" || !spec.pairedSums) return { encoding, data };
  if (encoding.dtype !== "int8" || input.bits > 8) return { encoding, data };
  const inputMax = laneMaxima(layer, input, maxima);
  const ratiosOf = (tensor: Tensor) => saturationRatios(layer, tensor.array() as Int8Array, inputMax);
  let ratios = ratiosOf(data);
  const worst = ratios.reduce((a, b) => Math.max(a, b), 0);
  if (worst <= 1) return { encoding, data };
  if (worst > MAX_RISE[options.granularity] || options.powerOfTwo) return asUnsigned(data, encoding);
  const scale = Float32Array.from(encoding.scale);
  // Rounding may add half a step to a weight, so a rise can leave a little excess: a few rounds settle it.
  for (let round = 0; round < 8; round++) {
    const excess = encoding.axis === null ? [ratios.reduce((a, b) => Math.max(a, b), 0)] : ratios;
    for (let at = 0; at < scale.length; at++) if (excess[at]! > 1) scale[at] = scale[at]! * excess[at]! * (1 + 1 / 256);
    const raised = { ...encoding, scale: Float32Array.from(scale) };
    const lower = quantizedTensor(dims, weights, raised);
    ratios = ratiosOf(lower);
    if (ratios.every((ratio) => ratio <= 1)) return { encoding: raised, data: lower };
  }
  return asUnsigned(data, encoding);
}

/** Largest integer of every input channel as the kernel multiplies it, unsigned; all of the type's range without `maxima`. */
export function laneMaxima(layer: LinearLayer, input: Encoding, maxima: ArrayLike<number> | undefined): Float64Array {
  const lowest = input.dtype === "int8" ? -128 : 0;
  return Float64Array.from({ length: layer.inChannels }, (_, channel) => {
    const max = maxima?.[channel] ?? Number.POSITIVE_INFINITY;
    return Math.min(input.qmax, Math.round(Math.max(max, 0) / input.scale[0]!) + input.zeroPoint[0]!) - lowest;
  });
}

/** The same values as uint8 with zero point 128. */
function asUnsigned(data: Tensor, encoding: Encoding): { encoding: Encoding; data: Tensor } {
  const shifted = Uint8Array.from(data.array() as Int8Array, (value) => value + 128);
  return {
    encoding: {
      ...encoding,
      dtype: "uint8",
      zeroPoint: encoding.zeroPoint.map(() => 128),
      qmin: encoding.qmin + 128,
      qmax: encoding.qmax + 128,
    },
    data: Tensor.of("uint8", data.dims, shifted),
  };
}

function quantizedTensor(dims: readonly number[], weights: Float32Array, encoding: Encoding): Tensor {
  return Tensor.of(encoding.dtype as DType, dims, quantizeValues(weights, encoding, { dims }));
}

/**
 * Raises weight scales where |bias| / (scale_x·scale_w) would overflow int32 (tiny weights beside a large bias), or where
 * that product itself would be no normal float32.
 */
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
    const least = Math.max(Math.abs(value) / MAX_BIAS, 2 * MIN_SCALE) / inputScale;
    if (scale[at]! >= least) return;
    scale[at] = powerOfTwo ? 2 ** Math.ceil(Math.log2(least)) : least;
    raised.push(channel);
  });
  return { encoding: raised.length > 0 ? { ...encoding, scale } : encoding, raised };
}

/** The bias in the format asked for; the channels of a grouped ConvTranspose share the weight's scales group by group. */
function quantizeBias(
  bias: Float32Array,
  weight: Encoding,
  inputScale: number,
  { bias: format, powerOfTwo }: ResolvedQuantizeOptions,
): Partial<QuantizedBias> {
  if (format === "float32") return {};
  if (format !== "int32") return narrowBias(bias, format, powerOfTwo);
  const scales = weight.axis === null ? [0] : bias;
  const scale = Float32Array.from(scales, (_, c) => weight.scale[c % weight.scale.length]! * inputScale);
  return accumulatorBias(bias, scale);
}
