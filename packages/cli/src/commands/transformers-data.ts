import { readFile } from "node:fs/promises";
import type { Dataset, Model, PreprocessOptions } from "@equant/core/lab";
import type { CommandContext } from "../frame/context.js";
import { openData } from "../options/data-options.js";
import { tokenizerAt } from "../options/data-plan.js";
import type { DataOptions } from "../options/option-groups.js";
import type { HubFolder } from "./transformers-folder.js";

/** Samples where nobody gives data. */
const MADE_SAMPLES = 128;

/** Samples of a session, and what they are. */
export interface HubData {
  /** To learn from. */
  readonly learning: Dataset;
  /** To measure on: others. */
  readonly measuring: Dataset;
  readonly origin: "data" | "made text" | "random numbers";
}

/**
 * Samples for one session of a folder: the data given; else texts of random words out of the tokenizer's vocabulary; else random numbers, in
 * the range that the image processor makes. The first half is learned from, the second measured on.
 */
export async function hubData(context: CommandContext, model: Model, folder: HubFolder): Promise<HubData> {
  const { subset } = await import("@equant/core/lab");
  const given = context.options<DataOptions>();
  const processor = folder.preprocessor === undefined ? {} : await processorOf(folder.preprocessor);
  const options: DataOptions = {
    ...processor,
    ...given,
    ...(given.tokenizer === undefined && folder.tokenizer !== undefined && { tokenizer: folder.tokenizer }),
  };
  const takesText = model.graph.inputs.some(({ name }) => /^(input_ids|input_ids_\d+|tokens?)$/.test(name));
  const isMade = given.data === undefined && takesText && options.tokenizer !== undefined;
  const random = { ...options, data: "random", samples: MADE_SAMPLES };
  const dataset = isMade
    ? await madeTextData(context, model, options.tokenizer!)
    : await openData(context, model, given.data === undefined ? random : options);
  const half = Math.ceil(dataset.length / 2);
  const part = (from: number, to: number) =>
    subset(
      dataset,
      Array.from({ length: to - from }, (_, index) => from + index),
    );
  return {
    learning: part(0, half),
    measuring: dataset.length > 1 ? part(half, dataset.length) : dataset,
    origin: isMade ? "made text" : dataset.random ? "random numbers" : "data",
  };
}

async function madeTextData(context: CommandContext, model: Model, tokenizer: string): Promise<Dataset> {
  const { madeText, memoryFile, openFiles, signatureOf } = await import("@equant/core/lab");
  const texts = madeText(JSON.parse(await readFile(tokenizer, "utf8")), MADE_SAMPLES, context.options().seed);
  const file = memoryFile("made.txt", new TextEncoder().encode(texts.join("\n")));
  const tokenize = await tokenizerAt(tokenizer);
  return openFiles([file], { main: "made.txt", signature: signatureOf(model), ...tokenize });
}

/** The image processor's settings as data options. */
async function processorOf(path: string): Promise<DataOptions> {
  const { readPreprocessorConfig } = await import("@equant/core/lab");
  const { mean, std, resize, crop }: PreprocessOptions = readPreprocessorConfig(await readFile(path, "utf8"), path);
  const list = (value: number | readonly number[]) => [value].flat() as number[];
  const sides = (value: number | readonly [number, number]) =>
    typeof value === "number" ? value : ([...value] as [number, number]);
  return {
    ...(mean !== undefined && { mean: list(mean) }),
    ...(std !== undefined && { std: list(std) }),
    ...(resize !== undefined && { resize: sides(resize) }),
    ...(crop !== undefined && { crop: sides(crop) }),
  };
}
