/**
 * Peak memory of calibration with histograms, MobileNetV1 0.75 of the shared models: 500 images against 50.
 *
 *   npm run bench calibration-memory [images ...]
 *
 * Every number of images runs in a process of its own, whose peak resident size the operating system reports. The input is
 * generated sample by sample, so that the images themselves take no memory.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import * as ort from "onnxruntime-node";
import {
  calibrate,
  createRunner,
  parseModel,
  prepareModel,
  quantizationRequests,
  randomDataset,
} from "../packages/core/src/lab.js";

const SHARED = process.env.EQUANT_SHARED ?? "../shared";
if (!existsSync(SHARED)) throw new Error(`${SHARED} is missing; set EQUANT_SHARED`);

async function peakOf(images: number): Promise<number> {
  const context = { runner: createRunner(ort as never, { threads: 2 }) };
  const model = parseModel(new Uint8Array(readFileSync(`${SHARED}/models/mobilenet_v1_0.75_224.onnx`)));
  await prepareModel(model, context);
  const dataset = randomDataset([3, 224, 224], images, 1, { min: -1, max: 1 });
  await calibrate(
    model,
    { requests: quantizationRequests(model, { calibrator: "mse" }) },
    { ...context, data: dataset },
  );
  return process.resourceUsage().maxRSS / 1024;
}

if (process.argv[2] === "--peak") process.stdout.write(String(await peakOf(Number(process.argv[3]))));
else {
  const numbers = process.argv.length > 2 ? process.argv.slice(2).map(Number) : [50, 500];
  const peaks = numbers.map((images) => {
    const { stdout } = spawnSync(process.execPath, [process.argv[1]!, "--peak", String(images)], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const peak = Number(stdout.toString());
    process.stdout.write(`${images} images: peak ${peak.toFixed(0)} MB\n`);
    return peak;
  });
  process.stdout.write(`ratio ${(peaks.at(-1)! / peaks[0]!).toFixed(3)}\n`);
}
