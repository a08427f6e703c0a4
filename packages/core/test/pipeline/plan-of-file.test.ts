import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { measureSqnr } from "../../src/analyze/index.js";
import { channelFlow } from "../../src/channels/index.js";
import { type Dataset, randomDataset } from "../../src/data/index.js";
import { applyFactors, scaleClasses } from "../../src/equalize/index.js";
import { cloneModel, type Model, parseModel, Tensor } from "../../src/graph/index.js";
import { advise, emulatedNetwork, OutputProbe, planOfFile } from "../../src/lab.js";
import { createRandom } from "../../src/math/index.js";
import { observeShapes, zeroFeeds } from "../../src/runtime/index.js";
import { NETWORKS } from "../helpers/networks.js";
import { calibrated, quantized, runner } from "../helpers/quantized.js";

const context = { runner };
const DATA = randomDataset([3, 8, 8], 16, 5, { min: -1, max: 1 });
const fixture = (name: string) =>
  parseModel(readFileSync(new URL(`../../../../fixtures/quantized/${name}.onnx`, import.meta.url)));

/** Output SQNR of the file run literally, and of what was read of it. */
async function outputs(file: Model, float: Model, read: Awaited<ReturnType<typeof planOfFile>>, data: Dataset = DATA) {
  const probe = await OutputProbe.of(float, data, context);
  const [own, plan] = [
    await probe.measure(file, context, { optimization: "disabled" }),
    await probe.measure(emulatedNetwork(read.model, read.plan), context),
  ];
  return { file: own.sqnrDb, read: plan.sqnrDb };
}

describe("files of onnxruntime's quantize_static", () => {
  const cases = [
    ["ort-tensor-uint8", true, 1],
    ["ort-tensor-int8", true, 1],
    ["ort-channel-uint8", true, 8],
    ["ort-channel-int8-unfolded", false, 8],
  ] as const;
  for (const [name, folded, scales] of cases) {
    it(`${name}: every layer and value is found, and the loss is explained`, async () => {
      const [file, float] = [fixture(name), fixture("float")];
      const read = await planOfFile(file, { float }, { ...context, data: DATA });
      expect(read.unmatched).toEqual([]);
      expect(read.plan.placement.skipped).toEqual([]);
      expect(read.layers.map(({ layer }) => layer).sort()).toEqual(["conv1", "conv2", "conv3", "fc"]);
      expect(Math.min(...read.layers.map(({ weightCosine }) => weightCosine))).toBeGreaterThan(0.99);
      expect(read.state.folded.includes("batchNorms")).toBe(folded);
      expect(read.state.equalizedClasses).toBe(0);
      expect(read.plan.parameters[0]!.weight.encoding.scale).toHaveLength(scales);
      // onnxruntime leaves Relu out before a uint8 pair: the encoding then lies on the float network's Relu.
      expect(read.plan.activations.has("relu2_out")).toBe(true);
      const { file: own, read: plan } = await outputs(file, float, read);
      expect(Math.abs(own - plan)).toBeLessThan(0.3);
    });
  }

  it("names the planted layer first: its channel sets the scale for all", async () => {
    const [file, float] = [fixture("ort-tensor-uint8"), fixture("float")];
    const { model, plan } = await planOfFile(file, { float }, { ...context, data: DATA });
    const sqnr = await measureSqnr(model, { plan }, { ...context, data: DATA });
    const calibration = await calibrated(model, DATA, {});
    const { findings } = await advise(
      model,
      { calibration, plan, quantize: undefined, sqnr },
      { ...context, data: DATA },
    );
    expect(findings[0]).toMatchObject({ layer: "conv2", kind: "dominantWeightChannel", channel: 3 });
    expect(findings[0]!.remedies.map(({ remedy }) => remedy)).toEqual(["float"]);
    // One scale a channel mends the weights: from the same float model, another file.
    const other = await planOfFile(fixture("ort-channel-uint8"), { float }, { ...context, data: DATA });
    const mended = await measureSqnr(other.model, { plan: other.plan }, { ...context, data: DATA });
    const weights = (report: typeof sqnr) => report.layers.find(({ layer }) => layer === "conv2")!.local.weights;
    expect(weights(mended) - weights(sqnr)).toBeGreaterThan(10);
  });
});

