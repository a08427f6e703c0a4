import { OptionsError, rejectUnknownOptions, requireOneOf } from "../errors.js";
import { parseChooser } from "../math/index.js";
import type { Exclusions } from "./exclude.js";
import { BIAS_FORMATS, type BiasFormat, type TargetName, type TargetSpec, targetSpec } from "./targets.js";

/** Options for {@link quantize}. What is undefined follows the target's table. */
export interface QuantizeOptions {
  /** Hardware or runtime. Default: `'ort-cpu'`. */
  target?: TargetName;
  /** `qdq`: integer weights in the file. `emulation`: scale, saturate and round in float operators; not smaller. Default: `'qdq'`. */
  format?: "qdq" | "emulation";
  /** One scale a weight tensor, or one an output channel. Default: the target's, `'perTensor'`. */
  granularity?: "perTensor" | "perChannel";
  /** Bits of weights, 2–16. Default: 8. */
  weightBits?: number;
  /** Symmetric weights use −(2^(bits−1)−1)…2^(bits−1)−1 and zero point 0. Default: true. */
  weightSymmetric?: boolean;
  /**
   * How 8-bit symmetric weights are stored: `int8`, or `uint8` with zero point 128. The values are the same. `auto` is int8,
   * except where the target's kernels add products in pairs on this {@link processor}: there it chooses by layer, int8 where no
   * calibrated input can saturate. Default: `'auto'`.
   */
  weightStorage?: "auto" | "int8" | "uint8";
  /**
   * What an `ort-cpu` file will run on. On x86 without VNNI (`'avx2'`), ONNX Runtime multiplies uint8 activations by int8 weights
   * with an instruction that saturates in 16 bits; uint8 weights take a slower exact path. `'vnni'` stands for every processor
   * that adds exactly, ARM included. {@link forThisProcessor} measures it. Default: `'avx2'`, which is right everywhere.
   */
  processor?: Processor;
  /** Stored type of activations. Default: the target's, `'uint8'`. */
  activations?: "uint8" | "int8" | "int16" | "uint16";
  /** Bits of activations, 2–16, at most those of the stored type. Default: all of it. */
  activationBits?: number;
  /** Symmetric activations: zero point in the middle of the type. Default: the target's, false; true for `tensorrt`. */
  activationSymmetric?: boolean;
  /** How biases are stored, see {@link BiasFormat}. Default: the target's, `'int32'`, the only one with ONNX Runtime's integer kernels. */
  bias?: BiasFormat;
  /** Scales are powers of two. Default: the target's, false. */
  powerOfTwo?: boolean;
  /** Range chooser of activations: `minmax`, `tail`, `percentile:P`, `entropy`, `mse`. Default: `'minmax'`. */
  chooser?: string;
  /** Range chooser of weights. Default: `'minmax'`. */
  weightChooser?: string;
  /** Ties in the emulation: to even as ONNX, or away from zero as MATLAB's `round`. Default: `'even'`. */
  rounding?: "even" | "away";
  /** Nodes that stay in float. */
  exclude?: Exclusions;
}

export interface ResolvedQuantizeOptions extends Required<Omit<QuantizeOptions, "exclude">> {
  readonly spec: TargetSpec;
  readonly exclude: Exclusions;
}

/** Whether a processor multiplies and adds 8-bit integers exactly (`'vnni'`) or in pairs in 16 bits (`'avx2'`). */
export type Processor = "vnni" | "avx2";

export const PROCESSORS = ["vnni", "avx2"] as const satisfies readonly Processor[];

export const QUANTIZE_DEFAULTS = {
  target: "ort-cpu",
  format: "qdq",
  weightBits: 8,
  weightSymmetric: true,
  weightStorage: "auto",
  processor: "avx2",
  chooser: "minmax",
  weightChooser: "minmax",
  rounding: "even",
} as const satisfies QuantizeOptions;

const KEYS: readonly (keyof QuantizeOptions)[] = [
  "target",
  "format",
  "granularity",
  "weightBits",
  "weightSymmetric",
  "weightStorage",
  "processor",
  "activations",
  "activationBits",
  "activationSymmetric",
  "bias",
  "powerOfTwo",
  "chooser",
  "weightChooser",
  "rounding",
  "exclude",
];

/** Fills in defaults. @throws {OptionsError} E2001 unknown key, E2002 bits out of range, E2004 a value outside its set. */
export function resolveQuantizeOptions(options: QuantizeOptions): ResolvedQuantizeOptions {
  rejectUnknownOptions("quantize", options, KEYS);
  const merged = { ...QUANTIZE_DEFAULTS, ...options };
  const spec = targetSpec(merged.target);
  const activations = merged.activations ?? spec.activations;
  requireOneOf("quantize", "activations", activations, ["uint8", "int8", "int16", "uint16"]);
  requireOneOf("quantize", "format", merged.format, ["qdq", "emulation"]);
  requireOneOf("quantize", "rounding", merged.rounding, ["even", "away"]);
  requireOneOf("quantize", "processor", merged.processor, PROCESSORS);
  requireOneOf("quantize", `weight storage of target '${merged.target}'`, merged.weightStorage, [
    "auto",
    ...spec.weightStorage,
  ]);
  if (spec.symmetric.weights && !merged.weightSymmetric) {
    throw new OptionsError("E2004", `quantize: target '${merged.target}' takes symmetric weights only`, {
      expected: "symmetric",
      actual: "asymmetric",
      hint: "leave --weights at int8, or choose another target",
    });
  }
  const granularity = requireOneOf("quantize", "granularity", merged.granularity ?? spec.granularity, [
    "perTensor",
    "perChannel",
  ]);
  const bias = requireOneOf("quantize", "bias", merged.bias ?? spec.bias, BIAS_FORMATS);
  parseChooser(merged.chooser);
  if (parseChooser(merged.weightChooser).kind === "tail") {
    throw new OptionsError("E2004", "quantize: weight chooser 'tail' is for activations: all weights are seen", {
      actual: merged.weightChooser,
      expected: ["minmax", "percentile:P", "entropy", "mse"],
    });
  }
  const storedBits = activations.endsWith("16") ? 16 : 8;
  const activationBits = merged.activationBits ?? storedBits;
  checkBits("weight bits", merged.weightBits, 16);
  checkBits("activation bits", activationBits, storedBits);
  return {
    ...merged,
    spec,
    granularity,
    activations,
    activationBits,
    activationSymmetric: merged.activationSymmetric ?? spec.symmetric.activations,
    bias,
    powerOfTwo: merged.powerOfTwo ?? spec.powerOfTwo,
    exclude: merged.exclude ?? {},
  };
}

function checkBits(what: string, bits: number, most: number): void {
  if (Number.isInteger(bits) && bits >= 2 && bits <= most) return;
  throw new OptionsError("E2002", `quantize: invalid ${what} ${bits}, expected 2–${most}`, {
    actual: bits,
    expected: `2–${most}`,
    hint: most === 8 ? "a stored type of 16 bits takes more: activations uint16" : "whole numbers of bits only",
  });
}
