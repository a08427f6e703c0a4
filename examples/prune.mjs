// The story of MathWorks' page "Parameter Pruning and Quantization of Image Classification Network", with its tables: a digit network is
// pruned in ten steps by magnitude and by synaptic flow, the pruned one is looked at layer by layer and class by class, then quantized.
//
//   npm run example:prune -- [--data DIR] [--seed N] [--iteration N]
//
// Without --data: the embedded digits and the embedded network. With it (IDX data such as MNIST): a network is trained first.
import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import {
  buildDigitNetwork,
  cachedDataset,
  calibrate,
  cloneModel,
  createRunner,
  DIGIT_SPLIT,
  digitDataset,
  learnableParameters,
  linearLayers,
  measureTop1,
  parseModel,
  prepareModel,
  prune,
  quantizationRequests,
  quantize,
  splitByClass,
  train,
  validateModels,
} from "@equant/core/lab";
import { openDataset } from "@equant/core/node";
import * as ort from "onnxruntime-node";

const { values: options } = parseArgs({
  options: {
    data: { type: "string" },
    seed: { type: "string", default: "0" },
    iteration: { type: "string", default: "8" },
  },
});
const seed = Number(options.seed);
const selected = Number(options.iteration);
const context = { runner: createRunner(ort) };
const CACHE = 1e9;

// Load pretrained network and data.
const { network, training, validation } = await load();
const evaluate = (model) => measureTop1(model, {}, { ...context, data: validation });
const accuracy = await evaluate(network);
print(`Accuracy of the original network: ${percent(accuracy)} on ${validation.length} validation images`);
const sizes = learnableParameters(network.graph).map(({ name }) => network.graph.initializers.get(name).size);
print(`Learnable parameters: ${sizes.join(" + ")} = ${sizes.reduce((a, b) => a + b)}`);

// Iterative pruning: ten steps to 90 %, scores by magnitude and by synaptic flow. No training data is needed.
/** @type {import("@equant/core/lab").PruneMethod[]} */
const methods = ["magnitude", "synflow"];
const pruned = {};
for (const method of methods) {
  pruned[method] = await prune(network, { method, sparsity: 0.9, steps: 10, schedule: "linear", evaluate }, context);
}
print("\nPruning accuracy");
table(
  ["iteration", "sparsity", "original", ...methods],
  pruned.magnitude.iterations.map(({ iteration, sparsity }, k) => [
    iteration,
    percent(sparsity, 1),
    percent(accuracy),
    ...methods.map((method) => percent(pruned[method].iterations[k].accuracy)),
  ]),
);

// Structure of the pruned network that was chosen.
const steps = 10;
const chosen = await prune(
  network,
  { method: "synflow", sparsity: (0.9 * (selected - 1)) / (steps - 1), steps: selected, evaluate },
  context,
);
const last = chosen.iterations.at(-1);
print(`\nSynFlow, iteration ${selected}: sparsity ${percent(last.sparsity, 1)} by layer`);
table(
  ["layer", "parameters", "sparsity", "channels pruned", "channels kept", "channels"],
  last.layers.map((layer) => [
    layer.layer,
    layer.parameters,
    percent(layer.sparsity, 1),
    layer.removedChannels.length,
    layer.remainingChannels,
    layer.channels,
  ]),
);

// Quantize the pruned network: calibrated on 10 % of the training data of every class, validated on the validation data.
const [calibrationData] = splitByClass(training, 0.1, seed);
const integer = cloneModel(chosen.model);
await prepareModel(integer, context);
/** @type {import("@equant/core").QuantizeOptions} */
const settings = { target: "ort-cpu", granularity: "per-channel" };
const calibration = await calibrate(
  integer,
  { requests: quantizationRequests(integer, settings) },
  { ...context, data: calibrationData },
);
await quantize({ calibration, ...settings })(integer, context);
const toPruned = await compare(chosen.model, network);
const toQuantized = await compare(integer, network);
const onPruned = await compare(integer, chosen.model);
print(`\nNetworks, calibrated on ${calibrationData.length} images`);
table(
  ["network", "accuracy", "drop", "bytes", "zeros"],
  [
    ["original", percent(accuracy), "", toPruned.baseline.bytes, percent(zeros(network), 1)],
    [
      "pruned",
      percent(toPruned.candidate.top1),
      points(toPruned.drop),
      toPruned.candidate.bytes,
      percent(zeros(chosen.model), 1),
    ],
    [
      "pruned and quantized",
      percent(toQuantized.candidate.top1),
      points(toQuantized.drop),
      toQuantized.candidate.bytes,
      percent(zeros(integer), 1),
    ],
  ],
);
print(
  `Quantizing the pruned network changed ${points(onPruned.drop)}, ${percent(onPruned.agreement)} of the answers stayed, SQNR ${onPruned.logitSqnrDb.toFixed(1)} dB`,
);

