import { join, resolve } from "node:path";
import type { TargetName, TuneReport, TuneTrial } from "@equant/core/lab";
import { definitionOf } from "@equant/core/steps";
import type { ParetoPoint } from "@equant/report";
import { type ChartOptions, svgOption, writeChart } from "../files/chart-file.js";
import { TuneFolder } from "../files/tune-folder.js";
import type { CommandDefinition, CommandOutcome, Gate } from "../frame/command.js";
import type { CommandContext } from "../frame/context.js";
import { toJson } from "../frame/envelope.js";
import { openData } from "../options/data-options.js";
import { addFleetOptions } from "../options/fleet-options.js";
import { addDataOptions, addTaskOptions, type DataOptions, type TaskFlags } from "../options/option-groups.js";
import { bytes, completing, defined, flag, integer, points, text } from "../options/options.js";
import { taskOptions } from "../options/task-options.js";
import { formatBytes, formatDb, formatPercent, formatPp } from "../text/format.js";
import { figureText } from "../text/task-text.js";
import { shellWord } from "../text/visible.js";

interface TuneCommandOptions extends DataOptions, ChartOptions, TaskFlags {
  out: string;
  maxDrop: number;
  maxSize?: number;
  trials: number;
  calibrationSamples: number;
  target: TargetName;
}

/** Samples that are prepared once and kept: every trial reads them all. */
const CACHE_BYTES = 2 ** 30;

/** `equant tune`: recipes that keep the constraints, and the Pareto front. */
export const tune: CommandDefinition = {
  configure(command) {
    command
      .description(
        "Searches for a recipe that keeps the limits: granularity, equalization, range choosers, bits of activations, and layers left in float, by sensitivity. Writes the Pareto front of size and quality; a search that was stopped goes on where it was.",
      )
      .argument("<model>", "the float ONNX file")
      .optionsGroup("Options:")
      .addOption(
        completing(
          text("-o, --out <dir>", "folder for front.json, models and state.json"),
          "folder",
        ).makeOptionMandatory(),
      )
      .addOption(flag("--overwrite", "start anew where the folder holds a search already"))
      .addOption(
        points(
          "--max-drop <pp>",
          "most that may be lost of the task's figure or top-1; without labels, answers that may change",
        ).default(0.01, "1pp"),
      )
      .addOption(bytes("--max-size <size>", "largest file, for example 5MB"))
      .addOption(integer("--trials <n>", "most trials, those of an earlier run included", { min: 1 }, 24))
      .addOption(integer("--calibration-samples <n>", "samples to calibrate on, spread over the data", { min: 1 }, 100))
      .addOption(defined("target", definitionOf("quantize").options.target!))
      .addOption(svgOption("size against quality"));
    addTaskOptions(command);
    addDataOptions(command, { samples: 500 });
    addFleetOptions(command);
  },
  async run(context: CommandContext, path: string): Promise<CommandOutcome> {
    const options = context.options<TuneCommandOptions>();
    const core = await import("@equant/core/lab");
    await context.checkOutput(join(options.out, "models/any.onnx"));
    await context.lockFolder(options.out);
    const { model, identity } = await context.loadModel(path);
    const { data, labels, samples, preset, mean, std, resize, crop, layout, colorOrder, target, seed } = options;
    const preprocess = { preset, mean, std, resize, crop, layout, colorOrder };
    const { fit, pad, task: taskName, decode, metric } = options;
    const task = await taskOptions(context, options);
    const ofTask = { ...(task && { task: taskName, decode, metric }), ...(fit && { fit, pad }) };
    const search = {
      ...ofTask,
      data: data && resolve(context.io.cwd, data),
      labels,
      samples,
      ...preprocess,
      target,
      seed,
    };
    const folder = new TuneFolder(context, options.out, {
      model: identity.sha256,
      calibrationSamples: options.calibrationSamples,
      ...search,
    });
    const state = await folder.earlier();
    const dataset = core.cachedDataset(await openData(context, model, options, { task: task?.task }), CACHE_BYTES);
    if (state) context.reporter.info(`resume    ${state.trials.length} trials of ${join(options.out, "state.json")}`);
    const report = await core.tune(
      model,
      {
        maxDrop: options.maxDrop,
        ...(options.maxSize !== undefined && { maxBytes: options.maxSize }),
        ...(task && { task }),
        trials: options.trials,
        calibrationSamples: options.calibrationSamples,
        target,
        state,
        phase: context.phase.bind(context),
        onTrial: ({ trial, bytes: model, state: now, front }) => folder.save(trial, model, now, front),
      },
      { ...(await context.transformContext()), data: dataset },
    );
    await folder.tidy(report);
    const front = report.front.map((id) => ({
      ...report.trials.find((trial) => trial.id === id)!,
      model: `models/${id}.onnx`,
    }));
    await folder.write("front.json", toJson({ ...report, front }));
    if (options.svg !== undefined) await drawFront(context, options.svg, report);
    return {
      result: { ...report, front },
      text: resultText(context, report, options.out),
      gates: gatesOf(report),
      hint: hintFor(report, path, options),
    };
  },
};

