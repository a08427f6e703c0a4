/**
 * What `compress` runs and costs against plain inference over the same images, in one process.
 *
 *   npm run bench compress [model] [images] [preset] [threads] [granularity]
 *
 * Printed: processor time, sessions and samples run of every phase, the ratio to plain inference (elapsed and processor time), and the
 * output SQNR of the result on images behind those that it learned from. On a machine that does other work too only processor time
 * with one thread and the counts mean much.
 */
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import * as ort from "onnxruntime-node";
import sharp from "sharp";
import {
  COMPRESS_RECIPE,
  compress,
  createRunner,
  Feed,
  forEachBatch,
  OutputProbe,
  parseModel,
  type Runner,
  subset,
} from "../packages/core/src/lab.js";
import { openDataset, sharpDecoder } from "../packages/core/src/node.js";

const SHARED = process.env.EQUANT_SHARED ?? fileURLToPath(new URL("../../shared", import.meta.url));
if (!existsSync(SHARED)) throw new Error(`${SHARED} is missing; set EQUANT_SHARED`);
const [name = "mobilenet_v1_0.75_224", images = "100", preset = "tf", threads = "1", granularity = "per-channel"] =
  process.argv.slice(2);

let sessions = 0;
let samples = 0;
const plainRunner = createRunner(ort as never, { threads: Number(threads) });
const runner: Runner = {
  ...plainRunner,
  async using(model, use, options) {
    sessions++;
    return plainRunner.using(
      model,
      (session) =>
        use({
          ...session,
          run(feeds, more) {
            samples += Object.values(feeds)[0]?.dims[0] ?? 1;
            return session.run(feeds, more);
          },
        }),
      options,
    );
  },
};

interface Cost {
  readonly phase: string;
  readonly cpuMs: number;
  readonly ms: number;
  readonly sessions: number;
  readonly samples: number;
}

async function costOf<T>(phase: string, work: () => Promise<T>): Promise<{ value: T; cost: Cost }> {
  const before = { sessions, samples, cpu: process.cpuUsage(), at: performance.now() };
  const value = await work();
  const { user, system } = process.cpuUsage(before.cpu);
  const counts = { sessions: sessions - before.sessions, samples: samples - before.samples };
  const ms = Math.round(performance.now() - before.at);
  return { value, cost: { phase, cpuMs: Math.round((user + system) / 1000), ms, ...counts } };
}

const model = parseModel(new Uint8Array(readFileSync(existsSync(name) ? name : `${SHARED}/models/${name}.onnx`)));
const all = await openDataset(`${SHARED}/data/imagenet-sample`, {
  input: { shape: [3, 224, 224] },
  preprocess: { preset: preset as "tf" },
  decode: sharpDecoder(sharp as never),
});
const step = Math.max(1, Math.floor(all.length / Number(images)));
const learned = Array.from({ length: all.length }, (_, at) => at)
  .filter((at) => at % step === 0)
  .slice(0, Number(images));
const others = Array.from({ length: all.length }, (_, at) => at)
  .filter((at) => !learned.includes(at))
  .slice(0, 64);
const data = subset(all, learned);
const context = { runner, data };

async function infer(): Promise<void> {
  const feed = await Feed.of(model, data, context);
  await runner.using(model, (session) => forEachBatch(session, feed, {}, context, () => undefined));
}

await infer();
const { cost: plain } = await costOf("plain inference", infer);
const costs: Cost[] = [];
const steps = COMPRESS_RECIPE.map((own) =>
  own.use === "quantize" ? { ...own, granularity: granularity as "per-channel" } : own,
);
const { value: result, cost: total } = await costOf("compress", () =>
  compress(
    model,
    {
      steps,
      async phase(phase, work) {
        const { value, cost } = await costOf(phase, work);
        costs.push(cost);
        return value;
      },
    },
    context,
  ),
);
console.table([plain, ...costs, total]);
console.log(
  `compress ÷ plain inference: ${(total.cpuMs / plain.cpuMs).toFixed(1)} × processor time, ${(total.ms / plain.ms).toFixed(1)} × elapsed`,
);
for (const { step: use, kept, note } of result.steps) console.log(`${kept ? "kept  " : "undone"} ${use}: ${note}`);
if (others.length > 0) {
  const probe = await OutputProbe.of(model, subset(all, others), context, others.length);
  const { sqnrDb, agreement } = await probe.measure(result.model, context);
  console.log(
    `on ${others.length} other images: ${sqnrDb.toFixed(2)} dB, ${(100 * (agreement ?? 0)).toFixed(1)} % same answer; ${result.bytes.length} bytes`,
  );
}
