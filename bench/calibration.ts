/**
 * Calibration against plain inference over the same images: MobileNetV1 0.75 of the shared models, one process, in turns.
 *
 *   npm run bench calibration [rounds] [images] [threads]
 *
 * Every round runs plain inference, calibration by min-max and calibration with histograms once each, in turns; a run
 * opens and disposes its own session, as the command does. Printed: medians of the ratios round by round, of elapsed time
 * and of processor time. On a machine that does other work too only the second, with one thread, means much.
 */
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import * as ort from "onnxruntime-node";
import sharp from "sharp";
import {
  batches,
  type Calibration,
  calibrate,
  createRunner,
  type Dataset,
  type Model,
  parseModel,
  prepareModel,
  type QuantizeOptions,
  quantizationRequests,
} from "../packages/core/src/lab.js";
import { openDataset, sharpDecoder } from "../packages/core/src/node.js";

const SHARED = process.env.EQUANT_SHARED ?? fileURLToPath(new URL("../../shared", import.meta.url));
if (!existsSync(SHARED)) throw new Error(`${SHARED} is missing; set EQUANT_SHARED`);
const rounds = Number(process.argv[2] ?? 7);
const images = Number(process.argv[3] ?? 64);
const runner = createRunner(ort as never, { threads: Number(process.argv[4] ?? 2) });
const context = { runner };

/** The samples, decoded once: what is compared is the running, not the decoding that goes on beside it. */
async function inMemory(dataset: Dataset): Promise<Dataset> {
  const size = dataset.shape.reduce((a, b) => a * b, 1);
  const all = new Float32Array(size * dataset.length);
  for (let i = 0; i < dataset.length; i++) await dataset.fill(i, all, i * size);
  return {
    ...dataset,
    fill: (index, out, offset) => out.set(all.subarray(index * size, (index + 1) * size), offset),
  };
}

async function plain(model: Model, dataset: Dataset, batchSize: number): Promise<void> {
  await runner.using(model, async (session) => {
    for await (const batch of batches(dataset, { batchSize })) {
      await session.run({ input: { dtype: "float32", dims: batch.dims, data: batch.data } });
    }
  });
}

async function collect(model: Model, dataset: Dataset, options: QuantizeOptions): Promise<Calibration> {
  return calibrate(model, { requests: quantizationRequests(model, options) }, { ...context, data: dataset });
}

const model = parseModel(new Uint8Array(readFileSync(`${SHARED}/models/mobilenet_v1_0.75_224.onnx`)));
await prepareModel(model, context);
const opened = await openDataset(`${SHARED}/data/imagenet-sample`, {
  input: { shape: [3, 224, 224] },
  preprocess: { preset: "tf" },
  decode: sharpDecoder(sharp as never),
  samples: images,
});
const dataset = await inMemory(opened);

const tasks = {
  plain: () => plain(model, dataset, 8),
  "plain by 1": () => plain(model, dataset, 1),
  "min-max": () => collect(model, dataset, {}),
  histograms: () => collect(model, dataset, { calibrator: "mse" }),
};
const times = new Map(Object.keys(tasks).map((name) => [name, { elapsed: [] as number[], cpu: [] as number[] }]));
for (let round = -1; round < rounds; round++) {
  for (const [name, task] of Object.entries(tasks)) {
    const used = process.cpuUsage();
    const start = performance.now();
    await task();
    const elapsed = performance.now() - start;
    const { user, system } = process.cpuUsage(used);
    if (round < 0) continue;
    times.get(name)!.elapsed.push(elapsed);
    times.get(name)!.cpu.push((user + system) / 1000);
  }
}
const median = (values: number[]) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
const reference = times.get("plain")!;
for (const [name, { elapsed, cpu }] of times) {
  const ratios = elapsed.map((time, round) => time / reference.elapsed[round]!);
  const cpuRatios = cpu.map((time, round) => time / reference.cpu[round]!);
  process.stdout.write(
    `${name.padEnd(16)} ${(median(elapsed) / images).toFixed(2)} ms an image, ${median(ratios).toFixed(2)} × plain inference` +
      ` (${Math.min(...ratios).toFixed(2)}–${Math.max(...ratios).toFixed(2)});` +
      ` processor time ${(median(cpu) / images).toFixed(2)} ms, ${median(cpuRatios).toFixed(2)} ×` +
      ` (${Math.min(...cpuRatios).toFixed(2)}–${Math.max(...cpuRatios).toFixed(2)})\n`,
  );
}
process.stdout.write(`medians of ${rounds} rounds of ${images} images\n`);