describe("our own files", () => {
  for (const name of Object.keys(NETWORKS)) {
    it(`${name}: the same ratios as from the plan itself`, async () => {
      const float = NETWORKS[name]!();
      const { model, plan } = await quantized(cloneModel(float), DATA, {});
      const expected = await measureSqnr(float, { plan }, { ...context, data: DATA });
      const read = await planOfFile(model, { float }, { ...context, data: DATA });
      const found = await measureSqnr(read.model, { plan: read.plan }, { ...context, data: DATA });
      expect(found.layers.length).toBe(expected.layers.length);
      for (const [at, layer] of found.layers.entries()) {
        const other = expected.layers[at]!;
        expect(layer.layer).toBe(other.layer);
        for (const kind of ["weights", "activations", "both"] as const) {
          expect(Math.abs((layer.local[kind] ?? 0) - (other.local[kind] ?? 0))).toBeLessThan(0.1);
          expect(Math.abs((layer.cumulative![kind] ?? 0) - (other.cumulative![kind] ?? 0))).toBeLessThan(0.1);
        }
      }
    });
  }

  it("equalization is read from the weights, factor by factor", async () => {
    const float = NETWORKS.residual!();
    const scaled = cloneModel(float);
    const shapes = await observeShapes(scaled, zeroFeeds(scaled), { runner });
    const classes = scaleClasses(channelFlow(scaled.graph, shapes));
    const random = createRandom(3);
    const factors = classes.classes.map(({ pinned }) =>
      Float64Array.from(pinned, (reason) => (reason === undefined ? 2 ** (6 * random.uniform() - 3) : 1)),
    );
    applyFactors(scaled, classes, factors);
    const before = cloneModel(scaled);
    const { model } = await quantized(scaled, DATA, { granularity: "per-channel" });
    const read = await planOfFile(model, { float }, { ...context, data: DATA });
    expect(read.state.equalizedClasses).toBeGreaterThan(0);
    // The float network was brought to the file's state: its weights are those before quantization.
    for (const [name, tensor] of before.graph.initializers) {
      const found = read.model.graph.initializers.get(name);
      if (!found || tensor.dtype !== "float32") continue;
      const [a, b] = [tensor.array() as Float32Array, found.array() as Float32Array];
      const largest = a.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      for (let at = 0; at < a.length; at++) expect(Math.abs(a[at]! - b[at]!)).toBeLessThan(0.02 * largest);
    }
    const { file, read: plan } = await outputs(model, float, read);
    expect(file).toBeGreaterThan(15);
    expect(Math.abs(file - plan)).toBeLessThan(0.5);
  });

  it("rounding of 3 bits is not taken for equalization", async () => {
    const float = NETWORKS.chain!();
    const { model } = await quantized(cloneModel(float), DATA, { weightBits: 3 });
    expect((await planOfFile(model, { float }, { ...context, data: DATA })).state.equalizedClasses).toBe(0);
  });

  it("another network of the same shapes is no counterpart", async () => {
    const { model } = await quantized(NETWORKS.chain!(), DATA, {});
    const other = NETWORKS.chain!();
    const random = createRandom(99);
    for (const [name, tensor] of other.graph.initializers) {
      if (tensor.dtype !== "float32" || tensor.size < 20) continue;
      const values = Float32Array.from({ length: tensor.size }, () => random.normal());
      other.graph.initializers.set(name, Tensor.float32(tensor.dims, values));
    }
    await expect(planOfFile(model, { float: other }, { ...context, data: DATA })).rejects.toMatchObject({
      code: "E4005",
      details: { actual: [expect.stringContaining("nothing in common"), expect.anything(), expect.anything()] },
    });
  });
});
