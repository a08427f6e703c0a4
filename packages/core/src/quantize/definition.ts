import { notOneOf } from "../errors.js";
import { count, flag, list, type OptionsOf, oneOf, text } from "../option.js";
import { type BiasFormat, TARGETS, type TargetName } from "./targets.js";

const titles = Object.fromEntries(Object.entries(TARGETS).map(([name, { title }]) => [name, title])) as Record<
  TargetName,
  string
>;

/** What range choosers do; `percentile:P` takes any share in percent. */
const RANGES = {
  minmax: "min–max",
  "percentile:99.99": "percentile 99.99",
  entropy: "entropy",
  mse: "mean square error",
} as const;

/** A format may have kernels on some targets only. */
const BIAS_TITLES: Readonly<Record<BiasFormat, string>> = {
  int32: "32 bits on the accumulator's grid",
  int16: "16 bits on a grid of the layer's own",
  int8: "8 bits on a grid of the layer's own",
  float32: "float",
};

const MIN_MAX = { "min-max": "minmax" } as const;

/** Options of `quantize`. What is not given follows the target: docs/transforms/quantize.md. */
export const QUANTIZE_OPTIONS = {
  target: oneOf("hardware or runtime", titles, { default: "ort-cpu", main: true }),
  weights: oneOf(
    "type of weights",
    { int8: "8 bits, symmetric", uint8: "8 bits, asymmetric", int16: "16 bits, symmetric", int4: "4 bits, symmetric" },
    { label: "Weight type", default: "int8" },
  ),
  weightBits: count("bits of weights", { min: 2, max: 16, otherwise: "those of the type", main: true }),
  granularity: oneOf(
    "one weight scale a tensor or a channel",
    { "per-tensor": "one a tensor", "per-channel": "one a channel" },
    {
      words: { perTensor: "per-tensor", perChannel: "per-channel" },
      otherwise: "the target's: per-channel, for hailo and fpga per-tensor",
      main: true,
    },
  ),
  weightStorage: oneOf(
    "how 8-bit symmetric weights are stored; the values are the same",
    { auto: "as the processor needs", int8: "int8", uint8: "zero point 128, for kernels that saturate" },
    { default: "auto" },
  ),
  processor: oneOf(
    "what an ort-cpu file will run on",
    { vnni: "adds 8-bit products exactly, as ARM does", avx2: "adds them in pairs in 16 bits" },
    { otherwise: "this one" },
  ),
  activations: oneOf(
    "type of activations",
    { uint8: "8 bits", int8: "8 bits, signed", uint16: "16 bits", int16: "16 bits, signed" },
    { label: "Activation type", otherwise: "the target's", main: true },
  ),
  activationBits: count("bits of activations", { min: 2, max: 16, otherwise: "all of the type" }),
  activationSymmetric: flag("zero point in the middle of the type", {
    label: "Symmetric activations",
    aliases: ["symmetricActivations"],
    otherwise: "the target's",
  }),
  bias: oneOf("how biases are stored", BIAS_TITLES, { label: "Bias type", otherwise: "the target's" }),
  powerOfTwo: flag("scales are powers of two", { label: "Power-of-two scales", otherwise: "the target's" }),
  calibrator: text(
    "activation ranges",
    { tail: "min–max and room for unseen images", ...RANGES },
    { label: "Activation ranges", default: "minmax", aliases: ["chooser"], words: MIN_MAX, main: true },
  ),
  weightCalibrator: text("weight ranges", RANGES, {
    label: "Weight ranges",
    default: "minmax",
    aliases: ["weightChooser"],
    words: MIN_MAX,
  }),
  format: oneOf(
    "integer file, or emulation in float",
    { qdq: "integers between Q and DQ", emulation: "float that rounds" },
    { default: "qdq" },
  ),
  rounding: oneOf(
    "ties in the emulation",
    { even: "to even", away: "away from zero" },
    { label: "Rounding of ties", default: "even" },
  ),
  exclude: list("nodes that stay in float", { word: "glob", completes: "names" }),
  excludeType: list("operator types that stay in float", { word: "op" }),
  layerBits: list("bits of some layers' weights, or weights/activations: 'conv1*=4/8:per-channel'", {
    word: "glob=bits",
  }),
  excludeBetween: list("nodes between two tensors stay in float: from..to", { word: "a..b" }),
} as const;

/** Options of `quantize` as written. */
export type QuantizeOptions = OptionsOf<typeof QUANTIZE_OPTIONS>;

/** Whether a processor multiplies and adds 8-bit integers exactly (`'vnni'`) or in pairs in 16 bits (`'avx2'`). */
export type Processor = NonNullable<QuantizeOptions["processor"]>;

/** One weight scale a tensor or a channel: as asked for, else the target's. */
export function granularityOf({
  granularity,
  target = "ort-cpu",
}: QuantizeOptions): NonNullable<QuantizeOptions["granularity"]> {
  return granularity ?? TARGETS[target].granularity;
}

type Raw = Readonly<Record<string, unknown>>;

/** Keys of older files that are no longer options, and what says the same today. */
export const OLDER_QUANTIZE_KEYS = {
  perChannel: "granularity per-channel",
  weightSymmetric: "false: weights uint8",
  overrides: "layers that match stay in float: use exclude",
} as const;

/** Options of older files and scripts under the names of today. @throws {OptionsError} E2004 an override of another kind. */
export function renewQuantizeOptions(given: object): Record<string, unknown> {
  const { weightSymmetric, perChannel, overrides = [], ...rest } = given as Raw;
  const renewed: Record<string, unknown> = { ...rest };
  if (weightSymmetric === false) renewed.weights ??= "uint8";
  if (perChannel !== undefined) renewed.granularity = perChannel ? "per-channel" : "per-tensor";
  const { exclude } = renewed;
  if (typeof exclude === "object" && exclude !== null && !Array.isArray(exclude)) {
    const { nodes, opTypes, subgraphs = [], ...unknown } = exclude as Raw;
    Object.assign(renewed, { exclude: nodes, excludeType: opTypes, ...unknown });
    const between = (subgraphs as { from: readonly string[]; to: readonly string[] }[]).map(
      ({ from, to }) => `${from.join(",")}..${to.join(",")}`,
    );
    if (between.length > 0) renewed.excludeBetween = between;
  }
  const floats = (overrides as Raw[]).map(({ match, weights, activations }) => {
    if (weights === "float32" && activations === undefined && typeof match === "string") return match;
    throw notOneOf("quantize: weights of an override", weights, ["float32"]);
  });
  if (floats.length > 0) renewed.exclude = [...((renewed.exclude ?? []) as string[]), ...floats];
  return renewed;
}
