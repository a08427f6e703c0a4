import type { QuantizeOptions } from "@equant/core";
import { OptionsError } from "@equant/core/errors";
import { readStep, type StepOf, stepOptions } from "@equant/core/steps";
import type { Command } from "commander";
import { flag } from "./options.js";
import { addStepOptions, givenOptions, type StepFlags } from "./step-flags.js";

/** Options of every command that quantizes; see {@link addQuantizeOptions}. */
export type QuantizeFlags = StepFlags<"quantize"> & { perChannel?: boolean };

/** What is not given follows the target: see docs/transforms/quantize.md. `calibrator` is the default, which depends on the command. */
export function addQuantizeOptions(command: Command, { calibrator = "minmax" } = {}): Command {
  command.optionsGroup("Quantization options:");
  addStepOptions(command, "quantize", { defaults: { calibrator } });
  explainQop(command);
  return command.addOption(flag("--per-channel", "short for --granularity per-channel"));
}

/** Other tools offer the QOperator form too: who asks for it is told why there is none. */
function explainQop(command: Command): void {
  const option = command.options.find(({ long }) => long === "--format")!;
  const parse = option.parseArg!;
  option.argParser((value: string, previous: unknown) => {
    if (value !== "qop") return parse(value, previous as never);
    throw new OptionsError("E2004", `--format: 'qop' is not one of ${option.argChoices!.join(", ")}`, {
      actual: value,
      expected: option.argChoices,
      hint: "use qdq: ONNX Runtime makes its QLinear kernels of the Q/DQ pairs when it loads the file",
    });
  });
}

/** The flags as options of core's `quantize`. */
export function quantizeOptions(flags: QuantizeFlags): QuantizeOptions {
  return stepOptions(quantizeStep(flags)) as QuantizeOptions;
}

/** The flags as a step of a recipe. */
export function quantizeStep({ perChannel, ...flags }: QuantizeFlags): StepOf<"quantize"> {
  const options = { ...givenOptions("quantize", flags), ...(perChannel && { granularity: "per-channel" }) };
  return readStep({ use: "quantize", ...options }, "quantize") as StepOf<"quantize">;
}
