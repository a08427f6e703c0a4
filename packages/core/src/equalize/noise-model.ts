import type { ActivationStats } from "../calibrate/channel-stats.js";
import { attributeOf, labelOf } from "../graph/index.js";
import { productFactors } from "../operators/attributes.js";
import { coverage, forEachWeight, type LinearLayer } from "../operators/index.js";
import type { ResolvedNoiseOptions } from "./noise-options.js";
import { roundedValues, type ValuePower, valuePower } from "./noise-values.js";
import type { ScaleClasses, ScaleFactors } from "./scale-classes.js";
import { firstColumn, type WeightMagnitudes, weightMagnitudes } from "./weight-magnitudes.js";

/**
 * One source of quantization noise, relative to the signal it disturbs. With row factors b_j, column factors a_i and, for every
 * slot s (a set of rows that share one step), T_s = Σ_parts max_{j∈s, i} M_ji·b_j/a_i:
 *
 *   noise = coefficient · Σ_s T_s² · Σ_{j∈s} g_j/b_j² · Σ_{i∈group(j)} a_i²·p_i
 *
 * Weights: M = |W|, p_i = E[X_i²], or nearly Var[X_i] where biases are corrected afterwards ({@link inputPower}), coefficient = K/(12·steps²·Σ_j g_j·E[Y_j²]), or
 * K/(12·steps²) with sensitivities of the network's outputs (Meller et al. 2019, eqs. (5)–(8), by channel).
 * Activations: M has one column, which carries no factor and power 1.
 */
export interface NoiseTerm {
  readonly kind: "weights" | "activations";
  /** Node of the layer, or name of the value. */
  readonly label: string;
  readonly value: string;
  readonly coefficient: number;
  /** One part, or two where the step spans from the lowest to the highest value. */
  readonly parts: readonly WeightMagnitudes[];
  /** Class and variable of every row and column; class −1: factor 1. */
  readonly rowClass: number;
  readonly rowVariables: Int32Array;
  readonly columnClass: number;
  readonly columnVariables: Int32Array;
  /** g_j and p_i. */
  readonly rowWeights: Float64Array;
  readonly columnWeights: Float64Array;
  readonly slots: number;
  readonly slotOfRow: Int32Array;
}

/** All sources of noise of a network. */
export interface NoiseModel {
  readonly classes: ScaleClasses;
  readonly terms: readonly NoiseTerm[];
  /** Layers and values that were left out, and why. */
  readonly missing: readonly { readonly label: string; readonly reason: string }[];
}

/** Noise relative to the signal, at every layer and value and in sum. */
export interface PredictedNoise {
  readonly total: number;
  readonly weights: readonly { readonly node: string; readonly value: string; readonly noise: number }[];
  readonly activations: readonly { readonly value: string; readonly noise: number }[];
}

/** Reads weights and statistics of the unscaled network once; noise for any factors follows from it. */
export function noiseModel(classes: ScaleClasses, stats: ActivationStats, options: ResolvedNoiseOptions): NoiseModel {
  const { flow } = classes;
  const terms: NoiseTerm[] = [];
  const missing: { label: string; reason: string }[] = [];
  const powers = new Map<string, ValuePower | undefined>();
  const power = (value: string) => {
    if (!powers.has(value)) powers.set(value, valuePower(flow, stats, value));
    return powers.get(value);
  };
  const dynamic = options.activations === "dynamic";
  const values = options.quantized ?? roundedValues(flow, options.activations);
  const rounded = new Set(values);
  const builder: Builder = { classes, options, power, sensitivity: sensitivities(classes, power, options.sensitivity) };
  for (const { layer, reason } of flow.nodes) {
    if (layer?.tensor.dtype !== "float32" || (dynamic && !rounded.has(layer.input))) continue;
    const found = reason === undefined ? weightTerms(builder, layer) : reason;
    if (typeof found === "string") missing.push({ label: labelOf(layer.node), reason: found });
    else terms.push(...found);
  }
  for (const value of values) {
    const term = activationTerm(builder, value);
    if (typeof term === "string") missing.push({ label: value, reason: term });
    else terms.push(term);
  }
  return { classes, terms, missing };
}

interface Builder {
  readonly classes: ScaleClasses;
  readonly options: ResolvedNoiseOptions;
  readonly power: (value: string) => ValuePower | undefined;
  readonly sensitivity: (value: string) => Float64Array;
}

/**
 * g by channel of a value: what the options say, else 1; but 0 where the channel was 0 in every value that a layer reads,
 * for noise on a channel that is always cut off reaches nothing.
 */
function sensitivities(classes: ScaleClasses, power: Builder["power"], measured: ResolvedNoiseOptions["sensitivity"]) {
  const alive = classes.classes.map(({ size, consumers }) => {
    if (consumers.length === 0) return new Uint8Array(size).fill(1);
    const marks = new Uint8Array(size);
    for (const { layer, variables } of consumers) {
      const read = power(layer.input);
      variables.forEach((variable, i) => {
        if (!read || read.meanSquare[i]! > 0) marks[variable] = 1;
      });
    }
    return marks;
  });
  return (value: string): Float64Array => {
    const count = classes.flow.space(value)!.count;
    const given = measured?.get(value);
    const unknown = measured ? 0 : 1;
    const g = given?.length === count ? Float64Array.from(given) : new Float64Array(count).fill(unknown);
    const own = classes.values.get(value);
    return own ? g.map((weight, channel) => (alive[own.class]![own.variables[channel]!] ? weight : 0)) : g;
  };
}