async function drawFront(context: CommandContext, path: string, report: TuneReport): Promise<void> {
  const candidates = report.trials.flatMap(({ id, bytes: size, interval, ...trial }): ParetoPoint[] => {
    const metric = report.task ? (trial.figure ?? null) : (trial.top1 ?? trial.agreement);
    return size === null || metric === null ? [] : [{ name: id, bytes: size, metric, ...interval }];
  });
  await writeChart(context, path, "pareto", candidates, report.metric);
}

function resultText(context: CommandContext, report: TuneReport, folder: string): string {
  const { front, best, trials, metric, exhausted } = report;
  const or = (value: number | null, say: (value: number) => string) => (value === null ? "-" : say(value));
  const shown = front.map((id) => trials.find((trial) => trial.id === id)!);
  const table = context.table<TuneTrial>(
    [
      { title: "front", cell: ({ id }) => id, align: "left" },
      { title: "size", cell: ({ bytes: size }) => or(size, formatBytes) },
      ...(report.task
        ? [{ title: metric, cell: ({ figure }: TuneTrial) => figureText(report.task!.metric, figure) }]
        : []),
      ...(report.task
        ? []
        : report.labelled
          ? [{ title: "top-1", cell: ({ top1 }: TuneTrial) => or(top1, formatPercent) }]
          : [{ title: "same answer", cell: ({ agreement }: TuneTrial) => or(agreement, formatPercent) }]),
      { title: "output SQNR", cell: ({ sqnrDb }) => or(sqnrDb, formatDb) },
      { title: "in float", cell: ({ settings }) => settings.exclude.join(" ") || "-", align: "left" },
      { title: "16 bits", cell: ({ settings }) => settings.wide?.join(" ") ?? "-", align: "left" },
      { title: "", cell: ({ id }) => (id === best ? "best" : ""), align: "left" },
    ],
    shown,
  );
  if (context.options().table !== "text") return table;
  const failed = trials.filter(({ error }) => error !== undefined).length;
  const parts = [
    `${trials.length} trial${trials.length === 1 ? "" : "s"} on ${report.samples} samples, quality is ${metric}`,
    ...(failed > 0 ? [`${failed} failed`] : []),
    exhausted ? "nothing left to try" : "the budget ended first: run again with more --trials",
  ];
  return `${table}  ${parts.join("; ")}\n${best === null ? "no trial keeps the limits" : `best: ${join(folder, "models", `${best}.onnx`)}`}\n`;
}

/** The limits, judged on the trial that comes closest where none keeps them. */
function gatesOf({ trials, best, constraints: { maxDrop, maxBytes } }: TuneReport): Gate[] {
  const known = trials.filter((trial) => trial.bytes !== null);
  const within = known.filter((trial) => maxBytes === null || trial.bytes! <= maxBytes);
  const least = (list: readonly TuneTrial[], of: (trial: TuneTrial) => number | null) =>
    list.reduce((low, trial) => Math.min(low, of(trial) ?? Number.POSITIVE_INFINITY), Number.POSITIVE_INFINITY);
  const chosen = trials.find(({ id }) => id === best);
  const drop = chosen?.drop ?? least(within.length > 0 ? within : known, (trial) => trial.drop);
  const size = chosen?.bytes ?? least(known, (trial) => trial.bytes);
  const gates: Gate[] = [];
  if (maxDrop !== null) {
    gates.push({
      name: "max-drop",
      limit: `${Number((100 * maxDrop).toPrecision(12))}pp`,
      actual: Number.isFinite(drop) ? formatPp(-drop) : "not known: the output is no answer",
      passed: best !== null || (Number.isFinite(drop) && drop <= maxDrop && within.length === 0),
    });
  }
  if (maxBytes !== null) {
    gates.push({
      name: "max-size",
      limit: formatBytes(maxBytes).replace(" ", ""),
      actual: formatBytes(size),
      passed: size <= maxBytes,
    });
  }
  return gates;
}

function hintFor({ best, exhausted, labelled }: TuneReport, path: string, { out, data }: TuneCommandOptions): string {
  if (best !== null) {
    const file = join(out, "models", `${best}.onnx`);
    return `check it on data the search has not seen:  equant validate ${shellWord(file)} --against ${shellWord(path)} --data OTHER`;
  }
  if (!exhausted) return "the same command with more --trials goes on";
  return labelled
    ? `see which layers lose what:  equant debug ${shellWord(path)} --data ${shellWord(data ?? "DIR")}`
    : "with labels the real drop is measured, which is smaller than the share of answers that change";
}
