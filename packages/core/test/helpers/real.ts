import { readFileSync } from "node:fs";
import * as ort from "onnxruntime-node";
import sharp from "sharp";
import type { Dataset, PreprocessOptions } from "../../src/data/index.js";
import { fold } from "../../src/fold/index.js";
import { type Model, parseModel } from "../../src/graph/index.js";
import { openDataset, sharpDecoder } from "../../src/node.js";
import { createRunner, transform } from "../../src/runtime/index.js";
import { sharedModel, sharedPath } from "./shared.js";

/** One thread, so that processor time means the same whatever else the machine does. */
export const runner = createRunner(ort as never, { threads: 1 });

const NETWORKS = {
  resnet20: { model: "cifar_resnet20", data: "cifar10/calib", shape: [3, 32, 32], preset: "imagenet" },
  mobilenetV1: { model: "mobilenet_v1_0.75_224", data: "imagenet-sample", shape: [3, 224, 224], preset: "tf" },
} as const satisfies Record<string, { preset: PreprocessOptions["preset"] } & Record<string, unknown>>;

/** A folded real network and `samples` calibration images, decoded. */
export async function realNetwork(
  name: keyof typeof NETWORKS,
  samples: number,
): Promise<{ model: Model; images: Dataset }> {
  const { model: file, data, shape, preset } = NETWORKS[name];
  const model = parseModel(readFileSync(sharedModel(file)));
  await transform(model, [fold()], { runner });
  const dataset = await openDataset(sharedPath("data", data), {
    input: { shape },
    decode: sharpDecoder(sharp),
    preprocess: { preset },
    samples,
  });
  return { model, images: await inMemory(dataset) };
}

/** Samples read once: what is timed afterwards is no decoding. */
async function inMemory(dataset: Dataset): Promise<Dataset> {
  const size = dataset.shape.reduce((a, b) => a * b, 1);
  const samples: Float32Array[] = [];
  for (let index = 0; index < dataset.length; index++) {
    const sample = new Float32Array(size);
    await dataset.fill(index, sample, 0);
    samples.push(sample);
  }
  return {
    length: dataset.length,
    shape: dataset.shape,
    id: (index) => dataset.id(index),
    fill: (index, out, offset) => out.set(samples[index]!, offset),
  };
}

/** Processor time of one run of the model over the images, in ms, the better of two. */
export async function plainCpuMs(model: Model, images: Dataset): Promise<number> {
  const size = images.shape.reduce((a, b) => a * b, 1);
  return runner.using(model, async (session) => {
    let best = Number.POSITIVE_INFINITY;
    for (let round = 0; round < 2; round++) {
      const before = cpuMs();
      for (let first = 0; first < images.length; first += 8) {
        const count = Math.min(8, images.length - first);
        const data = new Float32Array(count * size);
        for (let i = 0; i < count; i++) await images.fill(first + i, data, i * size);
        const dims = [count, ...images.shape];
        await session.run({ [session.inputNames[0]!]: { dtype: "float32", dims, data } });
      }
      best = Math.min(best, cpuMs() - before);
    }
    return best;
  });
}

/** Processor time of this process so far, all threads. */
export function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
