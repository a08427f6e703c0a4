import { OptionsError } from "../errors.js";
import type { Model } from "../graph/index.js";
import { operatorsWhere } from "../operators/facts.js";

/** Hardware or runtime a model is quantized for. */
export type TargetName = "ort-cpu" | "ort-web" | "tensorrt" | "hailo" | "fpga";

/** How biases are stored: 32-bit at scale_x·scale_w, or 16 or 8 bits on one grid of the layer's own, or float. */
export type BiasFormat = "int32" | "int16" | "int8" | "float32";

/**
 * What a target computes in integers and how, as data: adding a target is adding a row.
 * The lists of operators come from operators/facts.ts; an operator in none of them runs in float.
 */
export interface TargetSpec {
  /** For people. */
  readonly title: string;
  /** Whether ONNX Runtime's integer kernels run it: they work on blocks of channels, and clamp integers cheaply. */
  readonly onnxRuntime: boolean;
  /** Operators with constant weights that run on integers. */
  readonly layers: ReadonlySet<string>;
  /** Operators without weights that run on integers: every data input and the output get an encoding. */
  readonly operators: ReadonlySet<string>;
  /** Operators that only move data: input and output share one encoding. */
  readonly movers: ReadonlySet<string>;
  /** Activations that become part of the operator before them; only the activation's output gets an encoding. */
  readonly fused: ReadonlySet<string>;
  /** Layers whose output may stay float when nothing behind it runs on integers. */
  readonly floatOutput: ReadonlySet<string>;
  /** Whether all inputs of a Concat must share the encoding of its output. */
  readonly sharedConcat: boolean;
  /** One weight scale a tensor or a channel, where nobody asks for either: a channel where it costs no time. */
  readonly granularity: "per-tensor" | "per-channel";
  readonly bias: BiasFormat;
  readonly powerOfTwo: boolean;
  readonly activations: "uint8" | "int8";
  /** Stored types that its kernels take for symmetric 8-bit weights; `uint8` has zero point 128. */
  readonly weightStorage: readonly ("int8" | "uint8")[];
  /** Whether weights, and activations unless told otherwise, have no zero point of their own. */
  readonly symmetric: { readonly weights: boolean; readonly activations: boolean };
  /** Whether its kernels add products in pairs in 16 bits on a processor that has no better instruction: see `processor`. */
  readonly pairedSums: boolean;
  /** Whether Min runs on integers, so that bounds by channel need no way back to float. */
  readonly integerMin: boolean;
}

const CPU: TargetSpec = {
  title: "ONNX Runtime, CPU",
  onnxRuntime: true,
  layers: operatorsWhere(({ kind }) => kind === "layer"),
  operators: operatorsWhere(({ integer }) => integer?.ort === "own"),
  movers: operatorsWhere(({ integer }) => integer?.ort === "shared"),
  fused: operatorsWhere(({ integer }) => integer?.ort === "fused"),
  floatOutput: operatorsWhere(({ floatOutput }) => floatOutput === true),
  sharedConcat: false,
  granularity: "per-channel",
  bias: "int32",
  powerOfTwo: false,
  activations: "uint8",
  weightStorage: ["int8", "uint8"],
  symmetric: { weights: false, activations: false },
  pairedSums: true,
  integerMin: true,
};

/** What hardware has in common: int8 weights, exact sums, an encoding on every output. */
const HARDWARE: TargetSpec = {
  ...CPU,
  onnxRuntime: false,
  floatOutput: new Set(),
  sharedConcat: true,
  weightStorage: ["int8"],
  pairedSums: false,
  integerMin: false,
};

/** One row per target. `ort-cpu` and `ort-web` run the same operators on integers; the others state their hardware's rules. */
export const TARGETS: Readonly<Record<TargetName, TargetSpec>> = {
  "ort-cpu": CPU,
  // WebAssembly widens products before it adds them.
  "ort-web": { ...CPU, title: "ONNX Runtime, web", pairedSums: false },
  // MathWorks' page on emulating a GPU target (cuDNN): weights int8, biases single. TensorRT: no zero points anywhere.
  tensorrt: {
    ...HARDWARE,
    title: "GPU int8, TensorRT",
    floatOutput: CPU.floatOutput,
    operators: operatorsWhere(({ integer }) => integer?.tensorrt === "own"),
    movers: operatorsWhere(({ integer }) => integer?.tensorrt === "shared"),
    fused: operatorsWhere(({ integer }) => integer?.tensorrt === "fused"),
    bias: "float32",
    activations: "int8",
    symmetric: { weights: true, activations: true },
  },
  // Meller et al. 2019, §5: layer-wise quantization, activations 8-bit unsigned, weights 8-bit, biases 16-bit.
  hailo: { ...HARDWARE, title: "Hailo, per tensor", granularity: "per-tensor", bias: "int16" },
  // Shifts instead of multiplications: every scale is a power of two.
  fpga: { ...HARDWARE, title: "FPGA, powers of two", granularity: "per-tensor", powerOfTwo: true, activations: "int8" },
};

/** Key of a model's metadata under which the target of a quantized file is written. */
export const TARGET_KEY = "equant.target";

export const TARGET_NAMES = Object.keys(TARGETS) as TargetName[];

/** The target that a quantized file was made for; undefined where it does not say. */
export function targetOf(model: Model): TargetName | undefined {
  return TARGET_NAMES.find((name) => name === model.metadata.get(TARGET_KEY));
}

/** @throws {OptionsError} E2004 for an unknown target. */
export function targetSpec(name: string): TargetSpec {
  const spec = Object.hasOwn(TARGETS, name) ? TARGETS[name as TargetName] : undefined;
  if (!spec) {
    throw new OptionsError("E2004", `quantize: target '${name}' is not one of ${TARGET_NAMES.join(", ")}`, {
      expected: TARGET_NAMES,
      actual: name,
    });
  }
  return spec;
}
