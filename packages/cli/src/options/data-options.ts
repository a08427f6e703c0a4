import { resolve } from "node:path";
import { DataError, OptionsError } from "@equant/core/errors";
import type { Dataset, Model, PreprocessOptions, RecipeStep, TaskName } from "@equant/core/lab";
import type { OpenedDataset } from "@equant/core/node";
import { readText } from "../files/model-file.js";
import type { CommandContext } from "../frame/context.js";
import { type DataPlan, openPlan } from "./data-plan.js";
import { settledPreprocessing } from "./find-preprocessing.js";
import { type DataOptions, PRESETS } from "./option-groups.js";

/** What the model takes, with the sizes and constants that the options say. @throws {OptionsError} E2103 names that the model does not have. */
async function signatureOf(context: CommandContext, model: Model, { size = [], state = [] }: DataOptions) {
  const core = await import("@equant/core/lab");
  const sizes = Object.fromEntries(size.map((text) => sizeOf(text)));
  const open = new Set(
    core.signatureOf(model).inputs.flatMap(({ dims }) => dims?.filter((dim) => typeof dim === "string") ?? []),
  );
  for (const name of Object.keys(sizes)) {
    if (open.has(name)) continue;
    throw new OptionsError("E2103", `--size: the model leaves no size "${name}" open`, {
      actual: name,
      expected: [...open],
      hint: open.size > 0 ? `open are ${[...open].join(", ")}` : "all its sizes are fixed",
    });
  }
  const files = state.map((text) => assignment("--state", text));
  const signature = core.signatureOf(model, Object.fromEntries(files.map(([name]) => [name, "constant"])), sizes);
  for (const [name] of files) {
    const names = signature.inputs.map((own) => own.name);
    if (names.includes(name)) continue;
    throw new OptionsError("E2103", `--state: the model has no input "${name}"`, { actual: name, expected: names });
  }
  const constants = Object.fromEntries(files.map(([name, file]) => [name, resolve(context.io.cwd, file)]));
  return { signature, constants };
}

function assignment(option: string, text: string): [string, string] {
  const at = text.indexOf("=");
  if (at > 0 && at < text.length - 1) return [text.slice(0, at), text.slice(at + 1)];
  throw new OptionsError("E2002", `${option} ${text}: expected NAME=VALUE`, { actual: text, expected: "NAME=VALUE" });
}

function sizeOf(text: string): [string, number] {
  const [name, value] = assignment("--size", text);
  const size = Number(value);
  if (Number.isInteger(size) && size >= 1) return [name, size];
  throw new OptionsError("E2002", `--size ${text}: expected a whole number from 1`, {
    actual: value,
    expected: "NAME=N",
  });
}

/** Which samples of the data a command takes; `all` is for commands that split themselves. */
export interface DataUse {
  /** Default: those of `--samples`. */
  readonly samples?: number | undefined;
  /** With `--split`: the share itself, for calibration, or the rest, for measuring. Default: `'first'`. */
  readonly part?: "first" | "rest" | "all";
  /** What the model is for, where its labels are more than a class. */
  readonly task?: TaskName | undefined;
  /** The network that remembers its training, where the one that is fed was folded. Default: the one that is fed. */
  readonly trained?: Model | undefined;
}

/** Reads the samples that the data options name, ready for the model's input. @throws {DataError} E5001 without --data. */
export async function openData(
  context: CommandContext,
  model: Model,
  options: DataOptions,
  { part = "first", task, trained = model, ...use }: DataUse = {},
): Promise<OpenedDataset> {
  if (options.data === undefined) {
    throw new DataError("E5001", `${context.command}: no data given`, {
      hint: "give images with --data DIR; random numbers only when typed: --data random",
    });
  }
  const path = options.data === "random" ? "random" : resolve(context.io.cwd, options.data);
  const given = await preprocessOptions(context, options);
  const labels = options.labels;
  const { split, feedBack } = options;
  const samples = "samples" in use ? use.samples : options.samples;
  const { followStates, plainInput, spread, TASKS } = await import("@equant/core/lab");
  // Labels of a task decide which samples there are: only then some are chosen.
  const ofTask = task !== undefined && !("classLabels" in TASKS[task]);
  const limit = !ofTask && (split === undefined || part === "all") ? samples : undefined;
  const { signature, constants } = await signatureOf(context, model, options);
  const input = plainInput(signature, options.layout, given);
  if (input) {
    const perSample = input.shape.reduce((product, size) => product * (size || 1), 4);
    context.requireMemory(
      `a batch of ${options.batch ?? 1}`,
      perSample * (options.batch ?? 1),
      "check the sizes of the model's input",
    );
  }
  const common = {
    path,
    input,
    signature,
    constants,
    tokenizer: options.tokenizer === undefined ? undefined : resolve(context.io.cwd, options.tokenizer),
    sampleRate: options.sampleRate,
    stride: options.stride,
    ...(feedBack && { apart: true }),
    seed: context.options().seed,
    ...(labels !== undefined && {
      labels: ["auto", "folders", "none"].includes(labels) ? labels : resolve(context.io.cwd, labels),
    }),
    ...(ofTask && { labels: "none" }),
  };
  const open = (preprocess: PreprocessOptions) => openPlan({ ...common, preprocess });
  const isPlain = input !== undefined && path !== "random";
  const preprocess = isPlain ? await settledPreprocessing(context, { model: trained, input, given, open }) : given;
  const limited = !feedBack && limit !== undefined;
  const plan: DataPlan = { ...common, preprocess, ...(limited && { samples: limit }) };
  let whole = await openPlan(plan);
  context.dataPlans.push({ plan, dataset: whole });
  if (feedBack) {
    const pairs = Object.fromEntries(feedBack.map((pair) => assignment("--feed-back", pair)));
    const followed = await followStates(model, whole, pairs, await context.transformContext());
    // States go on through all samples of a file; only then some are chosen.
    whole = { ...whole, ...(limit === undefined ? followed : spread(followed, limit)) };
  }
  const labelled = ofTask && labels !== "none" ? await withTaskLabels(context, whole, task, path, labels) : whole;
  let dataset = labelled;
  if (split !== undefined && part !== "all") dataset = await partOf(labelled, split, part, samples, context);
  else if (ofTask && samples !== undefined) dataset = { ...labelled, ...spread(labelled, samples) };
  if (dataset.random) context.warn("W5001", "random data: results say nothing about real images");
  for (const note of dataset.notes) context.reporter.info(`note      ${note}`);
  return dataset;
}

