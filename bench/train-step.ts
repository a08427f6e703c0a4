/**
 * Training step of the digit network, batch 128, 2 threads: equant on onnxruntime-node against PyTorch, in turns in one run.
 *
 *   npx esbuild bench/train-step.ts --bundle --platform=node --format=esm --external:onnxruntime-node --outfile=build/train-step.mjs
 *   node build/train-step.mjs [rounds] [python]
 *
 * A round times 10 steps of each, one process waiting while the other works. The step is fed and fetched as in training:
 * batch, parameters and momentum go in, new parameters and momentum come out.
 */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import * as ort from "onnxruntime-node";
import { observeBatchShapes } from "../packages/core/src/gradient/index.js";
import { createRunner, type HostTensor } from "../packages/core/src/runtime/index.js";
import { buildDigitNetwork } from "../packages/core/src/train/digit-network.js";
import { fresh } from "../packages/core/src/train/feeds.js";
import { poolBeforeRelu } from "../packages/core/src/train/pool-first.js";
import { buildStepGraph } from "../packages/core/src/train/step-graph.js";

const BATCH = 128;
const STEPS = 10;
const rounds = Number(process.argv[2] ?? 30);
const python = spawn(process.argv[3] ?? "python3", ["bench/train_step.py"], { stdio: ["pipe", "pipe", "inherit"] });
const lines = createInterface({ input: python.stdout })[Symbol.asyncIterator]();

async function torchSteps(): Promise<number[]> {
  python.stdin.write(`${STEPS}\n`);
  const { value } = await lines.next();
  return String(value).split(" ").map(Number);
}

const runner = createRunner(ort as never, { threads: 2 });
const model = buildDigitNetwork(0);
poolBeforeRelu(model.graph);
const parameters = [...model.graph.initializers.keys()];
const step = buildStepGraph({
  model,
  input: "input",
  output: "logits",
  loss: { type: "cross-entropy" },
  optimizer: { type: "sgd" },
  parameters,
  masks: new Map(),
  statistics: new Map(),
  shapes: await observeBatchShapes(runner, model),
});
const session = await runner.open(step.model);
let state = fresh(model, step, new Map());
const images = Float32Array.from({ length: BATCH * 784 }, (_, i) => ((i * 7919) % 1000) / 1000);
const data: Record<string, HostTensor> = {
  input: { dtype: "float32", dims: [BATCH, 1, 28, 28], data: images },
  [step.labels!]: { dtype: "int32", dims: [BATCH], data: Int32Array.from({ length: BATCH }, (_, i) => i % 10) },
  "train/rate": { dtype: "float32", dims: [], data: Float32Array.of(0.01) },
};

async function equantSteps(): Promise<number[]> {
  const times: number[] = [];
  for (let i = 0; i < STEPS; i++) {
    const start = performance.now();
    const results = await session.run({ ...data, ...state });
    state = {};
    for (const [from, to] of [...step.parameters, ...step.states]) state[from] = results[to]!;
    times.push(performance.now() - start);
  }
  return times;
}

const median = (values: number[]) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
await torchSteps();
await equantSteps();
const [torch, equant, ratios]: number[][] = [[], [], []];
for (let round = 0; round < rounds; round++) {
  const theirs = await torchSteps();
  const ours = await equantSteps();
  torch!.push(...theirs);
  equant!.push(...ours);
  ratios!.push(median(ours) / median(theirs));
}
python.stdin.end();
await session.dispose();
const report = (name: string, values: number[]) =>
  `${name}: median ${median(values).toFixed(2)} ms, fastest ${Math.min(...values).toFixed(2)} ms`;
process.stdout.write(
  `${report("PyTorch", torch!)}\n${report("equant", equant!)}\n` +
    `ratio of medians a round: median ${median(ratios!).toFixed(2)}, of fastest steps ${(Math.min(...equant!) / Math.min(...torch!)).toFixed(2)}\n`,
);
