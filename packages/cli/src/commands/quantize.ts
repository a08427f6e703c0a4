import { ModelError, OptionsError } from "@equant/core/errors";
import { type ChartOptions, svgOption } from "../files/chart-file.js";
import { readText } from "../files/model-file.js";
import type { CommandDefinition, CommandOutcome } from "../frame/command.js";
import type { CommandContext } from "../frame/context.js";
import { openData } from "../options/data-options.js";
import { addFleetOptions } from "../options/fleet-options.js";
import {
  addDataOptions,
  addModelOutputOptions,
  addOutputOptions,
  type DataOptions,
  type OutputOptions,
} from "../options/option-groups.js";
import { completing, text } from "../options/options.js";
import { addQuantizeOptions, type QuantizeFlags, quantizeOptions } from "../options/quantize-flags.js";
import { formatResize } from "../text/format.js";
import { outputWords } from "../text/output-words.js";
import { shellWord } from "../text/visible.js";
import { type FindingOptions, latencyOption, sayFindings, validateLine } from "./result-findings.js";

interface QuantizeCommandOptions extends QuantizeFlags, DataOptions, OutputOptions, ChartOptions, FindingOptions {
  output: string;
  calibration?: string;
  saveCalibration?: string;
}

/** Samples for calibration when `--samples` is not given: ranges settle within 100 on every network we measured. */
export const CALIBRATION_SAMPLES = 100;

/** `equant quantize`: fold → calibrate → quantize → verify → save. */
export const quantize: CommandDefinition = {
  step: "quantize",
  configure(command) {
    command
      .description("Quantizes a model to integers: folds it, calibrates it on images, writes and verifies the result.")
      .argument("<model>", "the ONNX file")
      .optionsGroup("Options:")
      .addOption(
        completing(
          text(
            "--calibration <file>",
            "statistics from equant calibrate; without --data the result is only loaded and run",
          ),
          "file",
        ),
      )
      .addOption(completing(text("--save-calibration <file>", "where the statistics are written"), "file"))
      .addOption(svgOption("the most significant bits of all values, against their integer types,"));
    command.addOption(latencyOption());
    addQuantizeOptions(command);
    addDataOptions(command, { samples: CALIBRATION_SAMPLES });
    addFleetOptions(command);
    addOutputOptions(command, { file: "where the model is written; - is stdout", required: true });
    addModelOutputOptions(command);
  },
  async run(context: CommandContext, path: string): Promise<CommandOutcome> {
    const options = context.options<QuantizeCommandOptions>();
    const asked = quantizeOptions(options);
    const core = await import("@equant/core/lab");
    core.resolveQuantizeOptions(asked);
    await context.checkOutput(options.output);
    if (options.saveCalibration !== undefined) await context.checkOutput(options.saveCalibration);
    if (options.svg !== undefined) await context.checkOutput(options.svg);
    const { model, identity } = await context.loadModel(path);
    const transform = await core.contextOf(options.target, await context.transformContext());
    const settings = await core.forThisProcessor(asked, transform);
    // Statistics from a file need no data; what is lost by rounding can then not be measured.
    const dataset =
      options.data === undefined && options.calibration !== undefined
        ? undefined
        : await openData(context, model, options);
    if (!dataset && options.svg !== undefined) {
      throw new OptionsError("E2005", "quantize: --svg counts values of samples, which --calibration does not have", {
        hint: "add --data DIR",
      });
    }
    const { report, verification, calibration, ...quantized } = await core.quantizeModel(
      {
        model,
        ...(dataset && { dataset }),
        options: settings,
        batchSize: options.batch,
        calibration: (folded) =>
          calibrationOf(context, path, identity.sha256, () =>
            core.calibrate(
              folded,
              {
                requests: core.quantizationRequests(folded, settings),
                ...(options.batch !== undefined && { batchSize: options.batch }),
              },
              // Without samples there is a file, and nothing is collected.
              { ...transform, data: dataset },
            ),
          ),
        phase: (name, work, note) => context.phase(name, work, note),
      },
      transform,
    );
    for (const { node, reason } of report.skipped) context.warn("W4001", `stays in float: ${reason}`, node);
    if (!report.details.isQuantized) context.warn("W4001", NOTHING_QUANTIZED);
    if (
      verification &&
      verification.kernelLossDb > 6 &&
      !(await core.sumsExactly(core.requireRunner(transform, "quantize")))
    ) {
      context.warn("W6001", "integer kernels of this processor lose accuracy: try --weight-storage uint8");
    }
    const bytes = await context.writeModel(options.output, quantized.model);
    if (options.svg !== undefined) {
      const { writeMsbChart } = await import("./quantized-chart.js");
      await writeMsbChart(context, options.svg, quantized, dataset!);
    }
    if (verification && dataset) {
      await sayFindings(context, {
        original: model,
        model: quantized.model,
        dataset,
        bytes: { before: identity.bytes, after: bytes },
        error: verification.runtime,
      });
    }
    const size = formatResize(identity.bytes, bytes);
    return {
      result: {
        output: options.output,
        bytes,
        details: report.details,
        encodings: report.encodings,
        skipped: report.skipped,
        raisedScales: report.raisedScales,
        calibration: {
          samples: calibration.samples,
          random: calibration.random,
          convergence: calibration.rangeConvergence(),
        },
        verification: verification ?? null,
      },
      text:
        `${path} → ${options.output} (${size})\n` +
        (verification
          ? await outputWords(verification.runtime, verification.samples)
          : "not measured: give --data DIR to see what rounding costs\n"),
      hint: validateLine(context, options.output, path, options.data),
    };
  },
};

/** Said where the output is no smaller than the input, and why is not in the reasons of single layers. */
export const NOTHING_QUANTIZED = "nothing was quantized: the output is a float model";

/** Statistics from a file, or collected now; a file must be of this very model. */
async function calibrationOf(
  context: CommandContext,
  path: string,
  sha256: string,
  collect: () => Promise<import("@equant/core").Calibration>,
): Promise<import("@equant/core").Calibration> {
  const { calibration: file, saveCalibration } = context.options<QuantizeCommandOptions>();
  const { Calibration, throwIfAborted } = await import("@equant/core/lab");
  if (file !== undefined) {
    context.addInput(file);
    const calibration = Calibration.parse(await readText(file, context.io), file);
    requireSameModel(calibration.fields.model, sha256, file, path);
    if (!calibration.complete) {
      context.warn("W5004", `${file}: calibration was stopped early, after ${calibration.samples} samples`);
    }
    return calibration;
  }
  const calibration = (await context.phase("calibrate", collect, describeCalibration)).forModel(sha256);
  if (saveCalibration !== undefined) await context.writeOutput(saveCalibration, calibration.serialize());
  throwIfAborted(context.signal, "quantize");
  return calibration;
}

/** @throws {ModelError} E3003 when statistics were taken on another model; a file that does not say is believed. */
export function requireSameModel(made: string | undefined, sha256: string, file: string, path: string): void {
  if (made === undefined || made === sha256) return;
  throw new ModelError("E3003", `${file}: these statistics were taken on another model than ${path}`, {
    file,
    hint: `equant calibrate ${shellWord(path)} --data DIR -o ${shellWord(file)} --overwrite`,
  });
}

export function describeCalibration(calibration: import("@equant/core").Calibration): string {
  const convergence = calibration.rangeConvergence();
  const stable = convergence ? `, ranges stable after ${convergence.stableAfter}` : "";
  return `${calibration.samples} images${stable}`;
}
