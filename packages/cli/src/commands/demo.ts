import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { RecipeStep } from "@equant/core";
import { sha256 } from "../files/model-file.js";
import { reportFiles } from "../files/report-files.js";
import type { CommandDefinition, CommandOutcome } from "../frame/command.js";
import type { CommandContext } from "../frame/context.js";
import { addOutputOptions, type OutputOptions } from "../options/option-groups.js";
import { integer } from "../options/options.js";
import { addQuantizeOptions, type QuantizeFlags, quantizeOptions } from "../options/quantize-flags.js";
import { validationText } from "../text/validation-text.js";
import { demoPruning } from "./demo-pruning.js";

interface DemoOptions extends QuantizeFlags, OutputOptions {
  samples: number;
}

/** Where the report goes when no folder is given: made by this command, so a second run may replace it. */
const FOLDER = "equant-demo";

/** The embedded digit network: MathWorks' pruning page, trained on the embedded digits (docs/digits.md). */
export const DIGITS_MODEL = new URL("../../assets/digits.onnx", import.meta.url);

/** `equant demo`: the main job on data that comes with equant; `npm start` runs it. */
export const demo: CommandDefinition = {
  configure(command) {
    command
      .description(
        "Equalizes and quantizes the embedded digit network, calibrated on generated digits, compares both on held-out ones, prunes it with two scores, and draws it all in a report.",
      )
      .optionsGroup("Options:")
      .addOption(integer("--samples <n>", "calibration images", { min: 1, max: 7500 }, 200));
    addQuantizeOptions(command, { calibrator: "tail" });
    addOutputOptions(command, {
      file: "where the model is written; - is stdout",
      folder: `folder for report.html and report.json (default: ${FOLDER})`,
    });
  },
  async run(context: CommandContext): Promise<CommandOutcome> {
    const options = context.options<DemoOptions>();
    const settings = quantizeOptions(options);
    const core = await import("@equant/core/lab");
    const { optimizedModel } = await import("@equant/core/node");
    const folder = options.out ?? FOLDER;
    if (options.out === undefined) options.overwrite = true;
    if (options.output !== undefined) await context.checkOutput(options.output);
    await context.checkOutput(join(folder, "report.html"));
    await context.lockFolder(folder);
    const transform = await context.transformContext();
    const floatBytes = await readFile(fileURLToPath(DIGITS_MODEL));
    const model = core.parseModel(floatBytes, { file: "digits.onnx" });
    const { train, heldOut } = core.DIGIT_SPLIT;
    // Drawing the digits takes longer than running the network on them, which happens twenty times.
    const heldOutSet = core.cachedDataset(core.digitDataset(heldOut), 2 ** 26);
    const calibrationSet = core.digitDataset({ ...train, count: options.samples });
    const recipe: RecipeStep[] = [
      { use: "fold" },
      { use: "equalize", method: "two-step" },
      { use: "quantize", ...settings },
      { use: "bias-correct" },
    ];
    const result = await core.compress(
      model,
      { steps: recipe, phase: context.phase.bind(context) },
      { ...transform, data: calibrationSet },
    );
    const { bytes, steps } = result;
    const report = await context.phase(
      "validate",
      () =>
        core.validateModels(
          core.parseModel(bytes),
          {
            baseline: core.parseModel(floatBytes),
            bytes: { candidate: bytes.length, baseline: floatBytes.length },
            optimize: (candidate) => optimizedModel(transform.runner!, candidate),
          },
          { ...transform, data: heldOutSet },
        ),
      ({ samples }) => `${samples} held-out digits`,
    );
    for (const { code, message } of report.warnings) context.warn(code, message);
    const pruning = await context.phase(
      "prune",
      () => demoPruning(model, heldOutSet, transform),
      ({ curves }) => curves.map(({ method }) => method).join(" and "),
    );
    context.model ??= { sha256: sha256(floatBytes), bytes: floatBytes.length };
    const files = await reportFiles(context, folder, {
      result,
      recipe,
      modelPath: "digits.onnx",
      data: { path: "embedded digits", samples: options.samples },
      validation: report,
      pruning,
      dataset: calibrationSet,
      facts: { output: { bytes: bytes.length, sha256: sha256(bytes) } },
    });
    await context.writeOutputs(files);
    if (options.output !== undefined) await context.writeOutput(options.output, bytes);
    const page = join(folder, "report.html");
    return {
      result: {
        ...report,
        report: page,
        steps: steps.map(({ step, kept, note, error }) => ({ step, kept, note, error })),
      },
      text: `${validationText(context, report, { candidate: "digits int8", baseline: "digits float" })}your own model:  equant compress model.onnx --data images/ --out out/\n`,
      hint: `open the report:  ${page}`,
    };
  },
};