/** The samples that the task's labels speak of, with what they say; all of them where there are none. */
async function withTaskLabels(
  context: CommandContext,
  whole: OpenedDataset,
  task: TaskName,
  data: string,
  labels: string | undefined,
): Promise<OpenedDataset> {
  const { openTaskLabels } = await import("@equant/core/node");
  const named = labels === undefined || labels === "auto" ? {} : { labels: resolve(context.io.cwd, labels) };
  const { dataset, format, notes } = await openTaskLabels(task, whole, { data, ...named });
  // That its labels were left out among the data is no news where they are read now.
  const known = format === undefined ? whole.notes : whole.notes.filter((note) => !/\.json\)$/.test(note));
  return { ...whole, ...dataset, notes: [...known, ...notes], ...(format !== undefined && { format }) };
}

/**
 * The samples for ranges and checks, and those that steps learn from, which are more where one of them says so: bias tuning reads
 * 1000 images where 100 do for ranges.
 */
export async function openLearningData(
  context: CommandContext,
  model: Model,
  options: DataOptions,
  steps: readonly RecipeStep[],
): Promise<{ data: OpenedDataset; dataset: Dataset }> {
  const { learningSamples, spread } = await import("@equant/core/lab");
  const { samples } = options;
  const most = samples === undefined ? undefined : Math.max(samples, ...steps.map(learningSamples));
  const data = await openData(context, model, options, { samples: most });
  return { data, dataset: samples === undefined ? data : spread(data, samples) };
}

/** One part of a split by class; `samples` are spread over it. */
async function partOf(
  whole: OpenedDataset,
  split: number,
  part: "first" | "rest",
  samples: number | undefined,
  context: CommandContext,
): Promise<OpenedDataset> {
  const { splitByClass, spread } = await import("@equant/core/lab");
  const [first, rest] = splitByClass(whole, split, context.options().seed);
  const own = part === "first" ? first : rest;
  if (own.length === 0) {
    throw new OptionsError("E2002", `--split ${split}: of ${whole.length} samples that leaves none`, {
      actual: split,
      hint: "give more data, or another share",
    });
  }
  return { ...whole, ...(samples === undefined ? own : spread(own, samples)) };
}

async function preprocessOptions(context: CommandContext, options: DataOptions): Promise<PreprocessOptions> {
  const { preset, mean, std, resize, crop, fit, pad, colorOrder } = options;
  const single = (values: number[]) => (values.length === 1 ? values[0]! : values);
  const given: PreprocessOptions = {
    ...(mean && { mean: single(mean) }),
    ...(std && { std: single(std) }),
    ...(resize !== undefined && { resize }),
    ...(crop !== undefined && { crop }),
    ...(fit !== undefined && { fit }),
    ...(pad !== undefined && { pad }),
    ...(colorOrder && { colorOrder }),
  };
  if (preset === undefined) return given;
  const known = PRESETS.find((name) => name === preset);
  return known ? { preset: known, ...given } : { ...(await presetFile(context, preset)), ...given };
}

/** A preset of one's own: JSON with the keys of the preprocessing options. */
async function presetFile(context: CommandContext, name: string): Promise<PreprocessOptions> {
  const text = await readText(name, context.io);
  try {
    return JSON.parse(text) as PreprocessOptions;
  } catch (error) {
    throw new OptionsError(
      "E2007",
      `--preset ${name}: cannot be read as JSON`,
      {
        file: name,
        hint: 'write for example {"mean": [123.7, 116.3, 103.5], "std": 58, "resize": 256, "crop": 224}',
      },
      error,
    );
  }
}
