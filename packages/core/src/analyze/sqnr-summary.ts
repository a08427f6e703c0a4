import { median, sqnrOfPowers, toDb } from "../math/index.js";
import type { Skip } from "../runtime/index.js";
import type { NoiseOutputs } from "./sqnr-graph.js";
import { type PredictedNoise, predictFromRanges, predictFromWeights } from "./sqnr-predict.js";
import {
  type Agreement,
  type ChannelSqnr,
  DB_LIMIT,
  type LayerSqnr,
  SQNR_SCHEMA,
  type SqnrByKind,
  type SqnrFinding,
  type SqnrReport,
} from "./sqnr-report.js";
import type { LayerPowers } from "./sqnr-run.js";
import { channelImbalance, lostWeightChannels, optimalRatio, weightSqnr } from "./weight-sqnr.js";

interface SummaryOptions {
  readonly samples: number;
  readonly random: boolean;
  readonly perChannel: boolean;
  readonly skipped: readonly Skip[];
}

/** The report from the measured powers. */
export function summarize(powers: readonly LayerPowers[], options: SummaryOptions): SqnrReport {
  const layers = powers.map((power) => layerSqnr(power, options.perChannel));
  const culprits = layers
    .map(({ layer, local }) => ({ layer, localDb: local.both, kind: dominantKind(local) }))
    .sort((a, b) => a.localDb - b.localDb);
  const victims = layers
    .flatMap(({ layer, local, cumulative }) =>
      // Half of the noise and more comes from before the layer.
      cumulative && local.both - cumulative.both > 3
        ? [{ layer, cumulativeDb: cumulative.both, localDb: local.both }]
        : [],
    )
    .sort((a, b) => a.cumulativeDb - b.cumulativeDb);
  const { samples, random, skipped } = options;
  const agreementOf = (predicted: "ranges" | "refined") => ({
    weights: agreement(layers.map((layer) => [layer.predicted[predicted].weights, layer.local.weights])),
    activations: agreement(layers.map((layer) => [layer.predicted[predicted].activations, layer.local.activations])),
  });
  return {
    schema: SQNR_SCHEMA,
    samples,
    random,
    layers,
    culprits,
    victims,
    agreement: { ranges: agreementOf("ranges"), refined: agreementOf("refined") },
    skipped,
  };
}

function layerSqnr(powers: LayerPowers, perChannel: boolean): LayerSqnr {
  const { outputs, types } = powers;
  const measured = outputs.layer;
  const { layer, encoding } = measured;
  const signal = powers.of(outputs.signal);
  const free = outputs.free === undefined ? signal.map(() => 1) : powers.of(outputs.free);
  const statistics = {
    inputMean: powers.of(outputs.inputMean),
    inputPower: powers.of(outputs.inputPower),
    signal,
    free,
  };
  const positions = {
    input: types.get(layer.input)!.dims.slice(2),
    output: types.get(layer.output)!.dims.slice(2),
  };
  const refined = predictFromWeights(measured, statistics, positions);
  const noises = (names: NoiseOutputs) => ({
    weights: powers.of(names.weights),
    activations: names.activations === undefined ? undefined : powers.of(names.activations),
    both: powers.of(names.both ?? names.weights),
  });
  const local = noises(outputs.local);
  const weight = weightSqnr(measured);
  const ranges = predictFromRanges(measured, statistics);
  return {
    layer: measured.name,
    opType: layer.opType,
    value: measured.value,
    weight: { measuredDb: db(weight.measured), uniformDb: db(weight.uniform), optimalDb: db(weight.optimal) },
    activation: encoding
      ? {
          uniformDb: ratioDb(signal, ranges.activations!),
          optimalDb: db(optimalRatio(activationChannels(powers, signal), encoding)),
        }
      : null,
    predicted: { ranges: predictedDb(signal, ranges), refined: predictedDb(signal, refined) },
    local: measuredDb(signal, local),
    cumulative: outputs.cumulative ? measuredDb(signal, noises(outputs.cumulative)) : null,
    findings: findings(powers, signal, local.activations),
    ...(perChannel && { channels: channelSqnr(signal, local, refined) }),
  };
}

function activationChannels(powers: LayerPowers, signal: Float64Array) {
  const top = powers.of(powers.outputs.top);
  const bottom = powers.of(powers.outputs.bottom);
  return Array.from(signal, (power, c) => ({
    power,
    count: 1,
    top: Math.max(0, top[c]!),
    bottom: Math.max(0, bottom[c]!),
  }));
}

interface Noises {
  readonly weights: Float64Array;
  readonly activations: Float64Array | undefined;
  readonly both: Float64Array;
}

