// The experiment of equalizeLayers (a MobileNetV2 on CIFAR-10 that collapses in int8): accuracy of the original, the quantized, and the
// equalized and quantized network, and the weight ranges of the first depthwise layer by filter, before and after.
//
//   npm run example:equalize -- [MODEL CALIBRATION LABELLED PRESET]
//
// Without arguments: the network and images of ../shared, where they exist; else the embedded digits with unbalanced channels.
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import {
  COMPRESS_RECIPE,
  calibrate,
  cloneModel,
  compress,
  createRunner,
  DIGIT_SPLIT,
  digitDataset,
  equalize,
  equalizeValues,
  fiveNumbers,
  forEachWeight,
  linearLayers,
  observeShapes,
  parseModel,
  prepareModel,
  Tensor,
  validateModels,
  zeroFeeds,
} from "@equant/core/lab";
import { openDataset, sharpDecoder } from "@equant/core/node";
import * as ort from "onnxruntime-node";
import sharp from "sharp";

const runner = createRunner(ort);
const context = { runner };
const shared = new URL("../../shared/", import.meta.url).pathname;
const { model, calibration, labelled } = await input(process.argv.slice(2));

/** One scale a tensor, which a network of unlike channels does not survive. */
const perTensor = { use: "quantize", granularity: "per-tensor" };
const plain = await quantized(model, [{ use: "fold" }, perTensor]);
const equalized = await quantized(model, [{ use: "fold" }, { use: "equalize", keep: "always" }, perTensor]);
const complete = await quantized(
  model,
  COMPRESS_RECIPE.map((step) => (step.use === "quantize" ? { ...step, ...perTensor } : step)),
);
/** @type {[string, number][]} */
const rows = [
  ["Original network", plain.baseline.top1],
  ["Quantized original network", plain.candidate.top1],
  ["Quantized equalized network", equalized.candidate.top1],
  ["The same with dead channels removed and biases corrected", complete.candidate.top1],
];
print("Test data accuracy, weights int8 per tensor");
for (const [name, top1] of rows) print(`  ${name.padEnd(58)}${(100 * top1).toFixed(2).padStart(7)} %`);

const folded = cloneModel(model);
await prepareModel(folded, context);
const shapes = await observeShapes(folded, zeroFeeds(folded), { runner });
const requests = equalizeValues(folded, shapes).map((value) => ({
  value,
  moments: true,
  exactMinimum: false,
  histogram: false,
}));
const stats = (await calibrate(folded, { requests }, { ...context, data: calibration })).activationStats();
const before = firstDepthwise(folded);
await equalize({ stats, shapes })(folded, context);
const after = firstDepthwise(folded);
print(`\nWeight ranges of ${before.name} by filter: minimum, quartiles, maximum`);
print(`  ${"filter".padEnd(8)}${"before".padEnd(46)}after`);
before.filters.forEach((filter, index) => {
  print(`  ${String(index).padEnd(8)}${range(filter).padEnd(46)}${range(after.filters[index])}`);
});

function print(line) {
  process.stdout.write(`${line}\n`);
}

async function quantized(source, steps) {
  const { bytes } = await compress(source, { ...(steps && { steps }) }, { ...context, data: calibration });
  return validateModels(parseModel(bytes), { baseline: source, latency: false }, { ...context, data: labelled });
}

function range(values) {
  const { min, q1, median, q3, max } = fiveNumbers(values);
  return [min, q1, median, q3, max].map((value) => value.toFixed(3).padStart(8)).join(" ");
}

function firstDepthwise(network) {
  const layers = linearLayers(network.graph);
  const layer = layers.find(({ depthwise }) => depthwise) ?? layers[0];
  const filters = Array.from({ length: layer.outChannels }, () => []);
  const weights = layer.tensor.array();
  forEachWeight(layer, (flat, out) => filters[out].push(weights[flat]));
  return { name: layer.node.name, filters };
}

async function input(args) {
  const defaults = ["models/mobilenet_v2_0.35_224_cifar10head.onnx", "data/cifar10/calib", "data/cifar10/test"].map(
    (path) => shared + path,
  );
  const [path, calibrationPath, labelledPath, preset = "tf"] = args.length > 0 ? args : defaults;
  if (!existsSync(path)) return digits();
  const source = parseModel(await readFile(path), { file: path });
  const shape = source.graph.inputs[0].shape.slice(1).map(Number);
  const open = (folder, samples = undefined) =>
    openDataset(folder, {
      input: { shape },
      preprocess: { preset },
      decode: sharpDecoder(sharp),
      ...(samples && { samples }),
    });
  return { model: source, calibration: await open(calibrationPath, 100), labelled: await open(labelledPath) };
}

/** The digit network with its channels scaled apart by up to 2^16: the same function, and a range no 8 bits can hold. */
async function digits() {
  const source = parseModel(await readFile(new URL("../packages/cli/assets/digits.onnx", import.meta.url)));
  const [first, second] = linearLayers(source.graph);
  const factor = (channel) => 2 ** (16 * (channel / (first.outChannels - 1)) - 8);
  const weights = Float32Array.from(first.tensor.numbers());
  forEachWeight(first, (flat, out) => {
    weights[flat] *= factor(out);
  });
  const bias = Float32Array.from(
    source.graph.initializers.get(first.bias).numbers(),
    (value, channel) => value * factor(channel),
  );
  const next = Float32Array.from(second.tensor.numbers());
  forEachWeight(second, (flat, _out, inputChannel) => {
    next[flat] /= factor(inputChannel);
  });
  source.graph.initializers.set(first.weight, Tensor.float32(first.tensor.dims, weights));
  source.graph.initializers.set(first.bias, Tensor.float32([bias.length], bias));
  source.graph.initializers.set(second.weight, Tensor.float32(second.tensor.dims, next));
  const { train, heldOut } = DIGIT_SPLIT;
  return { model: source, calibration: digitDataset({ ...train, count: 100 }), labelled: digitDataset(heldOut) };
}
