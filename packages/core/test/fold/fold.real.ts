import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { runner } from "../helpers/runner.js";
import { fold, parseModel, serializeModel, type Transform, transform, upgradeOpset } from "./core.js";
import { opTypes, randomFeeds, runBytes } from "./helpers.js";

const shared = process.env.EQUANT_SHARED ?? join(import.meta.dirname, "../../../../../shared");
const folder = join(shared, "models");
const files = existsSync(folder) ? readdirSync(folder).filter((file) => file.endsWith(".onnx")) : [];

/** Networks that become bare layers and activations. The others keep what computes their shapes, masks and boxes. */
const BARE = [
  ...[
    "ad_autoencoder",
    "cifar_resnet20",
    "mlperf_resnet8",
    "mobilenet_v1_0.75_224",
    "mobilenet_v2_0.35_224_cifar10head",
  ],
  ...["mobilenet_v2_1.0_224", "vww_mobilenet_025"],
].map((name) => `${name}.onnx`);

test("the models are there", () => {
  expect(files.filter((file) => BARE.includes(file))).toHaveLength(BARE.length);
});

describe.each(files)("%s", (file) => {
  test("outputs differ by at most 1e-4 of their range, and no BatchNormalization is left", async () => {
    const bytes = new Uint8Array(readFileSync(join(folder, file)));
    const model = parseModel(bytes, { file });
    const feeds = randomFeeds(model);
    const expected = await runBytes(bytes, feeds);
    const [upgraded, report] = await transform(model, [upgradeOpset(), fold()] as Transform[], { runner });
    expect(upgraded).toMatchObject({ modified: false });
    if (BARE.includes(file)) expect(report).toMatchObject({ modified: true, skipped: [] });
    const actual = await runBytes(serializeModel(model), feeds);
    for (const [name, { data }] of Object.entries(expected)) {
      const values = Array.from(data, Number);
      // Not spread: outputs may have more values than a call takes arguments.
      const largest = (numbers: readonly number[]) =>
        numbers.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
      const range = largest(values) + largest(values.map((value) => -value));
      const differences = values.map((value, i) => Math.abs(value - Number(actual[name]!.data[i])));
      expect(largest(differences)).toBeLessThanOrEqual(1e-4 * range);
    }
    const left = new Set(opTypes(model));
    expect(left).not.toContain("BatchNormalization");
    if (!BARE.includes(file)) return;
    for (const helper of ["Constant", "ConstantOfShape", "Concat", "Cast", "Transpose", "Identity"]) {
      expect(left).not.toContain(helper);
    }
  });
});

test("cifar_resnet20: every Pad has a constant amount", async () => {
  const model = parseModel(new Uint8Array(readFileSync(join(folder, "cifar_resnet20.onnx"))));
  await transform(model, [fold()], { runner });
  const pads = model.graph.nodes.filter(({ opType }) => opType === "Pad");
  expect(pads).toHaveLength(2);
  expect(pads.map((pad) => model.graph.initializers.get(pad.inputs[1]!)!.numbers())).toEqual([
    [0, 8, 0, 0, 0, 8, 0, 0],
    [0, 16, 0, 0, 0, 16, 0, 0],
  ]);
  expect(opTypes(model).filter((opType) => opType === "Reshape" || opType === "Slice")).toHaveLength(4);
});
