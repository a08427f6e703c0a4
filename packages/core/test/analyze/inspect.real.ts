import { expect, test } from "vitest";
import { inspectModel, observeShapes, zeroFeeds } from "../../src/lab.js";
import { readModel } from "../../src/node.js";
import { runner } from "../helpers/runner.js";
import { type SHARED_MODELS, sharedModel } from "../helpers/shared.js";

/**
 * Parameters, with statistics, as the models' own README states them. Operations as equant counts them; rounded they are
 * the published ones where there are any (MobileNetV1 0.75: 325 M, ResNet-20: 41 M, MLPerf Tiny: 12.5 M, 7.5 M, 0.26 M).
 */
const FACTS: [(typeof SHARED_MODELS)[number], number, number, number][] = [
  ["ad_autoencoder", 267_928, 269_992, 264_192],
  ["cifar_resnet20", 269_722, 271_098, 40_551_040],
  ["mlperf_resnet8", 78_186, 78_666, 12_501_632],
  ["mobilenet_v1_0.75_224", 2_585_560, 2_601_976, 325_400_448],
  ["mobilenet_v2_0.35_224_cifar10head", 408_938, 423_018, 58_018_608],
  ["vww_mobilenet_025", 216_322, 221_794, 7_489_664],
];

test.each(FACTS)("%s has the parameters and operations that are known", async (name, parameters, all, macs) => {
  const model = await readModel(sharedModel(name));
  const report = await inspectModel(model, { shapes: await observeShapes(model, zeroFeeds(model), { runner }) });
  expect(report).toMatchObject({ parameters, parametersWithStatistics: all, macs, opset: 17, quantized: false });
  const batchNorms = model.graph.nodes.filter(({ opType }) => opType === "BatchNormalization").length;
  expect(report.findings.find(({ kind }) => kind === "batchNorms")?.count).toBe(batchNorms);
});

test("the ranges that make MobileNetV1 collapse per tensor are found", async () => {
  const report = await inspectModel(await readModel(sharedModel("mobilenet_v1_0.75_224")));
  const found = Object.fromEntries(report.findings.map((finding) => [finding.kind, finding]));
  expect(found.rangeSpread?.names[0]).toBe("conv_dw_1");
  expect(found.rangeSpread?.message).toMatch(/up to 1954x/);
  expect(found.boundedRelu?.count).toBe(27);
  // Ten of the first 24 channels are dead.
  expect(report.weights[0]).toMatchObject({ name: "conv1", deadChannels: 10 });
});
