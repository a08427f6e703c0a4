import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createRandom, GraphBuilder, serializeModel, Tensor } from "@equant/core/lab";
import { expect, test } from "vitest";
import { equant, temporaryFolder } from "../helpers/run.js";

const [COUNT, AREA] = [40, 64];
/** Red, green and blue of the pictures: mean and spread. */
const COLOURS = [
  [150, 20],
  [90, 35],
  [60, 50],
] as const;

/** Pictures as one uint8 array [40, 8, 8, 3]. */
async function writePictures(path: string): Promise<Uint8Array> {
  const random = createRandom(5);
  const pixels = Uint8Array.from({ length: COUNT * AREA * 3 }, (_, at) => {
    const [mean, spread] = COLOURS[at % 3]!;
    return Math.max(0, Math.min(255, Math.round(mean + spread * random.normal())));
  });
  const header = `{'descr': '|u1', 'fortran_order': False, 'shape': (${COUNT}, 8, 8, 3), }`.padEnd(117);
  await writeFile(path, Buffer.concat([Buffer.from(`\x93NUMPY\x01\x00\x76\x00${header}\n`, "latin1"), pixels]));
  return pixels;
}

/** A network whose normalization was trained on these pictures, (x − mean) / std, blue first where `reversed`. */
async function writeNetwork(path: string, pixels: Uint8Array, mean: number, std: number, reversed = false) {
  const { model, builder } = GraphBuilder.model("trained");
  const stored = [0, 1, 2].map((channel) => {
    const own = pixels.filter((_, at) => at % 3 === (reversed ? 2 - channel : channel));
    const scaled = Array.from(own, (pixel) => (pixel - mean) / std);
    const average = scaled.reduce((sum, value) => sum + value) / scaled.length;
    return { average, variance: scaled.reduce((sum, value) => sum + (value - average) ** 2, 0) / scaled.length };
  });
  const vector = (values: readonly number[]) => builder.constant(Tensor.float32([values.length], values));
  const weight = builder.constant(Tensor.float32([3, 3, 1, 1], [1, 0, 0, 0, 1, 0, 0, 0, 1]));
  const conv = builder.node("Conv", [builder.input("x", ["N", 3, 8, 8]), weight]);
  const parameters = [[1, 1, 1], [0, 0, 0], stored.map((own) => own.average), stored.map((own) => own.variance)];
  const normal = builder.node("BatchNormalization", [conv, ...parameters.map(vector)]);
  builder.output(builder.node("Flatten", [builder.node("GlobalAveragePool", [builder.node("Relu", [normal])])]));
  await writeFile(path, serializeModel(model));
}

async function setUp(mean: number, std: number, reversed = false) {
  const folder = await temporaryFolder();
  await mkdir(join(folder, "onnx"));
  const [model, data] = [join(folder, "onnx", "model.onnx"), join(folder, "pictures.npy")];
  await writeNetwork(model, await writePictures(data), mean, std, reversed);
  const output = ["-o", join(folder, "c.json"), "--overwrite", "--progress", "none"];
  const calibrate = (...args: readonly string[]) => equant(["calibrate", model, "--data", data, ...output, ...args]);
  return { folder, model, data, calibrate };
}

const warningsOf = (run: { json<T>(): T }) => run.json<{ warnings: { code: string; message: string }[] }>().warnings;

test("a preset that was not given is found, said and among the settings", async () => {
  const { calibrate } = await setUp(127.5, 127.5);
  const run = await calibrate("--json");
  expect(run.code, run.stderr).toBe(0);
  expect(run.json<{ settings: object }>().settings).toMatchObject({ preset: { value: "tf", from: "found" } });
  expect(run.stderr).toMatch(/preprocessing found: --preset tf, \d+ times nearer to what the network was trained on/);
  expect(warningsOf(run)).toEqual([]);
});

test("so is the colour order", async () => {
  const { calibrate } = await setUp(0, 255, true);
  const run = await calibrate();
  expect(run.stderr).toContain("preprocessing found: --preset zero-one --color-order BGR");
});

test("one that loses clearly is kept and warned of, the right one is not", async () => {
  const { calibrate } = await setUp(0, 255);
  const wrong = await calibrate("--json", "--preset", "tf");
  expect(warningsOf(wrong)).toEqual([
    expect.objectContaining({ code: "W5005", message: expect.stringContaining("--preset zero-one") }),
  ]);
  expect(wrong.json<{ settings: object }>().settings).toMatchObject({ preset: { value: "tf", from: "flag" } });
  expect(warningsOf(await calibrate("--json", "--preset", "zero-one"))).toEqual([]);
  expect(warningsOf(await calibrate("--json", "--std", "255"))).toEqual([]);
});

test("scaling that no candidate has is asked for, with the flags", async () => {
  const { calibrate } = await setUp(10, 5000);
  const run = await calibrate();
  expect(run.code).toBe(2);
  expect(run.stderr).toMatch(/error\[E2005\]: calibrate: .* \(distances: /);
  expect(run.stderr).toMatch(/hint: say which it is, such as --preset/);
});

test("a preprocessor_config.json a folder above the model is read", async () => {
  const { folder, calibrate } = await setUp(76.5, 25.5);
  await writeFile(
    join(folder, "preprocessor_config.json"),
    JSON.stringify({ image_mean: [0.3, 0.3, 0.3], image_std: [0.1, 0.1, 0.1] }),
  );
  const run = await calibrate();
  expect(run.stderr).toMatch(/preprocessing found: --mean 76\.5 --std 25\.5/);
});

test("a quantized network is asked through its float original", async () => {
  const { folder, model, data } = await setUp(127.5, 127.5);
  const quantized = join(folder, "q.onnx");
  const made = await equant(["quantize", model, "--data", data, "-o", quantized, "--no-latency", "--progress", "none"]);
  expect(made.code, made.stderr).toBe(0);
  const run = await equant([
    "validate",
    quantized,
    "--against",
    model,
    "--data",
    data,
    "--no-latency",
    "--progress",
    "none",
  ]);
  expect(run.stderr).toContain("preprocessing found: --preset tf");
});