confusion("original", toPruned.baseline);
confusion("pruned", toPruned.candidate);
confusion("pruned and quantized", toQuantized.candidate);

// Is the drop the same for every class?
print("\nBias test (chi-square, is the drop equal over the classes?)");
table(
  ["network", "chi-square", "p", "equal drop", "lost most"],
  [
    ["pruned", ...bias(toPruned)],
    ["pruned and quantized", ...bias(toQuantized)],
  ],
);

async function load() {
  if (options.data === undefined) {
    return {
      network: parseModel(await readFile(new URL("../packages/cli/assets/digits.onnx", import.meta.url))),
      training: digitDataset(DIGIT_SPLIT.train),
      validation: cachedDataset(digitDataset(DIGIT_SPLIT.heldOut), CACHE),
    };
  }
  const all = await openDataset(options.data, { input: { shape: [1, 28, 28] }, preprocess: { preset: "zero-one" } });
  const [learning, held] = splitByClass(cachedDataset(all, CACHE), 0.75, seed);
  const { model } = await train(buildDigitNetwork(seed), { seed }, { ...context, data: learning });
  return { network: model, training: learning, validation: cachedDataset(held, CACHE) };
}

function compare(candidate, baseline) {
  return validateModels(candidate, { baseline, latency: false, batchSize: 128 }, { ...context, data: validation });
}

/** Share of zeros among the weights; integer ones are zero at their zero point. */
function zeros(model) {
  let [count, total] = [0, 0];
  const dequantizers = new Map(
    model.graph.nodes.filter(({ opType }) => opType === "DequantizeLinear").map((node) => [node.outputs[0], node]),
  );
  const weights = linearLayers(model.graph).map(({ weight }) => [weight, 0]);
  for (const node of model.graph.nodes) {
    const source = dequantizers.get(node.inputs[1]);
    if (source && ["Conv", "Gemm"].includes(node.opType)) weights.push([source.inputs[0], source.inputs[2]]);
  }
  for (const [name, zeroPoint] of weights) {
    const zero = zeroPoint ? model.graph.initializers.get(zeroPoint).array()[0] : 0;
    for (const value of model.graph.initializers.get(name).array()) {
      total++;
      if (value === zero) count++;
    }
  }
  return count / total;
}

function confusion(name, { accuracy }) {
  print(`\nConfusion of the ${name} network (rows: true class, columns: answer)`);
  const { classes, entries } = accuracy.confusion;
  const matrix = Array.from({ length: classes }, () => new Array(classes).fill("."));
  for (const [truth, answer, count] of entries) matrix[truth][answer] = count;
  table(
    ["", ...matrix.keys()],
    matrix.map((row, truth) => [truth, ...row]),
  );
}

function bias({ evenDrop, worstClasses }) {
  if (!evenDrop) return ["", "", "", ""];
  const { statistic, p } = evenDrop;
  const worst = worstClasses.slice(0, 3).map((entry) => `${entry.class}: ${points(entry.drop)}`);
  return [statistic.toFixed(1), p.toPrecision(2), p < 0.05 ? "no" : "yes", worst.join(", ")];
}

function percent(value, digits = 2) {
  return `${(100 * value).toFixed(digits)} %`;
}

function points(value) {
  return `${(-100 * value).toFixed(2)} pp`;
}

function print(line) {
  process.stdout.write(`${line}\n`);
}

function table(head, rows) {
  const all = [head, ...rows].map((row) => row.map(String));
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column].length)));
  for (const row of all) {
    print(
      `  ${row.map((cell, column) => (column === 0 ? cell.padEnd(widths[column]) : cell.padStart(widths[column]))).join("  ")}`,
    );
  }
}