/**
 * What rounding a layer's weights costs: one term, or two where a shift of the mean is told from what varies around it and no bias takes it
 * away.
 */
function weightTerms(builder: Builder, layer: LinearLayer): NoiseTerm[] | string {
  const { classes, options, power } = builder;
  const { sharedSensitivity } = options;
  const input = power(layer.input);
  if (options.biasCorrected || !sharedSensitivity || !input)
    return asList(weightTerm(builder, layer, options.biasCorrected));
  const varying = weightTerm(builder, layer, true);
  const shared = { ...builder, sensitivity: sensitivities(classes, power, sharedSensitivity) };
  const shift = weightTerm(shared, layer, false);
  if (typeof varying === "string" || typeof shift === "string")
    return asList(typeof varying === "string" ? shift : varying);
  const share = insideShare(builder, layer);
  return [varying, { ...shift, columnWeights: input.mean.map((mean) => (share * mean) ** 2) }];
}

const asList = (term: NoiseTerm | string) => (typeof term === "string" ? term : [term]);

function weightTerm(builder: Builder, layer: LinearLayer, withoutMean: boolean): NoiseTerm | string {
  const { classes, options, power } = builder;
  const input = power(layer.input);
  const output = power(layer.output);
  if (!input || !output) return `no statistics of "${input ? layer.output : layer.input}"`;
  const rowWeights = builder.sensitivity(layer.output);
  if (!(dot(rowWeights, output.meanSquare) > 0)) return "its output is always 0, or reaches none of the network";
  const steps = options.weightSymmetric ? 2 ** (options.weightBits - 1) - 1 : 2 ** options.weightBits - 1;
  const parts = options.weightSymmetric
    ? [weightMagnitudes(layer)]
    : [weightMagnitudes(layer, "positive"), weightMagnitudes(layer, "negative")];
  const rows = layer.outChannels;
  // The scales of a grouped ConvTranspose lie along an axis that its groups share.
  const shared = layer.tensor.dims[layer.outAxis]!;
  const perChannel = options.granularity === "per-channel";
  const row = classes.values.get(layer.output);
  const column = classes.values.get(layer.input);
  return {
    kind: "weights",
    label: labelOf(layer.node),
    value: layer.output,
    coefficient: contributions(layer) / (12 * steps * steps * reference(builder, rowWeights, output)),
    parts,
    rowClass: row?.class ?? -1,
    rowVariables: row?.variables ?? new Int32Array(rows),
    columnClass: column?.class ?? -1,
    columnVariables: column?.variables ?? new Int32Array(layer.inChannels),
    rowWeights,
    columnWeights: inputPower(insideShare(builder, layer), input, withoutMean),
    slots: perChannel ? shared : 1,
    slotOfRow: Int32Array.from({ length: rows }, (_, j) => (perChannel ? j % shared : 0)),
  };
}

/** Share of a layer's products that lie inside its input, and not on padding. */
function insideShare({ classes }: Builder, layer: LinearLayer): number {
  const spatial = (value: string) => classes.flow.dims(value).slice(2);
  return coverage(layer, { input: spatial(layer.input), output: spatial(layer.output) });
}

/**
 * Power by input channel of what a weight meets, which is 0 where the kernel lies on padding: with the share c of products inside
 * the input, c·E[X²], and without its mean, which a corrected bias takes away, c·(E[X²] − c·E[X]²). At a border the corrected
 * mean is the wrong one, hence the second c.
 */
function inputPower(share: number, { mean, meanSquare }: ValuePower, withoutMean: boolean): Float64Array {
  if (!withoutMean) return meanSquare.map((power) => share * power);
  return meanSquare.map((power, channel) => share * Math.max(0, power - share * mean[channel]! ** 2));
}

/** Weights of one pair of channels that add up in one output element, times α² for Gemm. */
function contributions({ node, opType, kernelArea }: LinearLayer): number {
  if (opType === "Gemm") return productFactors(node).alpha ** 2;
  if (opType !== "ConvTranspose") return kernelArea;
  // Outputs lie `stride` times denser than inputs: each meets only that part of the kernel.
  return attributeOf(node, "strides", "ints", []).reduce((area, stride) => area / stride, kernelArea);
}

