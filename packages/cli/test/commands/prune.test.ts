import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  createRunner,
  linearLayers,
  type Model,
  measureTop1,
  type PruneIteration,
  parseMasks,
  parseModel,
  serializeModel,
} from "@equant/core/lab";
import { openDataset } from "@equant/core/node";
import * as ort from "onnxruntime-node";
import { expect, test } from "vitest";
import type { Envelope } from "../../src/frame/envelope.js";
import { DIGITS_MODEL, writeDigits } from "../helpers/digits.js";
import { equant, temporaryFolder } from "../helpers/run.js";

interface PruneResult {
  readonly bytes: number;
  readonly sparsity: number;
  readonly macsSaved: number | null;
  readonly top1: { original: number | null; pruned: number | null };
  readonly iterations: readonly PruneIteration[];
  readonly collapsed: readonly string[];
  readonly shrunk: { layers: { layer: string; removed: number[] }[] } | null;
}
type Json = Omit<Envelope, "result"> & { result: PruneResult };

const QUIET = ["--progress", "none", "--threads", "2"];
const runner = createRunner(ort as never, { threads: 2 });
const load = async (path: string): Promise<Model> => parseModel(await readFile(path));
const weights = (model: Model) =>
  linearLayers(model.graph).flatMap(({ tensor }) => [...(tensor.array() as Float32Array)]);
const zeros = (model: Model) => weights(model).filter((value) => value === 0).length;

test("the file is what the report says, and its masks bring the original back", async () => {
  const folder = await temporaryFolder();
  const data = await writeDigits(folder, 100);
  const [output, masks] = [join(folder, "pruned.onnx"), join(folder, "masks.onnx")];
  const argv = ["prune", DIGITS_MODEL, "--sparsity", "60%", "--steps", "4", "--data", data, "--preset", "zero-one"];
  const run = await equant([...argv, ...QUIET, "-o", output, "--masks", masks, "--json"]);
  expect(run.code, run.stderr).toBe(0);
  const { schema, result } = run.json<Json>();
  expect(schema).toBe("equant.prune/1");
  expect(result.iterations.map(({ sparsity }) => Math.round(sparsity * 21578))).toEqual(
    [0, 0.2, 0.4, 0.6].map((sparsity) => Math.round(sparsity * 21578)),
  );
  const [pruned, original] = [await load(output), await load(DIGITS_MODEL)];
  expect(zeros(pruned)).toBeGreaterThan(0.59 * 21578);
  const labelled = await openDataset(data, { input: { shape: [1, 28, 28] }, preprocess: { preset: "zero-one" } });
  expect(await measureTop1(pruned, {}, { runner, data: labelled })).toBe(result.top1.pruned);
  expect(await measureTop1(original, {}, { runner, data: labelled })).toBe(result.top1.original);
  const restored = parseMasks(await readFile(masks)).restore(pruned);
  expect(weights(restored)).toEqual(weights(original));
});

test("every iteration's network can be had, and one of them chosen, in one run", async () => {
  const folder = await temporaryFolder();
  const output = join(folder, "third.onnx");
  const argv = ["prune", DIGITS_MODEL, "--sparsity", "60%", "--steps", "4", ...QUIET, "-o", output, "--json"];
  const run = await equant([...argv, "--iteration", "3", "--each", join(folder, "all")]);
  expect(run.code, run.stderr).toBe(0);
  const { result } = run.json<Json>();
  expect(result.iterations).toHaveLength(4);
  expect(result.sparsity).toBe(result.iterations[2]!.sparsity);
  const each = await Promise.all([1, 2, 3, 4].map((at) => load(join(folder, "all", `iteration-${at}.onnx`))));
  const removed = result.iterations.map(({ layers }) => layers.reduce((sum, own) => sum + own.removed, 0));
  expect(each.map((model) => zeros(model))[0]).toBe(0);
  for (const [at, model] of each.entries()) expect(zeros(model)).toBeLessThanOrEqual(removed[at]!);
  expect(zeros(each[3]!)).toBeGreaterThan(zeros(each[2]!));
  expect(weights(await load(output))).toEqual(weights(each[2]!));
  const none = await equant([...argv, "--overwrite", "--iteration", "5"]);
  expect(none.json<Json>()).toMatchObject({ ok: false, error: { code: "E2002" } });
});