function measuredDb(signal: Float64Array, { weights, activations, both }: Noises): SqnrByKind {
  return {
    weights: ratioDb(signal, weights),
    activations: activations ? ratioDb(signal, activations) : null,
    both: ratioDb(signal, both),
  };
}

/** Independent noises add (eq. (4)). */
function predictedDb(signal: Float64Array, { weights, activations }: PredictedNoise): SqnrByKind {
  return measuredDb(signal, {
    weights,
    activations,
    both: activations ? weights.map((noise, c) => noise + activations[c]!) : weights,
  });
}

function channelSqnr(signal: Float64Array, local: Noises, refined: PredictedNoise): ChannelSqnr {
  const ratios = (noise: Float64Array) => Array.from(signal, (power, c) => db(sqnrOfPowers(power, noise[c]!)));
  return {
    weights: ratios(local.weights),
    activations: local.activations ? ratios(local.activations) : null,
    both: ratios(local.both),
    predictedWeights: ratios(refined.weights),
  };
}

function dominantKind({ weights, activations }: SqnrByKind): string {
  return activations === null || weights <= activations ? "weights" : "activations";
}

/** A channel that keeps less than this much of its signal is lost: noise of 90 % of its power and more. */
const LOST = 1 / 0.9;
/** A channel this many times as wide as the median one costs the others over three bits. */
const DOMINANT = 10;
/** Share of values beyond the encoding from which it is worth a word. */
const OVERFLOW = 1e-4;

function findings(powers: LayerPowers, signal: Float64Array, noise: Float64Array | undefined): SqnrFinding[] {
  const { layer: measured, overflow } = powers.outputs;
  const { layer, parameters } = measured;
  const found: SqnrFinding[] = [];
  const channels = layer.outChannels;
  const zero = lostWeightChannels(measured);
  if (zero > 0) {
    const text = `weights: ${zero}/${channels} channels all zero`;
    found.push({ kind: "zeroWeightChannels", text, amount: zero / channels });
  }
  const { encoding } = parameters.weight;
  const imbalance = channelImbalance(layer, encoding);
  if (encoding.axis === null && imbalance > DOMINANT) {
    const text = `weights: one channel's range is ${Math.round(imbalance)} times the median one`;
    found.push({ kind: "dominantWeightChannel", text, amount: imbalance });
  }
  const lost = noise ? signal.reduce((sum, power, c) => sum + (power > 0 && power < LOST * noise[c]! ? 1 : 0), 0) : 0;
  if (lost > 0) {
    const text = `activations: ${lost}/${channels} channels lost below half a step`;
    found.push({ kind: "lostActivationChannels", text, amount: lost / channels });
  }
  const shares = overflow === undefined ? undefined : powers.of(overflow);
  const share = shares ? shares.reduce((sum, value) => sum + value, 0) / shares.length : 0;
  if (share > OVERFLOW) {
    const text = `activations: ${Number((100 * share).toPrecision(2))} % overflow`;
    found.push({ kind: "overflow", text, amount: share });
  }
  return found;
}

function agreement(pairs: readonly (readonly [number | null, number | null])[]): Agreement {
  const known = pairs.flatMap(([predicted, measured]) =>
    predicted === null || measured === null ? [] : [[predicted, measured] as const],
  );
  const errors = known.map(([predicted, measured]) => Math.abs(predicted - measured));
  return {
    medianErrorDb: errors.length === 0 ? 0 : median(errors),
    largestErrorDb: errors.reduce((a, b) => Math.max(a, b), 0),
    correlation: correlation(known),
    layers: known.length,
  };
}

/** Pearson's r. */
function correlation(pairs: readonly (readonly [number, number])[]): number {
  const mean = (at: 0 | 1) => pairs.reduce((sum, pair) => sum + pair[at], 0) / pairs.length;
  const [mx, my] = [mean(0), mean(1)];
  let xy = 0;
  let xx = 0;
  let yy = 0;
  for (const [x, y] of pairs) {
    xy += (x - mx) * (y - my);
    xx += (x - mx) ** 2;
    yy += (y - my) ** 2;
  }
  return xx > 0 && yy > 0 ? xy / Math.sqrt(xx * yy) : 0;
}

/** Ratio over all channels, which have equally many positions. */
function ratioDb(signal: Float64Array, noise: Float64Array): number {
  const sum = (values: Float64Array) => values.reduce((total, value) => total + value, 0);
  return db(sqnrOfPowers(sum(signal), sum(noise)));
}

function db(ratio: number): number {
  return Math.max(-DB_LIMIT, Math.min(DB_LIMIT, toDb(ratio)));
}