function activationTerm(builder: Builder, value: string): NoiseTerm | string {
  const { classes, options, power } = builder;
  const own = power(value);
  if (!own) return `no statistics of "${value}"`;
  const dynamic = options.activations === "dynamic";
  const rowWeights = dynamic ? readSensitivity(builder, value) : builder.sensitivity(value);
  if (!(dot(rowWeights, own.meanSquare) > 0)) return "it is always 0, or reaches no output";
  const symmetric = options.activationSymmetric;
  const steps = symmetric ? 2 ** (options.activationBits - 1) - 1 : 2 ** options.activationBits - 1;
  const rows = own.max.length;
  const part = (magnitude: (channel: number) => number): WeightMagnitudes => ({
    rows,
    columns: 1,
    rowsPerGroup: rows,
    data: Float32Array.from({ length: rows }, (_, channel) => magnitude(channel)),
  });
  const run = dynamic ? own.run : undefined;
  const high = (channel: number) => (run ? run.high[channel]! : Math.max(0, own.max[channel]!));
  const low = (channel: number) => (run ? run.low[channel]! : Math.max(0, -own.min[channel]!));
  const parts = symmetric ? [part((channel) => Math.max(high(channel), low(channel)))] : [part(high), part(low)];
  const row = classes.values.get(value);
  return {
    kind: "activations",
    label: value,
    value,
    coefficient: 1 / (12 * steps * steps * (dynamic ? 1 : reference(builder, rowWeights, own))),
    parts: parts.filter(({ data }) => data.some((magnitude) => magnitude > 0)),
    rowClass: row?.class ?? -1,
    rowVariables: row?.variables ?? new Int32Array(rows),
    columnClass: -1,
    columnVariables: new Int32Array(1),
    rowWeights,
    columnWeights: Float64Array.of(1),
    slots: 1,
    slotOfRow: new Int32Array(rows),
  };
}

/**
 * By channel of a value that only the layers behind it read rounded: what noise on it becomes at their outputs, Σ_j W_ji²·g_j, each layer's
 * relative to its own output.
 */
function readSensitivity(builder: Builder, value: string): Float64Array {
  const { flow } = builder.classes;
  const result = new Float64Array(flow.space(value)!.count);
  for (const { layer, reason } of flow.nodes) {
    const output = layer?.input === value && reason === undefined ? builder.power(layer.output) : undefined;
    if (layer?.tensor.dtype !== "float32" || !output) continue;
    const weights = layer.tensor.array() as Float32Array;
    const g = builder.sensitivity(layer.output);
    const share = contributions(layer) / (layer.kernelArea * reference(builder, g, output));
    if (!(share < Number.POSITIVE_INFINITY)) continue;
    forEachWeight(layer, (flat, out, input) => {
      result[input] = result[input]! + weights[flat]! ** 2 * g[out]! * share;
    });
  }
  return result;
}

/** What noise is a share of: sensitivities have it in them, else the value's own power. */
function reference({ options }: Builder, weights: Float64Array, { meanSquare }: ValuePower): number {
  return options.sensitivity ? 1 : dot(weights, meanSquare);
}

function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

/** Noise of one term under the given factors: the formula of {@link NoiseTerm}, with true maxima. */
export function termNoise(term: NoiseTerm, factors: ScaleFactors): number {
  const b = pick(term.rowVariables, factors[term.rowClass]);
  const a = pick(term.columnVariables, factors[term.columnClass]);
  const shape = term.parts[0];
  if (!shape) return 0;
  const step = new Float64Array(term.slots);
  for (const part of term.parts) {
    const top = new Float64Array(term.slots);
    for (let j = 0; j < part.rows; j++) {
      const first = firstColumn(part, j);
      let most = 0;
      for (let i = 0; i < part.columns; i++) {
        const ratio = part.data[j * part.columns + i]! / a[first + i]!;
        if (ratio > most) most = ratio;
      }
      const slot = term.slotOfRow[j]!;
      top[slot] = Math.max(top[slot]!, most * b[j]!);
    }
    for (let slot = 0; slot < step.length; slot++) step[slot] = step[slot]! + top[slot]!;
  }
  const groups = shape.rows / shape.rowsPerGroup;
  const power = new Float64Array(groups);
  for (let i = 0; i < a.length; i++) power[Math.floor(i / shape.columns)]! += a[i]! ** 2 * term.columnWeights[i]!;
  let sum = 0;
  for (let j = 0; j < b.length; j++) {
    sum += (step[term.slotOfRow[j]!]! / b[j]!) ** 2 * term.rowWeights[j]! * power[Math.floor(j / shape.rowsPerGroup)]!;
  }
  return term.coefficient * sum;
}

function pick(variables: Int32Array, factors: Float64Array | undefined): Float64Array {
  return Float64Array.from(variables, (variable) => factors?.[variable] ?? 1);
}

/**
 * Predicted noise-to-signal ratio of a network whose channels are scaled by `factors`, from the statistics of the unscaled
 * network. Methods are compared by `total`; it is what `optimal` minimises.
 */
export function predictedNoise(model: NoiseModel, factors: ScaleFactors): PredictedNoise {
  const weights = new Map<string, { node: string; value: string; noise: number }>();
  const activations: { value: string; noise: number }[] = [];
  let total = 0;
  for (const term of model.terms) {
    const noise = termNoise(term, factors);
    total += noise;
    const { label: node, value } = term;
    if (term.kind === "weights") weights.set(value, { node, value, noise: noise + (weights.get(value)?.noise ?? 0) });
    else activations.push({ value, noise });
  }
  return { total, weights: [...weights.values()], activations };
}
