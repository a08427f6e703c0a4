import { type Dataset, Feed, forEachBatch, type Model, parseModel, type Runner, subset, topK } from "@equant/core/lab";
import type { ConfusedSamples, Thumbnail } from "../protocol.js";
import { type CallContext, transformContext } from "./context.js";
import { thumbnailOf } from "./thumbnails.js";

/** Pictures that are made; beyond them samples are counted only. */
const SHOWN = 24;

/** Samples of class `truth` that the quantized network takes for `answer`, with what the float one says. */
export async function findConfused(
  original: Model,
  bytes: Uint8Array,
  dataset: Dataset,
  { truth, answer }: { readonly truth: number; readonly answer: number },
  call: CallContext,
): Promise<ConfusedSamples> {
  const { runner } = await transformContext(call);
  const own = Array.from({ length: dataset.length }, (_, at) => at).filter((at) => dataset.label?.(at) === truth);
  const answers = await winners(parseModel(bytes, { file: "result" }), subset(dataset, own), runner, call);
  const found = own.filter((_, at) => answers[at] === answer);
  const before = await winners(original, subset(dataset, found), runner, call);
  const samples: ConfusedSamples["samples"][number][] = [];
  for (const [at, index] of found.slice(0, SHOWN).entries()) {
    const thumbnail: Thumbnail | null = (await thumbnailOf(dataset, index)) ?? null;
    const was = before[at]!;
    samples.push({ id: dataset.id(index), thumbnail, before: dataset.classNames?.[was] ?? `class ${was}` });
  }
  return { truth, answer, searched: own.length, found: found.length, samples };
}

/** Index of the largest output for every sample. */
async function winners(model: Model, dataset: Dataset, runner: Runner, { signal, onProgress }: CallContext) {
  const result: number[] = [];
  if (dataset.length === 0) return result;
  const output = model.graph.outputs[0]!.name;
  const feed = await Feed.of(model, dataset, { runner, signal });
  await runner.using(
    model,
    (session) =>
      forEachBatch(session, feed, { fetches: [output] }, { signal }, (fetched, { count, fed }) => {
        const values = fetched[output]!.data as Float32Array;
        const width = values.length / fed;
        for (let at = 0; at < count; at++) result.push(topK(values.subarray(at * width, (at + 1) * width), 1)[0]!);
        onProgress({ phase: "search", done: result.length, total: dataset.length });
      }),
    { purpose: "search" },
  );
  return result;
}
