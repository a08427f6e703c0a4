import type { MeasuredLayer } from "../analyze/sqnr-layers.js";
import type { LayerSqnr } from "../analyze/sqnr-report.js";
import type { ChannelStats } from "../calibrate/index.js";
import type { Encoding } from "../math/index.js";
import { forEachWeight } from "../operators/index.js";
import type { LossKind } from "./advice-report.js";

/** The widest channel and how many times the median one it is. */
export interface Dominance {
  readonly channel: number;
  readonly ratio: number;
}

/** What a layer loses its signal by, as far as ranges tell. */
export interface Diagnosis {
  readonly kind: LossKind;
  readonly channel: number | null;
  /** Layer whose dominant channel is behind it. */
  readonly cause: string | null;
  readonly text: string;
  /** Largest dominance of a channel, in weights or output; 1 where channels are alike or have scales of their own. */
  readonly imbalance: number;
}

/** A channel this many times as wide as the median one costs the others over three bits. */
const DOMINANT = 10;
/** Weights this many times narrower than others carry nothing to lose. */
const NOTHING = 2 ** 16;
/** A range over this many times the effective value is that of a few outliers: a normal distribution has about 10. */
const OUTLIER = 40;

/** What {@link diagnose} looks at. */
export interface Evidence {
  readonly measured: MeasuredLayer;
  readonly sqnr: LayerSqnr;
  /** Of the layer's output. */
  readonly stats: ChannelStats | undefined;
}

/**
 * Diagnosis of a layer from its ranges and its measured ratios. `producer` is the diagnosis of the layer that makes its input,
 * where channels are the same.
 */
export function diagnose(
  { measured, sqnr, stats }: Evidence,
  producer?: { name: string; diagnosis: Diagnosis },
): Diagnosis {
  const { parameters, encoding } = measured;
  const ownScales = parameters.weight.encoding.axis !== null;
  const weights = ownScales ? undefined : dominance(weightWidths(measured));
  const activations = encoding && stats && dominance(activationWidths(stats));
  const imbalance = Math.max(weights?.ratio ?? 1, activations?.ratio ?? 1);
  const finding = (kind: string) => sqnr.findings.find((own) => own.kind === kind);
  const common = { channel: null, cause: null, imbalance };
  if (imbalance >= DOMINANT) {
    const found = dominant(weights, activations);
    const isDead = stats && found.kind === "dominantWeightChannel" && activationWidths(stats)[found.channel!] === 0;
    if (!isDead) return { ...common, ...found };
    return {
      ...common,
      ...found,
      kind: "deadWideChannel",
      text: `${found.text}, and carries nothing: its output is always 0`,
    };
  }
  const narrow = producer && narrowInput(measured, producer);
  if (narrow) return { ...common, ...narrow };
  const overflow = finding("overflow");
  if (overflow) return { kind: "overflow", text: overflow.text, ...common };
  const zero = finding("zeroWeightChannels");
  if (zero) return { kind: "zeroWeightChannels", text: zero.text, ...common };
  const crest = sqnr.activation && encoding ? crestOf(sqnr.activation.uniformDb, encoding) : 1;
  if (crest > OUTLIER) {
    return { kind: "activationOutlier", text: outliers("activations: the", crest), ...common };
  }
  const lost = finding("lostActivationChannels");
  if (lost) return { kind: "lostActivationChannels", text: lost.text, ...common };
  const { weights: byWeights, activations: byActivations } = sqnr.local;
  const kind = byActivations === null || byWeights <= byActivations ? "weights" : "activations";
  const db = kind === "weights" ? byWeights : byActivations!;
  return { kind, text: `${kind}: rounding alone, ${db.toFixed(1)} dB`, ...common };
}

