import type { Dataset, Model } from "@equant/core";
import { DataError, OptionsError } from "@equant/core/errors";
import type { CommandContext } from "../frame/context.js";
import { openData } from "../options/data-options.js";
import type { DataOptions } from "../options/option-groups.js";

/** Which samples to learn from, and which to measure on. */
export interface TrainDataOptions extends DataOptions {
  split?: number;
  heldOut?: string;
  teacher?: string;
  labelWeight?: number;
}

/** What a training reads. */
export interface TrainingData {
  readonly learning: Dataset;
  /** Labelled; undefined where there are neither labels nor a teacher to answer. */
  readonly heldOut: Dataset;
  /** What the held-out figure is a share of: right answers, or the teacher's. */
  readonly measures: "top-1" | "agreement";
}

/** A network to train or to learn from, in an opset that there are gradients for. One that is quantized can be trained: gradients pass through its rounding. */
export async function floatModel(context: CommandContext, path: string): Promise<Model> {
  const { assertValid, toFloat32, upgradeOpset } = await import("@equant/core/lab");
  const { model } = await context.loadModel(path);
  assertValid(model);
  toFloat32(model);
  await upgradeOpset()(model, await context.transformContext());
  return model;
}

/** The teacher, in the student's opset: both run in one graph. */
export async function teacherModel(context: CommandContext, path: string, student: Model): Promise<Model> {
  const teacher = await floatModel(context, path);
  const { assertNotQuantized } = await import("@equant/core/lab");
  assertNotQuantized(teacher);
  const [own, theirs] = [student, teacher].map(({ opsets }) => opsets.get("") ?? 0) as [number, number];
  if (own === theirs) return teacher;
  const { ModelError } = await import("@equant/core/errors");
  throw new ModelError("E4002", `train: the teacher has opset ${theirs}, the model ${own}`, {
    expected: own,
    actual: theirs,
    hint: "the teacher is the float model that this one was made from; other ones: export both with the same opset",
  });
}

/** The embedded digits with their own split, data held out by name, or the data given, split by class. */
export async function trainingData(
  context: CommandContext,
  network: string,
  model: Model,
  teacher: Model | undefined,
): Promise<TrainingData> {
  const options = context.options<TrainDataOptions>();
  if (options.heldOut !== undefined && options.split !== undefined) {
    throw new OptionsError("E2005", "train: --split and --held-out exclude each other", {
      hint: "--held-out DIR measures on other data, and all of --data is learned from; --split holds out a part of --data",
    });
  }
  const { answeredBy, splitByClass } = await import("@equant/core/lab");
  const dataset = await samples(context, network, model);
  const needsLabels = !teacher || (options.labelWeight ?? 0) > 0;
  if (!dataset.label && needsLabels) {
    throw new DataError("E5004", "train: the data has no labels", {
      hint: teacher
        ? "leave out --label-weight: the teacher's outputs alone need no labels"
        : "sort the images into one folder a class, give a table: --labels labels.csv, or a --teacher to learn from",
    });
  }
  const [learning, rest] =
    options.heldOut === undefined
      ? (dataset.split ?? splitByClass(dataset, options.split ?? 0.75, context.options().seed))
      : [
          dataset,
          await openData(context, model, { ...scaled(options, network), data: options.heldOut }, { part: "all" }),
        ];
  if (rest.label) return { learning, heldOut: rest, measures: "top-1" };
  if (teacher) {
    const transform = await context.transformContext();
    return { learning, heldOut: await answeredBy(teacher, rest, transform), measures: "agreement" };
  }
  throw new DataError("E5004", "train: the held-out data has no labels", {
    hint: "sort the images into one folder a class, or give a table: --labels labels.csv",
  });
}

async function samples(
  context: CommandContext,
  network: string,
  model: Model,
): Promise<Dataset & { readonly split?: [Dataset, Dataset] }> {
  const options = context.options<TrainDataOptions>();
  if (network !== "digits" || options.data !== undefined) {
    return openData(context, model, scaled(options, network), { part: "all" });
  }
  const { digitDataset, DIGIT_SPLIT, spread } = await import("@equant/core/lab");
  const all = digitDataset({ seed: 0, count: DIGIT_SPLIT.train.count + DIGIT_SPLIT.heldOut.count });
  if (options.samples !== undefined) return spread(all, options.samples);
  if (options.split !== undefined) return all;
  return Object.assign(all, {
    split: [digitDataset(DIGIT_SPLIT.train), digitDataset(DIGIT_SPLIT.heldOut)] as [Dataset, Dataset],
  });
}

/** The digit network was made for values 0 to 1 (MathWorks' pruning page: rescale-zero-one); other scalings must be typed. */
function scaled(options: TrainDataOptions, network: string): TrainDataOptions {
  const typed = options.preset ?? options.mean ?? options.std;
  return network === "digits" && typed === undefined ? { ...options, preset: "zero-one" } : options;
}
