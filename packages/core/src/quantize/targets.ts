import { OptionsError } from "../errors.js";

/** Hardware or runtime a model is quantized for. */
export type TargetName = "ort-cpu" | "ort-web" | "tensorrt" | "hailo" | "fpga";

/** How biases are stored: 32-bit at scale_x·scale_w, 16 significant bits on the same grid, or float. */
export type BiasFormat = "int32" | "int16" | "float32";

/**
 * What a target computes in integers and how, as data: adding a target is adding a row.
 * An operator in none of the lists runs in float.
 */
export interface TargetSpec {
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
  readonly granularity: "perTensor" | "perChannel";
  readonly bias: BiasFormat;
  readonly powerOfTwo: boolean;
  readonly activations: "uint8" | "int8";
}

/** Operators that move data, the same for every target. */
export const MOVERS = [
  "MaxPool",
  "Reshape",
  "Flatten",
  "Transpose",
  "Squeeze",
  "Unsqueeze",
  "Slice",
  "Split",
  "Gather",
  "Identity",
  "Expand",
  "Tile",
  "DepthToSpace",
  "SpaceToDepth",
  "Pad",
  "Resize",
] as const;

const CPU: TargetSpec = {
  layers: new Set(["Conv", "ConvTranspose", "Gemm", "MatMul"]),
  operators: new Set(["Add", "Mul", "Concat", "AveragePool", "GlobalAveragePool", "LeakyRelu", "Sigmoid", "MatMul"]),
  movers: new Set<string>(MOVERS),
  fused: new Set(["Relu", "Clip"]),
  floatOutput: new Set(["Gemm", "MatMul"]),
  sharedConcat: false,
  granularity: "perTensor",
  bias: "int32",
  powerOfTwo: false,
  activations: "uint8",
};

/** One row per target. `ort-cpu` and `ort-web` have the same integer kernels; the others state their hardware's rules. */
export const TARGETS: Readonly<Record<TargetName, TargetSpec>> = {
  "ort-cpu": CPU,
  "ort-web": CPU,
  // Seed 001 (cuDNN): weights int8, biases single; TensorRT wants symmetric int8 activations.
  tensorrt: {
    ...CPU,
    operators: new Set(["Add", "AveragePool", "GlobalAveragePool", "Concat", "MatMul"]),
    fused: new Set(["Relu", "Clip"]),
    sharedConcat: true,
    granularity: "perTensor",
    bias: "float32",
    activations: "int8",
  },
  // Seed 003, §5: layer-wise quantization, activations 8-bit unsigned, weights 8-bit, biases 16-bit.
  hailo: { ...CPU, floatOutput: new Set(), sharedConcat: true, bias: "int16" },
  // Shifts instead of multiplications: every scale is a power of two.
  fpga: { ...CPU, floatOutput: new Set(), sharedConcat: true, powerOfTwo: true, activations: "int8" },
};

export const TARGET_NAMES = Object.keys(TARGETS) as TargetName[];

/** @throws {OptionsError} E2004 for an unknown target. */
export function targetSpec(name: string): TargetSpec {
  const spec = TARGETS[name as TargetName];
  if (!spec) {
    throw new OptionsError("E2004", `quantize: target '${name}' is not one of ${TARGET_NAMES.join(", ")}`, {
      expected: TARGET_NAMES,
      actual: name,
    });
  }
  return spec;
}
