import type { Model, ValidationReport } from "@equant/core";
import { DataError, OptionsError } from "@equant/core/errors";
import { type ChartOptions, svgOption, writeCharts } from "../files/chart-file.js";
import type { CommandDefinition, CommandOutcome } from "../frame/command.js";
import type { CommandContext } from "../frame/context.js";
import { openData } from "../options/data-options.js";
import { addDataOptions, addTaskOptions, type DataOptions, type TaskFlags } from "../options/option-groups.js";
import { bytes, completing, flag, points, share, text } from "../options/options.js";
import { taskOptions } from "../options/task-options.js";
import { outputLines } from "../text/output-words.js";
import { type ValidateFlags, validationGates, validationText } from "../text/validation-text.js";
import { shellWord } from "../text/visible.js";

interface ValidateCommandOptions extends ChartOptions, ValidateFlags, DataOptions, TaskFlags {
  against?: string;
  latency: boolean;
}

/** `equant validate`: what a model is worth on data, alone or beside the model it was made from. */
export const validate: CommandDefinition = {
  configure(command) {
    command
      .description("Measures accuracy, agreement, size and latency of a model on data, and compares it with another.")
      .argument("<model>", "the ONNX file to judge")
      .optionsGroup("Options:")
      .addOption(completing(text("--against <file>", "compare with this model, usually the float original"), "file"))
      .addOption(points("--max-drop <pp>", "fail when top-1 drops by more, for example 1pp"))
      .addOption(share("--min-accuracy <share>", "fail when top-1 is below, for example 83%"))
      .addOption(bytes("--max-size <size>", "fail when the file is larger, for example 4MB"))
      .addOption(flag("--no-latency", "do not measure latency"))
      .addOption(svgOption("the confusions of both models"));
    addTaskOptions(command);
    addDataOptions(command);
  },
  async run(context: CommandContext, path: string): Promise<CommandOutcome> {
    const options = context.options<ValidateCommandOptions>();
    if (options.maxDrop !== undefined && options.against === undefined) {
      throw new OptionsError("E2005", "validate: --max-drop needs a model to compare with", {
        hint: `add the float original:  equant validate ${shellWord(path)} --against FLOAT.onnx`,
      });
    }
    const { validateModels } = await import("@equant/core");
    const { optimizedModel } = await import("@equant/core/node");
    const candidate = await context.loadModel(path);
    const baseline = options.against === undefined ? undefined : await context.loadModel(options.against);
    const task = await taskOptions(context, options);
    const dataset = await openData(context, candidate.model, options, {
      part: "rest",
      task: task?.task,
      trained: baseline?.model,
    });
    if (!task && !dataset.label) requireNoLabels(options);
    const transform = await context.transformContext();
    const report = await context.phase(
      "validate",
      () =>
        validateModels(
          candidate.model,
          {
            ...(baseline && { baseline: baseline.model }),
            ...(task && { task }),
            ...(options.batch !== undefined && { batchSize: options.batch }),
            ...(!options.latency && { latency: false }),
            bytes: {
              candidate: candidate.bytes.length + externalBytes(candidate.model),
              ...(baseline && { baseline: baseline.bytes.length + externalBytes(baseline.model) }),
            },
            optimize: (model) => optimizedModel(transform.runner!, model),
          },
          { ...transform, data: dataset },
        ),
      ({ samples, output, task: own }) =>
        `${samples} samples, ${output.labelled || own?.against === "labels" ? "labelled" : "without labels"}`,
    );
    const outputs = await outputLines(report.outputs);
    for (const { code, message } of report.warnings) context.warn(code, message);
    if (!task && !report.output.labelled) requireNoLabels(options, "the output is not one number a class");
    const gates = validationGates(report, options);
    if (options.svg !== undefined) await writeConfusion(context, options.svg, report);
    return {
      result: report,
      text: `${validationText(context, report, { candidate: path, baseline: options.against })}${outputs.map((line) => `  ${line}\n`).join("")}`,
      gates,
      ...(gates.some(({ passed }) => !passed) && { hint: hintFor(report, path, options) }),
    };
  },
};

/** Gates of accuracy mean nothing without labels: better said than skipped. */
function requireNoLabels({ maxDrop, minAccuracy }: ValidateFlags, reason = "the data has no labels"): void {
  if (maxDrop === undefined && minAccuracy === undefined) return;
  const gate = maxDrop === undefined ? "--min-accuracy" : "--max-drop";
  throw new DataError("E5004", `validate: ${gate} needs labels, ${reason}`, {
    hint: "sort the images into one folder a class, or give a table: --labels labels.csv",
  });
}

async function writeConfusion(context: CommandContext, path: string, report: ValidationReport): Promise<void> {
  const { CHARTS, collectValidation } = await import("@equant/report");
  const chart = CHARTS.confusion.draw(collectValidation(report));
  if (chart) return writeCharts(context, path, chart);
  throw new DataError("E5004", "validate: --svg draws confusions, which need labels", {
    hint: "sort the images into one folder a class, or give a table: --labels labels.csv",
  });
}

function externalBytes(model: Model): number {
  let total = 0;
  for (const tensor of model.graph.initializers.values()) total += tensor.external?.length ?? 0;
  return total;
}

function hintFor(
  { warnings, baseline }: ValidationReport,
  path: string,
  { against, data }: ValidateCommandOptions,
): string {
  if (warnings.some(({ code }) => code === "W5002")) return "check --preset and the order of the classes first";
  if (warnings.some(({ code }) => code === "W6001")) return "quantize again with --weight-storage uint8";
  if (!baseline) return "compare with the original on the same images: --against FLOAT.onnx";
  return `equant debug ${shellWord(path)} --against ${shellWord(against)} --data ${shellWord(data)}`;
}
