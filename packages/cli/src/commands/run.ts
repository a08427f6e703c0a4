import { resolve } from "node:path";
import { OptionsError } from "@equant/core/errors";
import type { Dataset, Model, TaskOptions, ValidationReport } from "@equant/core/lab";
import type { Config } from "../config/schema.js";
import { bytesOf, resultFiles, runReport, stepsTable } from "../files/result-folder.js";
import type { CommandDefinition, CommandOutcome } from "../frame/command.js";
import type { CommandContext } from "../frame/context.js";
import { openData, openLearningData } from "../options/data-options.js";
import {
  addModelOutputOptions,
  addOutputOptions,
  type DataOptions,
  type OutputOptions,
  splitOption,
  type TaskFlags,
} from "../options/option-groups.js";
import { keeping, keepOption } from "../options/step-flags.js";
import { taskOptions } from "../options/task-options.js";
import { parseBytes, parsePp, parseShare } from "../options/values.js";
import { formatBytes, formatResize } from "../text/format.js";
import { validationGates, validationText } from "../text/validation-text.js";
import { CALIBRATION_SAMPLES } from "./quantize.js";

/** `equant run`: executes a recipe, the way CI uses it. */
export const run: CommandDefinition = {
  configure(command) {
    command
      .description("Executes equant.config.json: every step, the gates, and the whole output folder.")
      .argument("[config]", "the config file (default: -c, or equant.config.json here)")
      .optionsGroup("Options:")
      .addOption(keepOption())
      .addOption(splitOption());
    addOutputOptions(command, { folder: "output folder (default: the config's out, or dist)" });
    addModelOutputOptions(command);
  },
  async findConfig(cwd: string, path: string | undefined): Promise<string | undefined> {
    if (path !== undefined) return path;
    const [{ CONFIG_NAMES }, { existsSync }] = await Promise.all([import("../config/load.js"), import("node:fs")]);
    return CONFIG_NAMES.find((name) => existsSync(resolve(cwd, name)));
  },
  async run(context: CommandContext): Promise<CommandOutcome> {
    if (!context.config) {
      throw new OptionsError("E2005", "run: no config file here", {
        hint: "write one with  equant init model.onnx --data images/",
      });
    }
    const { config } = context.config;
    const options = context.options<OutputOptions & { keep?: string; split?: number }>();
    const folder = resolve(context.io.cwd, options.out ?? "dist");
    if (config.model === undefined) throw missing("model", '"model": "model.onnx"');
    if (config.data?.calibrate === undefined)
      throw missing("data.calibrate", '"data": { "calibrate": { "dir": "images/" } }');
    const core = await import("@equant/core/lab");
    const chosen = keeping(core.readSteps(config.steps ?? core.COMPRESS_RECIPE), options.keep);
    const steps = core.seededSteps(chosen, options.seed);
    const sources = dataSources(config, options.split);
    requireGatesCanBeJudged(config, sources);
    await context.checkOutput(resolve(folder, "model.onnx"));
    await context.lockFolder(folder);
    const { model, identity } = await context.loadModel(config.model);
    const { data, dataset } = await openLearningData(context, model, sources.calibrate, steps);
    const task = await taskOptions(context, taskFlags(config));
    const validationSet =
      sources.validate && (await openData(context, model, sources.validate, { task: task?.task, part: "rest" }));
    const transform = await context.transformContext();
    if (steps.some(({ use }) => use === "tune-biases")) context.keepWhenStopped();
    const result = await core.compress(
      model,
      {
        steps,
        samples: dataset.length,
        phase: context.phase.bind(context),
        ...(config.data.batch !== undefined && { batchSize: config.data.batch }),
      },
      { ...transform, data },
    );
    context.finish();
    const files = await context.modelFiles(resolve(folder, "model.onnx"), result.model);
    const size = bytesOf(files);
    const validation =
      validationSet &&
      (await validateResult(
        context,
        validationSet,
        task,
        { model, bytes: identity.bytes },
        { model: result.model, bytes: size },
      ));
    const gates = validation ? validationGates(validation, gateFlags(config)) : sizeGate(config, size);
    const record = { result, files, recipe: steps, modelPath: config.model, data: { ...config.data }, validation };
    await context.writeOutputs(await resultFiles(context, folder, record, dataset));
    const names = { candidate: "model.onnx", baseline: config.model };
    const change = formatResize(identity.bytes, size);
    return {
      result: { ...runReport(context, record), ...(validation && { metrics: metricsOf(validation) }) },
      text:
        stepsTable(context, result) +
        (validation ? validationText(context, validation, names) : "") +
        `${config.model} → ${folder} (${change})\n`,
      gates,
    };
  },
};

