import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { CommandDefinition, CommandOutcome } from "../command.js";
import type { CommandContext } from "../context.js";
import { addOutputOptions, type OutputOptions } from "../option-groups.js";
import { integer } from "../options.js";
import { addQuantizeOptions, type QuantizeFlags, quantizeOptions } from "../quantize-flags.js";
import { validationText } from "../validation-text.js";

interface DemoOptions extends QuantizeFlags, OutputOptions {
  samples: number;
  output?: string;
}

/** The embedded digit network: seed 004's, trained on the embedded digits (docs/digits.md). */
export const DIGITS_MODEL = new URL("../../assets/digits.onnx", import.meta.url);

/** `equant demo`: the main job on data that comes with equant; `npm start` runs it. */
export const demo: CommandDefinition = {
  configure(command) {
    command
      .description(
        "Quantizes the embedded digit network, calibrated on generated digits, and compares both on held-out ones.",
      )
      .optionsGroup("Options:")
      .addOption(integer("--samples <n>", "calibration images", { min: 1, max: 7500 }, 200));
    addQuantizeOptions(command);
    addOutputOptions(command);
  },
  async run(context: CommandContext): Promise<CommandOutcome> {
    const options = context.options<DemoOptions>();
    const settings = quantizeOptions(options);
    const core = await import("@equant/core");
    const { optimizedModel } = await import("@equant/core/node");
    if (options.output !== undefined) await context.checkOutput(options.output);
    const transform = await context.transformContext();
    const floatBytes = await readFile(fileURLToPath(DIGITS_MODEL));
    const model = core.parseModel(floatBytes, { file: "digits.onnx" });
    const { train, heldOut } = core.DIGIT_SPLIT;
    const calibrationSet = core.digitDataset({ ...train, count: options.samples });
    const { bytes, steps } = await core.compress(
      model,
      calibrationSet,
      {
        steps: [{ use: "fold" }, { use: "quantize", ...settings }, { use: "bias-correct" }],
        phase: context.phase.bind(context),
      },
      transform,
    );
    const report = await context.phase(
      "validate",
      () =>
        core.validateModels(
          {
            candidate: core.parseModel(bytes),
            baseline: core.parseModel(floatBytes),
            dataset: core.digitDataset(heldOut),
            bytes: { candidate: bytes.length, baseline: floatBytes.length },
            optimize: (candidate) => optimizedModel(transform.runner!, candidate),
          },
          transform,
        ),
      ({ samples }) => `${samples} held-out digits`,
    );
    for (const { code, message } of report.warnings) context.warn(code, message);
    if (options.output !== undefined) await context.writeOutput(options.output, bytes);
    return {
      result: { ...report, steps: steps.map(({ step, kept, note, error }) => ({ step, kept, note, error })) },
      text: validationText(context, report, { candidate: "digits int8", baseline: "digits float" }),
      hint: "your own model:  equant compress model.onnx --data images/ -o model.int8.onnx",
    };
  },
};
