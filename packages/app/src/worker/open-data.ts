import {
  blobFile,
  DataError,
  type Dataset,
  DIGIT_SPLIT,
  digitDataset,
  guessPreprocessing,
  keepSamples,
  type Model,
  type OpenedDataset,
  openFiles,
  type PreprocessingGuess,
  type PreprocessOptions,
  signatureOf,
  spread,
  subset,
  type Tokenize,
  type TransformContext,
} from "@equant/core/lab";
import type { DataSource, DataSummary } from "../protocol.js";
import type { DataPlan } from "../recipe/recipe.js";
import { decodeImage } from "./decode.js";
import { sha256Text } from "./hash.js";
import { inputShape } from "./open-model.js";
import { thumbnails } from "./thumbnails.js";

/** Data in the worker, split as the recipe says. */
export interface OpenData {
  readonly name: string;
  readonly all: Pick<OpenedDataset, "format" | "notes" | "preprocessed"> & { readonly dataset: Dataset };
  readonly calibrate: Dataset;
  readonly validate: Dataset;
  /** Calibration and validation use the same samples, because there are no more. */
  readonly shared: boolean;
}

export async function openData(source: DataSource, plan: DataPlan, model: Model): Promise<OpenData> {
  if (source.kind === "digits") return openDigits(plan, model);
  const opened = await openSource(source, plan, model);
  const { format, notes, preprocessed } = opened;
  const { calibrate, validate, shared } = split(opened, plan);
  // Calibration, its check and every step of a recipe go over the same images: decoded once.
  const kept = keepSamples(calibrate);
  const all = { format, notes, preprocessed, dataset: opened };
  return { name: source.name, all, calibrate: kept, validate, shared };
}

/** A tokenizer among the data makes tokens of their text; it is none of the data itself. */
const TOKENIZER = /(^|\/)tokenizer\.json$/;

/** All samples of files, as the model takes them: images, arrays, records, text, sound. */
async function openSource(
  { name, files: placed }: Extract<DataSource, { kind: "files" }>,
  { preprocess, labels }: Pick<DataPlan, "preprocess" | "labels">,
  model: Model,
): Promise<OpenedDataset> {
  const tokenizer = placed.find(({ path }) => TOKENIZER.test(path));
  const files = placed.filter((file) => file !== tokenizer).map(({ path, blob }) => blobFile(path, blob));
  return openFiles(files, {
    signature: signatureOf(model),
    ...(tokenizer && { tokenize: await tokenizerOf(tokenizer.blob) }),
    decode: decodeImage,
    preprocess,
    labels,
    name,
    ...(files.length === 1 && { main: files[0]!.path }),
  });
}

/** @throws {DataError} E5002 the file is no tokenizer. */
async function tokenizerOf(blob: Blob): Promise<Tokenize> {
  try {
    const { Tokenizer } = await import("@huggingface/tokenizers");
    const tokenizer = new Tokenizer(JSON.parse(await blob.text()), {});
    return (text) => tokenizer.encode(text);
  } catch (error) {
    const details = { file: "tokenizer.json", hint: "drop the tokenizer.json that was saved with the model" };
    throw new DataError("E5002", "data: tokenizer.json cannot be read as a tokenizer", details, error);
  }
}

/** The preprocessing that the network remembers, whatever scaling the plan says; undefined for the demo. */
export async function guessOf(
  source: DataSource,
  plan: DataPlan,
  model: Model,
  context: TransformContext,
): Promise<PreprocessingGuess | undefined> {
  if (source.kind === "digits") return undefined;
  const { preset: _preset, mean: _mean, std: _std, ...given } = plan.preprocess;
  const open = (preprocess: PreprocessOptions) => openSource(source, { ...plan, preprocess }, model);
  return guessPreprocessing(model, { open, given }, context);
}

/** The digits the demo network was not trained on serve for validation, as in the command's demo. */
function openDigits({ samples, validate }: DataPlan, model: Model): OpenData {
  const dataset = digitDataset({ ...DIGIT_SPLIT.train, count: samples });
  const shape = inputShape(model);
  if (shape.join() !== dataset.shape.join()) {
    throw new DataError(
      "E5003",
      `data: digits of shape [${dataset.shape.join(", ")}], the model takes [${shape.join(", ")}]`,
      {
        hint: "drop images for this model, or open the demo model",
      },
    );
  }
  const all = { format: "generated digits", notes: [], preprocessed: true, dataset };
  const held = digitDataset({ ...DIGIT_SPLIT.heldOut, count: Math.min(validate, DIGIT_SPLIT.heldOut.count) });
  return { name: "digits", all, calibrate: keepSamples(dataset), validate: keepSamples(held), shared: false };
}

/** Calibration takes an even spread, as `--samples` of the command; validation an even spread of what is left. */
export function split(
  dataset: Dataset,
  { samples, validate }: DataPlan,
): Pick<OpenData, "calibrate" | "validate" | "shared"> {
  const { length } = dataset;
  const calibrate = spread(dataset, samples);
  const taken = new Set(
    samples >= length ? [] : Array.from({ length: samples }, (_, i) => Math.floor((i * length) / samples)),
  );
  const rest = Array.from({ length }, (_, index) => index).filter((index) => !taken.has(index));
  const shared = taken.size === 0;
  return { calibrate, validate: spread(subset(dataset, rest), validate), shared };
}

/** Names and sizes stand for the content: reading gigabytes of images to name a run is not worth it. */
async function identity(source: DataSource, plan: DataPlan): Promise<string> {
  if (source.kind === "digits") return sha256Text(`digits ${plan.samples} ${plan.validate}`);
  return sha256Text(
    source.files
      .map(({ path, blob }) => `${path} ${blob.size}`)
      .sort()
      .join("\n"),
  );
}

const SHOWN = 24;

export async function summarizeData(open: OpenData, source: DataSource, plan: DataPlan): Promise<DataSummary> {
  const { all, calibrate, validate, shared, name } = open;
  const { dataset, format, notes, preprocessed } = all;
  const { label, classNames } = dataset;
  const counts = label && classCounts(dataset, label.bind(dataset), classNames?.length);
  return {
    name,
    sha256: await identity(source, plan),
    format,
    total: dataset.length,
    calibrate: calibrate.length,
    validate: validate.length,
    shared,
    labelled: label !== undefined,
    classes: classNames ?? null,
    classCounts: counts ?? null,
    notes,
    preprocessed,
    thumbnails: await thumbnails(spread(calibrate, SHOWN)),
  };
}

function classCounts(dataset: Dataset, label: (index: number) => number, classes = 0): number[] {
  const counts = new Array<number>(classes).fill(0);
  for (let index = 0; index < dataset.length; index++) {
    const own = label(index);
    counts[own] = (counts[own] ?? 0) + 1;
  }
  return Array.from(counts, (count) => count ?? 0);
}
