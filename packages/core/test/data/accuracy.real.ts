import { join } from "node:path";
import * as ort from "onnxruntime-node";
import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { batches, type PreprocessOptions } from "../../src/data/index.js";
import { openDataset, sharpDecoder } from "../../src/node.js";
import { SHARED, sharedData } from "./shared.js";

async function top1(model: string, set: string, shape: number[], preprocess: PreprocessOptions): Promise<number> {
  const data = await openDataset(sharedData(set), { input: { shape }, preprocess, decode: sharpDecoder(sharp) });
  const session = await ort.InferenceSession.create(join(SHARED, "models", model), { intraOpNumThreads: 2 });
  let correct = 0;
  for await (const batch of batches(data, { batchSize: 20 })) {
    const input = new ort.Tensor("float32", batch.data, batch.dims);
    const output = (await session.run({ [session.inputNames[0]!]: input }))[session.outputNames[0]!]!;
    const scores = output.data as Float32Array;
    const classes = scores.length / batch.count;
    for (let i = 0; i < batch.count; i++) {
      const row = scores.subarray(i * classes, (i + 1) * classes);
      if (row.indexOf(Math.max(...row)) === batch.labels![i]) correct++;
    }
  }
  await session.release();
  return (100 * correct) / data.length;
}

describe("float accuracy of the shared models through our own reading of the images", () => {
  // The figures of shared/models/README.md, measured there with Pillow and numpy.
  it.each([
    ["cifar_resnet20.onnx", "cifar10/test", [3, 32, 32], { preset: "imagenet" }, 81.35],
    ["mlperf_resnet8.onnx", "cifar10/test", [3, 32, 32], { preset: "raw" }, 76.4],
    ["mobilenet_v1_0.75_224.onnx", "imagenet-sample", [3, 224, 224], { preset: "tf" }, 84.6],
    ["mobilenet_v2_0.35_224_cifar10head.onnx", "cifar10/test", [3, 224, 224], { preset: "tf" }, 73.25],
  ] as const)("%s", async (model, set, shape, preprocess, expected) => {
    expect(await top1(model, set, [...shape], preprocess)).toBeCloseTo(expected, 6);
  });
});
