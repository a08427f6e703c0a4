import type { QuantizeOptions } from "@equant/core";
import { OptionsError } from "@equant/core/errors";
import type { Command, Option } from "commander";
import { choice, completing, flag, integer, repeatable, text } from "./options.js";
import { parseChoice } from "./values.js";

export const TARGETS = ["ort-cpu", "ort-web", "tensorrt", "hailo", "fpga"] as const;
export const WEIGHT_TYPES = ["int8", "uint8", "int16", "int4"] as const;
export const FORMATS = ["qdq", "emulation"] as const;
export const BIAS_FORMATS = ["int32", "int16", "int8", "float32"] as const;
export const ACTIVATION_TYPES = ["uint8", "int8", "uint16", "int16"] as const;

/** Options of every command that quantizes; see {@link addQuantizeOptions}. */
export interface QuantizeFlags {
  target: (typeof TARGETS)[number];
  weights: (typeof WEIGHT_TYPES)[number];
  weightBits?: number;
  granularity?: "per-tensor" | "per-channel";
  perChannel?: boolean;
  weightStorage: "auto" | "int8" | "uint8";
  processor?: "vnni" | "avx2";
  activations?: (typeof ACTIVATION_TYPES)[number];
  activationBits?: number;
  symmetricActivations?: boolean;
  bias?: (typeof BIAS_FORMATS)[number];
  powerOfTwo?: boolean;
  calibrator: string;
  weightCalibrator: string;
  rounding: "even" | "away";
  format: "qdq" | "emulation";
  exclude?: string[];
  excludeType?: string[];
  excludeBetween?: string[];
}

/** What is not given follows the target: see docs/transforms/quantize.md. `calibrator` is the default, which depends on the command. */
export function addQuantizeOptions(command: Command, { calibrator = "minmax" } = {}): Command {
  return command
    .optionsGroup("Quantization options:")
    .addOption(choice("--target <name>", "hardware or runtime", TARGETS, "ort-cpu"))
    .addOption(choice("--weights <type>", "type of weights; uint8 is asymmetric", WEIGHT_TYPES, "int8"))
    .addOption(integer("--weight-bits <n>", "bits of weights (default: those of the type)", { min: 2, max: 16 }))
    .addOption(choice("--granularity <what>", "one weight scale a tensor or a channel", ["per-tensor", "per-channel"]))
    .addOption(flag("--per-channel", "short for --granularity per-channel"))
    .addOption(
      choice(
        "--weight-storage <how>",
        "int8; uint8 with zero point 128 (same values, for kernels that saturate); auto: as the processor needs",
        ["auto", "int8", "uint8"],
        "auto",
      ),
    )
    .addOption(
      choice(
        "--processor <kind>",
        "what an ort-cpu file will run on: vnni adds 8-bit products exactly, as ARM does; avx2 does not (default: this one)",
        ["vnni", "avx2"],
      ),
    )
    .addOption(choice("--activations <type>", "type of activations (default: the target's)", ACTIVATION_TYPES))
    .addOption(integer("--activation-bits <n>", "bits of activations", { min: 2, max: 16 }))
    .addOption(flag("--symmetric-activations", "zero point in the middle of the type"))
    .addOption(choice("--bias <format>", "biases (default: the target's)", BIAS_FORMATS))
    .addOption(flag("--power-of-two", "scales are powers of two"))
    .addOption(text("--calibrator <name>", "activation ranges: minmax, tail, percentile:P, entropy, mse", calibrator))
    .addOption(text("--weight-calibrator <name>", "weight ranges: minmax, percentile:P, entropy, mse", "minmax"))
    .addOption(formatOption())
    .addOption(choice("--rounding <ties>", "ties in the emulation", ["even", "away"], "even"))
    .addOption(completing(repeatable("--exclude <glob>", "nodes that stay in float; may be repeated"), "names"))
    .addOption(repeatable("--exclude-type <op>", "operator types that stay in float; may be repeated"))
    .addOption(repeatable("--exclude-between <a..b>", "nodes between two tensors; may be repeated"));
}

/** Other tools offer the QOperator form too: who asks for it is told why there is none. */
function formatOption(): Option {
  const option = choice("--format <name>", "integer file, or emulation in float", FORMATS, "qdq");
  return option.argParser((value: string) => {
    if (value !== "qop") return parseChoice("--format", value, FORMATS);
    throw new OptionsError("E2004", `--format: 'qop' is not one of ${FORMATS.join(", ")}`, {
      actual: value,
      expected: [...FORMATS],
      hint: "use qdq: ONNX Runtime makes its QLinear kernels of the Q/DQ pairs when it loads the file",
    });
  });
}

/** The flags as options of core's `quantize`. @throws {OptionsError} E2004 for `--exclude-between` without `..`. */
export function quantizeOptions(flags: QuantizeFlags): QuantizeOptions {
  const subgraphs = (flags.excludeBetween ?? []).map((text) => {
    const [from, to, ...rest] = text.split("..");
    if (!from || !to || rest.length > 0) {
      throw new OptionsError("E2004", `--exclude-between: '${text}' is not of the form from..to`, {
        hint: "give two tensor names: --exclude-between conv_1_out..fc_out",
      });
    }
    return { from: from.split(","), to: to.split(",") };
  });
  const perChannel = flags.perChannel ?? (flags.granularity && flags.granularity === "per-channel");
  return {
    target: flags.target,
    format: flags.format,
    weightBits: flags.weightBits ?? (flags.weights === "int16" ? 16 : flags.weights === "int4" ? 4 : 8),
    weightSymmetric: flags.weights !== "uint8",
    weightStorage: flags.weightStorage,
    ...(flags.processor && { processor: flags.processor }),
    chooser: flags.calibrator.replace(/^min-max$/, "minmax"),
    weightChooser: flags.weightCalibrator.replace(/^min-max$/, "minmax"),
    rounding: flags.rounding,
    ...(perChannel !== undefined && { granularity: perChannel ? ("perChannel" as const) : ("perTensor" as const) }),
    ...(flags.activations && { activations: flags.activations }),
    ...(flags.activationBits !== undefined && { activationBits: flags.activationBits }),
    ...(flags.symmetricActivations && { activationSymmetric: true }),
    ...(flags.bias && { bias: flags.bias }),
    ...(flags.powerOfTwo && { powerOfTwo: true }),
    exclude: { nodes: flags.exclude ?? [], opTypes: flags.excludeType ?? [], subgraphs },
  };
}