/** Diagnosis of a value that no layer makes, from its ratio to its own rounding. */
export function diagnoseValue(localDb: number, encoding: Encoding, stats: ChannelStats | undefined): Diagnosis {
  const widest = stats && dominance(activationWidths(stats));
  const common = { channel: null, cause: null, imbalance: widest?.ratio ?? 1 };
  if (widest && widest.ratio >= DOMINANT) return { ...common, ...dominant(undefined, widest) };
  const crest = crestOf(localDb, encoding);
  if (crest > OUTLIER) return { ...common, kind: "activationOutlier", text: outliers("its", crest) };
  return { ...common, kind: "activations", text: `its values: rounding alone, ${localDb.toFixed(1)} dB` };
}

const outliers = (whose: string, crest: number) =>
  `${whose} range is ${crest.toPrecision(2)} times the effective value, because of a few outliers`;

function dominant(
  weights: Dominance | undefined,
  activations: Dominance | undefined,
): Pick<Diagnosis, "kind" | "channel" | "text"> {
  const byWeights = (weights?.ratio ?? 1) >= (activations?.ratio ?? 1);
  const [first, second] = byWeights ? [weights!, activations] : [activations!, weights];
  const [here, there] = byWeights ? ["weights", "activations"] : ["activations", "weights"];
  const also =
    second && second.channel === first.channel && second.ratio >= DOMINANT
      ? ` and ${times(second.ratio)} in ${there}`
      : "";
  return {
    kind: byWeights ? "dominantWeightChannel" : "dominantActivationChannel",
    channel: first.channel,
    text: `channel ${first.channel} is ${times(first.ratio)} as wide as the median one in ${here}${also}`,
  };
}

/** Weights for the input channel that dominates the producer's output, when they are as much narrower than those for others. */
function narrowInput(
  { layer }: MeasuredLayer,
  { name, diagnosis: { channel, imbalance } }: { name: string; diagnosis: Diagnosis },
): Pick<Diagnosis, "kind" | "channel" | "cause" | "text"> | undefined {
  if (channel === null || imbalance < DOMINANT) return undefined;
  const values = layer.tensor.array() as Float32Array;
  const widths = new Float64Array(layer.inChannels);
  forEachWeight(layer, (flat, _, input) => {
    widths[input] = Math.max(widths[input]!, Math.abs(values[flat]!));
  });
  const middle = [...widths].sort((a, b) => a - b)[Math.floor(widths.length / 2)]!;
  const ratio = middle / widths[channel]!;
  if (!(ratio >= DOMINANT && ratio < NOTHING)) return undefined;
  const text = `weights for input channel ${channel} are ${times(ratio)} narrower than for the median one, because ${name} makes that channel too wide`;
  return { kind: "narrowInputChannel", channel, cause: name, text };
}

function times(ratio: number): string {
  return `${ratio >= 10 ? Math.round(ratio) : ratio.toPrecision(2)} times`;
}

/** The widest channel against the lower median of those that are not empty; undefined when all are. */
function dominance(widths: ArrayLike<number>): Dominance | undefined {
  const list = Array.from(widths);
  const used = list.filter((width) => width > 0).sort((a, b) => a - b);
  const widest = used.at(-1);
  if (widest === undefined) return undefined;
  return { channel: list.indexOf(widest), ratio: widest / used[Math.floor((used.length - 1) / 2)]! };
}

/** Largest |w| of each output channel. */
function weightWidths({ layer }: MeasuredLayer): Float64Array {
  const values = layer.tensor.array() as Float32Array;
  const widths = new Float64Array(layer.outChannels);
  forEachWeight(layer, (flat, out) => {
    widths[out] = Math.max(widths[out]!, Math.abs(values[flat]!));
  });
  return widths;
}

/** Width of each channel's range with zero in it, as an encoding covers it. */
function activationWidths({ min, max }: ChannelStats): number[] {
  return Array.from(min, (low, channel) => Math.max(0, max[channel]!) - Math.min(0, low));
}

/** Range over effective value, from SQNR = 12·steps²·P/range². */
function crestOf(uniformDb: number, { qmin, qmax }: Encoding): number {
  return (Math.sqrt(12) * (qmax - qmin)) / 10 ** (uniformDb / 20);
}