test("channels leave the graph; the shrunk file answers as the pruned one", async () => {
  const folder = await temporaryFolder();
  const data = await writeDigits(folder, 120);
  const argv = ["prune", DIGITS_MODEL, "--method", "taylor", "--granularity", "channels", "--channel-multiple", "1"];
  const rest = [
    "--sparsity",
    "30%",
    "--count",
    "macs",
    "--steps",
    "2",
    "--data",
    data,
    "--preset",
    "zero-one",
    ...QUIET,
  ];
  const [small, same] = [join(folder, "small.onnx"), join(folder, "same.onnx")];
  const run = await equant([...argv, ...rest, "-o", small, "--json"]);
  expect(run.code, run.stderr).toBe(0);
  const { result } = run.json<Json>();
  expect(result.macsSaved).toBeGreaterThanOrEqual(0.3);
  expect(result.shrunk!.layers.length).toBeGreaterThan(0);
  expect((await equant([...argv, ...rest, "-o", same, "--no-shrink"])).code).toBe(0);
  const [a, b] = [await load(small), await load(same)];
  expect(weights(a).length).toBeLessThan(weights(b).length);
  const input = {
    dtype: "float32" as const,
    dims: [2, 1, 28, 28],
    data: new Float32Array(1568).map((_, i) => (i % 7) / 7),
  };
  const [first, second] = await Promise.all(
    [a, b].map((model) => runner.using(model, (session) => session.run({ input }))),
  );
  Array.from(first!.logits!.data as Float32Array).forEach((value, i) => {
    expect(Math.abs(value - (second!.logits!.data[i] as number))).toBeLessThan(1e-4);
  });
});

test("fine-tuning uses one part of the data and measures on the other", async () => {
  const folder = await temporaryFolder();
  const data = await writeDigits(folder, 200);
  const argv = ["prune", DIGITS_MODEL, "--method", "magnitude", "--sparsity", "90%", "--steps", "2", "--data", data];
  const tune = ["--preset", "zero-one", "--fine-tune-epochs", "3", "--rate", "0.02", "--batch-size", "32"];
  const run = await equant([...argv, ...tune, ...QUIET, "-o", join(folder, "p.onnx")]);
  expect(run.code, run.stderr).toBe(0);
  expect(run.stdout).toMatch(/step +sparsity +pruned +tuned/);
  const [, , before, after] = /^ *2 +(\S+) % +(\S+) % +(\S+) %/m.exec(run.stdout)!.map(Number);
  expect(after).toBeGreaterThan(before!);
});

test("2:4 and layer collapse", async () => {
  const folder = await temporaryFolder();
  const pattern = await equant([
    "prune",
    DIGITS_MODEL,
    "--method",
    "magnitude",
    "--granularity",
    "2:4",
    ...QUIET,
    "-o",
    join(folder, "p.onnx"),
    "--json",
  ]);
  expect(pattern.code, pattern.stderr).toBe(0);
  expect(pattern.json<Json>().result.sparsity).toBe(0.5);
  const model = await load(DIGITS_MODEL);
  const layer = linearLayers(model.graph)[1]!;
  const { Tensor } = await import("@equant/core");
  const faint = (layer.tensor.array() as Float32Array).map((value) => value * 1e-4);
  model.graph.initializers.set(layer.weight, Tensor.float32(layer.tensor.dims, faint));
  const path = join(folder, "faint.onnx");
  await writeFile(path, serializeModel(model));
  const argv = ["prune", path, "--method", "magnitude", "--sparsity", "50%", ...QUIET, "-o", join(folder, "c.onnx")];
  const noted = await equant([...argv, "--json"]);
  expect(noted.code).toBe(0);
  expect(noted.json<Json>().warnings).toEqual([expect.objectContaining({ code: "W7002", layer: "conv_2", count: 1 })]);
  const stopped = await equant([...argv, "--on-collapse", "error", "--overwrite"]);
  expect(stopped.code).toBe(7);
  expect(stopped.stderr).toContain("error[E7004]");
});

test.each([
  [["prune", DIGITS_MODEL, "--method", "taylor", "-o", "x.onnx"], 2, "E2005"],
  [["prune", DIGITS_MODEL, "--granularity", "4:2", "-o", "x.onnx"], 2, "E2004"],
  [["prune", DIGITS_MODEL, "--sparsity", "100%", "-o", "x.onnx"], 2, "E2002"],
  [["prune", DIGITS_MODEL], 2, "E2005"],
  [["prune", DIGITS_MODEL, "--method", "syncflow", "-o", "x.onnx"], 2, "E2004"],
  [["prune", "nothing.onnx", "-o", "x.onnx"], 3, "E3001"],
])("%j is refused", async (argv, code, error) => {
  const run = await equant(argv, { cwd: await temporaryFolder() });
  expect(run.code, run.stderr).toBe(code);
  expect(run.stderr).toContain(`error[${error}]`);
});
