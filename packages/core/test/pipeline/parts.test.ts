import { stat } from "node:fs/promises";
import { join } from "node:path";
import * as ort from "onnxruntime-node";
import { expect, test } from "vitest";
import { OutputProbe } from "../../src/analyze/index.js";
import { randomDataset } from "../../src/data/index.js";
import { ints, type Model, serializeModel } from "../../src/graph/index.js";
import { modelFiles, readModel, writeModel } from "../../src/node.js";
import { compress, verifyModel } from "../../src/pipeline/index.js";
import { createRunner } from "../../src/runtime/index.js";
import { testModel } from "../helpers/build.js";
import { temporaryFolder } from "../helpers/folder.js";

const whole = createRunner(ort as never, { threads: 1 });
/** As if protobuf ended at 1 kB: every session gets its weights in parts, as models over 2 GB do. */
const parts = createRunner(ort as never, { threads: 1, maxEmbeddedBytes: 1000 });
const DATA = randomDataset([3, 8, 8], 12, 3, { min: -1, max: 1 });

/** Two convolutions with weights of over 64 kB, the least that becomes a part. */
function network(): Model {
  const test = testModel(5);
  const { builder, model } = test;
  const conv = (data: string, from: number, to: number, name: string) =>
    builder.node(
      "Conv",
      [data, test.random([to, from, 3, 3], `${name}.weight`, 0.1), test.random([to], `${name}.bias`, 0.2)],
      { kernel_shape: ints([3, 3]), pads: ints([1, 1, 1, 1]) },
      { name },
    );
  const wide = builder.node("Relu", [conv(builder.input("input", ["N", 3, 8, 8]), 3, 1024, "a")], {}, { name: "relu" });
  const narrow = conv(wide, 1024, 8, "b");
  builder.output(builder.node("Flatten", [builder.node("GlobalAveragePool", [narrow])]), "float32", ["N", 8]);
  return model;
}

test("compress gives the same model when sessions take the weights in parts; it is saved beside them and reopened", async () => {
  const result = await compress(network(), {}, { runner: parts, data: DATA });
  const expected = await compress(network(), {}, { runner: whole, data: DATA });
  expect(Buffer.compare(result.bytes, expected.bytes)).toBe(0);
  expect(result.verification).toEqual(expected.verification);

  const path = join(await temporaryFolder(), "model.onnx");
  const files = modelFiles(result.model, path, { maxInlineBytes: 1000 });
  expect(files.map((file) => file.path)).toEqual([`${path}.data`, path]);
  await writeModel(result.model, path, { externalData: "all" });
  for (const file of files) expect((await stat(file.path)).size).toBe(file.bytes);
  expect(files[1]!.bytes).toBeLessThan(10_000);
  const read = await readModel(path);
  expect(Buffer.compare(serializeModel(read), result.bytes)).toBe(0);
});

test("verifyModel reopens in parts what is saved in parts", async () => {
  const float = network();
  const probe = await OutputProbe.of(float, DATA, { runner: whole });
  const { model } = await compress(float, { steps: [{ use: "quantize" }] }, { runner: whole, data: DATA });
  const verification = await verifyModel(model, probe, { runner: parts }, 1000);
  expect(verification).toEqual(await verifyModel(model, probe, { runner: whole }));
  expect(verification.samples).toBe(12);
});
