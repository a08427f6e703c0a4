import { join } from "node:path";
import { OptionsError } from "@equant/core/errors";
import { type ChartOptions, svgOption } from "../files/chart-file.js";
import { bytesOf, resultFiles, runReport, stepsTable } from "../files/result-folder.js";
import type { CommandDefinition, CommandOutcome } from "../frame/command.js";
import type { CommandContext } from "../frame/context.js";
import { openLearningData } from "../options/data-options.js";
import { addFleetOptions } from "../options/fleet-options.js";
import {
  addDataOptions,
  addModelOutputOptions,
  addOutputOptions,
  type DataOptions,
  type OutputOptions,
} from "../options/option-groups.js";
import { addQuantizeOptions, type QuantizeFlags, quantizeStep } from "../options/quantize-flags.js";
import { addRecipeFlags, recipeOf } from "../options/step-flags.js";
import { formatResize } from "../text/format.js";
import { CALIBRATION_SAMPLES, NOTHING_QUANTIZED } from "./quantize.js";
import { type FindingOptions, latencyOption, sayFindings, validateLine } from "./result-findings.js";

type CompressCommandOptions = QuantizeFlags &
  DataOptions &
  OutputOptions &
  ChartOptions &
  FindingOptions &
  Record<string, unknown>;

/** `equant compress`: the preset, fold → dead channels → equalize → calibrate → quantize → correct → verify. */
export const compress: CommandDefinition = {
  step: "compress",
  configure(command) {
    command
      .description(
        "Makes a small, fast, verified integer model with everything equant knows; each step is measured and undone where it hurts.",
      )
      .argument("<model>", "the ONNX file");
    addRecipeFlags(command);
    command.optionsGroup("Options:");
    command.addOption(svgOption("the most significant bits of all values, against their integer types,"));
    command.addOption(latencyOption());
    addQuantizeOptions(command, { calibrator: "tail" });
    addDataOptions(command, { samples: CALIBRATION_SAMPLES });
    addFleetOptions(command);
    addOutputOptions(command, {
      file: "where the model is written; - is stdout",
      folder: "folder for model, report, recipe and calibration",
    });
    addModelOutputOptions(command);
  },
  async run(context: CommandContext, path: string): Promise<CommandOutcome> {
    const options = context.options<CompressCommandOptions>();
    if (options.output === undefined && options.out === undefined) {
      throw new OptionsError("E2005", "compress: no output given", {
        hint: "give -o FILE for the model alone, or --out DIR for the whole output folder",
      });
    }
    const core = await import("@equant/core/lab");
    const quantize = quantizeStep(options);
    const steps = core.seededSteps(recipeOf(options, quantize), context.options().seed);
    if (options.output !== undefined) await context.checkOutput(options.output);
    if (options.out !== undefined) await context.checkOutput(join(options.out, "model.onnx"));
    if (options.svg !== undefined) await context.checkOutput(options.svg);
    await context.lockFolder(options.out);
    const { model, identity } = await context.loadModel(path);
    const { data: all, dataset } = await openLearningData(context, model, options, steps);
    const transform = await context.transformContext();
    if (steps.some(({ use }) => use === "tune-biases")) context.keepWhenStopped();
    const result = await core.compress(
      model,
      {
        steps,
        samples: dataset.length,
        phase: context.phase.bind(context),
        ...(options.batch !== undefined && { batchSize: options.batch }),
      },
      { ...transform, data: all },
    );
    context.finish();
    if (!core.isQuantized(result.model)) context.warn("W4001", NOTHING_QUANTIZED);
    if (result.choice?.taken === "plain")
      context.warn("W7001", `plain quantization taken: ${result.choice.verdict.reason}`);
    const data = { path: options.data, samples: result.calibration.samples, seed: options.seed };
    const target = options.output ?? join(options.out!, "model.onnx");
    const files = await context.modelFiles(
      options.out === undefined ? target : join(options.out, "model.onnx"),
      result.model,
    );
    const record = { result, files, recipe: steps, modelPath: path, data, validation: undefined };
    if (options.out !== undefined) await context.writeOutputs(await resultFiles(context, options.out, record, dataset));
    if (options.output !== undefined) await context.writeModel(options.output, result.model);
    if (options.svg !== undefined) {
      const { writeMsbChart } = await import("./quantized-chart.js");
      await writeMsbChart(context, options.svg, result, dataset);
    }
    await sayFindings(context, {
      original: model,
      model: result.model,
      dataset,
      bytes: { before: identity.bytes, after: bytesOf(files) },
      error: result.verification.runtime,
    });
    const size = formatResize(identity.bytes, bytesOf(files));
    return {
      result: runReport(context, record),
      text: `${stepsTable(context, result)}${path} → ${target} (${size})\n`,
      hint: validateLine(context, target, path, options.data),
    };
  },
};
