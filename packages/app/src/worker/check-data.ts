import {
  type Dataset,
  Feed,
  forEachBatch,
  type HostTensor,
  type Model,
  subset,
  type TransformContext,
  topK,
} from "@equant/core/lab";
import type { DataCheck } from "../protocol.js";
import { labelOf, thumbnailOf } from "./thumbnails.js";

/** Enough to see a wrong preset, few enough to be at once there. */
const SAMPLES = 4;

/** Runs the float model on four samples before anything else: the wrong preprocessing shows here. */
export async function checkData(model: Model, dataset: Dataset, context: TransformContext): Promise<DataCheck> {
  // One further each time: where classes take turns, an even spread may show one class only.
  const count = Math.min(SAMPLES, dataset.length);
  const at = (index: number) => Math.min(dataset.length - 1, Math.floor((index * dataset.length) / count) + index);
  const chosen = subset(
    dataset,
    Array.from({ length: count }, (_, index) => at(index)),
  );
  const feed = await Feed.of(model, chosen, context);
  const tensor = moments();
  const names = dataset.classNames;
  let isClassifier = true;
  const samples = await context.runner!.using(
    model,
    async (session) => {
      const result: DataCheck["samples"][number][] = [];
      await forEachBatch(
        session,
        feed,
        { batchSize: 1, keepsFeeds: true },
        context,
        async (outputs, { feeds, fed, firstIndex: index }) => {
          const input = Object.values(feeds!)[0]!.data;
          const length = input.length / fed;
          tensor.add(input, length);
          const output = outputs[session.outputNames[0]!]!;
          const values = (output.data as Float32Array).subarray(0, output.data.length / fed);
          const isFloat = output.dtype === "float32";
          isClassifier &&= isFloat && output.dims.length === 2 && values.length > 1 && values.length !== length;
          const best = isClassifier ? topK(values, 5) : [];
          const label = chosen.label?.(index);
          const thumbnail = await thumbnailOf(chosen, index);
          result.push({
            thumbnail: thumbnail ?? {
              id: chosen.id(index),
              label: null,
              width: 0,
              height: 0,
              pixels: new Uint8ClampedArray(),
            },
            label: labelOf(chosen, index),
            correct: label === undefined || best.length === 0 ? null : best[0] === label,
            top: best.map((at) => ({ name: names?.[at] ?? `class ${at}`, value: values[at]! })),
          });
        },
      );
      return result;
    },
    { purpose: "check" },
  );
  return { samples, tensor: tensor.summary(), isClassifier };
}

function moments() {
  let [count, sum, squares, min, max] = [0, 0, 0, Infinity, -Infinity];
  return {
    add(values: HostTensor["data"], length: number) {
      for (let at = 0; at < length; at++) {
        const value = Number(values[at]);
        count++;
        sum += value;
        squares += value * value;
        if (value < min) min = value;
        if (value > max) max = value;
      }
    },
    summary() {
      const mean = sum / count;
      return { mean, std: Math.sqrt(Math.max(0, squares / count - mean * mean)), min, max };
    },
  };
}