function missing(key: string, example: string): OptionsError {
  return new OptionsError("E2007", `run: the config has no ${key}`, { hint: `add ${example}` });
}

interface DataSources {
  readonly calibrate: DataOptions;
  readonly validate: DataOptions | undefined;
}

/** What to calibrate on and what to measure on: without data of its own, the part that `split` leaves. */
function dataSources(config: Config, split: number | undefined): DataSources {
  const { calibrate, validate } = config.data!;
  const rest =
    split === undefined ? undefined : { dir: calibrate!.dir, ...(calibrate!.labels && { labels: calibrate!.labels }) };
  const measured = validate ?? rest;
  return {
    calibrate: dataOptions(config, calibrate!, split, CALIBRATION_SAMPLES),
    validate: measured && dataOptions(config, measured, split),
  };
}

function dataOptions(
  { data }: Config,
  source: NonNullable<NonNullable<Config["data"]>["calibrate"]>,
  split: number | undefined,
  most?: number,
): DataOptions {
  const { preprocess = {}, calibrate: _calibrate, validate: _validate, seed: _seed, split: _split, ...input } = data!;
  const list = (value: number | number[] | undefined) => (value === undefined ? undefined : [value].flat());
  const { mean, std, ...rest } = preprocess;
  const samples = source.samples ?? most;
  return {
    ...input,
    ...rest,
    ...(split !== undefined && { split }),
    data: source.dir,
    ...(source.labels !== undefined && { labels: source.labels }),
    ...(samples !== undefined && { samples }),
    ...(list(mean) && { mean: list(mean)! }),
    ...(list(std) && { std: list(std)! }),
  };
}

function taskFlags({ task, decode, metric }: Config): TaskFlags {
  return { ...(task && { task }), ...(decode !== undefined && { decode }), ...(metric !== undefined && { metric }) };
}

interface SizedModel {
  readonly model: Model;
  readonly bytes: number;
}

async function validateResult(
  context: CommandContext,
  dataset: Dataset,
  task: TaskOptions | undefined,
  original: SizedModel,
  result: SizedModel,
): Promise<ValidationReport> {
  const [{ validateModels }, { optimizedModel }] = await Promise.all([
    import("@equant/core/lab"),
    import("@equant/core/node"),
  ]);
  const transform = await context.transformContext();
  const options = {
    baseline: original.model,
    ...(task && { task }),
    bytes: { candidate: result.bytes, baseline: original.bytes },
    optimize: (model: Uint8Array | Model) => optimizedModel(transform.runner!, model as never),
  };
  const report = await context.phase(
    "validate",
    () => validateModels(result.model, options, { ...transform, data: dataset }),
    ({ samples }) => `${samples} samples`,
  );
  for (const { code, message } of report.warnings) context.warn(code, message);
  return report;
}

function gateFlags({ gates = {} }: Config) {
  return {
    ...(gates.maxDrop !== undefined && { maxDrop: parsePp("gates.maxDrop", gates.maxDrop) }),
    ...(gates.minAccuracy !== undefined && { minAccuracy: parseShare("gates.minAccuracy", gates.minAccuracy) }),
    ...(gates.maxSize !== undefined && { maxSize: parseBytes("gates.maxSize", gates.maxSize) }),
  };
}

/** Without validation data only the size can be judged; a gate of accuracy is then an error, not a pass. */
function requireGatesCanBeJudged(config: Config, { validate }: DataSources): void {
  const { maxDrop, minAccuracy } = gateFlags(config);
  if (validate === undefined && (maxDrop !== undefined || minAccuracy !== undefined))
    throw missing("data.validate", '"validate": { "dir": "val/", "labels": "folders" }');
}

function sizeGate(config: Config, bytes: number) {
  const { maxSize } = gateFlags(config);
  if (maxSize === undefined) return [];
  return [{ name: "max-size", limit: formatBytes(maxSize), actual: formatBytes(bytes), passed: bytes <= maxSize }];
}

/** The figures scripts ask for, at a short path. */
function metricsOf({ baseline, candidate, drop, agreement, logitSqnrDb, task }: ValidationReport) {
  const ofTask = task && {
    task: { baseline: task.baseline?.figures ?? null, candidate: task.candidate.figures, drop: task.drop },
  };
  return {
    ...ofTask,
    top1: { baseline: baseline?.top1 ?? null, candidate: candidate.top1, drop },
    agreement,
    logitSqnrDb,
  };
}
