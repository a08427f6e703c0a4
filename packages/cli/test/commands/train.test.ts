import { copyFile, readFile } from "node:fs/promises";
import { join } from "node:path";
import {
  createRunner,
  digitDataset,
  type EpochRow,
  learnableParameters,
  measureTop1,
  parseCheckpoint,
  parseModel,
  splitByClass,
  spread,
} from "@equant/core/lab";
import * as ort from "onnxruntime-node";
import { expect, test } from "vitest";
import type { Envelope } from "../../src/frame/envelope.js";
import { DIGITS_MODEL, writeDamagedModel, writeDigits } from "../helpers/digits.js";
import { equant, temporaryFolder } from "../helpers/run.js";

interface TrainResult {
  readonly top1: number;
  readonly parameters: number;
  readonly bytes: number;
  readonly samples: { train: number; heldOut: number };
  readonly epochs: readonly EpochRow[];
}
type Json = Omit<Envelope, "result"> & { result: TrainResult };

/** A training of seconds: a few hundred digits. */
const QUICK = ["--samples", "400", "--batch-size", "32", "--rate", "0.05", "--progress", "none", "--threads", "2"];
const runner = createRunner(ort as never, { threads: 2 });

test("train digits: the file is the network that the figures are of", async () => {
  const folder = await temporaryFolder();
  const output = join(folder, "digits.onnx");
  const svg = join(folder, "curve.svg");
  const run = await equant(["train", "digits", ...QUICK, "--epochs", "4", "-o", output, "--json", "--svg", svg]);
  expect(run.code, run.stderr).toBe(0);
  expect(await readFile(svg, "utf8")).toMatch(/<desc>Of 4 epochs, epoch \d is best on held-out samples/);
  const { schema, result, settings } = run.json<Json>();
  expect(schema).toBe("equant.train/1");
  expect(settings.rate).toEqual({ value: 0.05, from: "flag" });
  expect(result).toMatchObject({ parameters: 21578, samples: { train: 300, heldOut: 100 } });
  expect(result.epochs.map(({ epoch }) => epoch)).toEqual([1, 2, 3, 4]);
  expect(result.epochs.at(-1)!.validationTop1).toBe(result.top1);
  expect(result.epochs.at(-1)!.loss).toBeLessThan(result.epochs[0]!.loss);
  const bytes = await readFile(output);
  expect(bytes.length).toBe(result.bytes);
  const model = parseModel(bytes);
  expect(learnableParameters(model.graph)).toHaveLength(8);
  const all = spread(digitDataset({ seed: 0, count: 10_000 }), 400);
  const [, heldOut] = splitByClass(all, 0.75, 0);
  expect(await measureTop1(model, {}, { runner, data: heldOut })).toBe(result.top1);
});

test("on IDX data, and as a table", async () => {
  const folder = await temporaryFolder();
  const data = await writeDigits(folder, 200);
  const argv = ["train", "digits", "--data", data, "--epochs", "1", "-o", join(folder, "d.onnx"), "--table", "csv"];
  const run = await equant([...argv, "--batch-size", "32", "--progress", "none"]);
  expect(run.code, run.stderr).toBe(0);
  const [title, first, last] = run.stdout.split("\n");
  expect(title).toBe("epoch,rate,loss,top-1,held out");
  expect(first).toMatch(/^1,0\.01,\d\.\d{4},\d+\.\d\d %,\d+\.\d\d %$/);
  expect(last).toMatch(/21578 parameters, 87\.\d+ kB\): top-1 \d+\.\d\d % on 50 held-out samples$/);
  expect(run.stderr).toMatch(/epoch 1 {2}loss/);
});

test("an interrupted training goes on from its checkpoint to the same file", async () => {
  const folder = await temporaryFolder();
  const [whole, rest, checkpoint] = ["whole.onnx", "rest.onnx", "c.onnx"].map((name) => join(folder, name));
  const argv = ["train", "digits", ...QUICK];
  expect((await equant([...argv, "--epochs", "3", "-o", whole!])).code).toBe(0);
  const stopped = await equant([...argv, "--epochs", "3", "-o", rest!, "--checkpoint", checkpoint!], {
    onStart: (io) => void io.stderrHas("epoch 1").then(() => io.send("SIGINT")),
  });
  expect(stopped.code).toBe(130);
  const { epoch } = parseCheckpoint(await readFile(checkpoint!));
  expect(epoch).toBeGreaterThan(0);
  expect(epoch).toBeLessThan(3);
  const refused = await equant([...argv, "--epochs", "3", "-o", rest!, "--checkpoint", checkpoint!]);
  expect(refused.code).toBe(2);
  expect(refused.stderr).toContain("E2006");
  const resumed = await equant([...argv, "--epochs", "3", "-o", rest!, "--checkpoint", checkpoint!, "--resume"]);
  expect(resumed.code, resumed.stderr).toBe(0);
  expect(await readFile(rest!)).toEqual(await readFile(whole!));
});

test("a classifier of one's own goes on learning", async () => {
  const folder = await temporaryFolder();
  const data = await writeDigits(folder, 200);
  const start = join(folder, "start.onnx");
  await copyFile(new URL("../../assets/digits.onnx", import.meta.url), start);
  const argv = ["train", start, "--data", data, "--preset", "zero-one", "--epochs", "1", "--rate", "0.001"];
  const run = await equant([...argv, "--progress", "none", "-o", join(folder, "better.onnx"), "--json"]);
  expect(run.code, run.stderr).toBe(0);
  expect(run.json<Json>().result.top1).toBeGreaterThan(0.9);
});

test("a damaged network learns from a teacher without a label, and is measured by what it answers", async () => {
  const folder = await temporaryFolder();
  const data = await writeDigits(folder, 120);
  const student = await writeDamagedModel(folder, 0.1);
  const flags = ["--preset", "zero-one", "--teacher", DIGITS_MODEL, "--progress", "none", "--batch-size", "30"];
  const argv = ["train", student, "--data", data, ...flags, "--epochs", "3", "--rate", "0.003"];
  const run = await equant([...argv, "--labels", "none", "-o", join(folder, "better.onnx"), "--json"]);
  expect(run.code, run.stderr).toBe(0);
  const { result } = run.json<{ result: TrainResult & { agreement: number } }>();
  expect(result.top1).toBeUndefined();
  expect(result.agreement).toBeGreaterThan(0.8);
  expect(result.epochs.at(-1)!.loss).toBeLessThan(0.7 * result.epochs[0]!.loss);
  expect(result.samples).toEqual({ train: 90, heldOut: 30 });
  // With labels, on data held out by name; all of --data is learned from.
  const named = [...argv, "--label-weight", "0.5", "--held-out", data, "-o", join(folder, "other.onnx"), "--json"];
  const labelled = await equant(named);
  expect(labelled.code, labelled.stderr).toBe(0);
  const other = labelled.json<Json>().result;
  expect(other.samples).toEqual({ train: 120, heldOut: 120 });
  expect(other.epochs[0]!.top1).toBeGreaterThan(0);
  expect(other.top1).toBeGreaterThan(0.9);
});

test("a quantized network's emulation learns through its rounding; integers do not move, and a teacher is a float model", async () => {
  const cwd = await temporaryFolder();
  const data = ["--data", await writeDigits(cwd, 40), "--preset", "zero-one"];
  for (const format of ["emulation", "qdq"]) {
    const flags = ["--format", format, "--weight-bits", "4", "-o", `${format}.onnx`, "-q"];
    expect((await equant(["quantize", DIGITS_MODEL, ...data, ...flags], { cwd })).code).toBe(0);
  }
  const train = (student: string, teacher: string) =>
    equant(["train", student, ...data, "--teacher", teacher, "--epochs", "1", "-o", "t.onnx", "--overwrite"], { cwd });
  const emulated = await train("emulation.onnx", DIGITS_MODEL);
  expect(emulated.code, emulated.stderr).toBe(0);
  const integers = await train("qdq.onnx", DIGITS_MODEL);
  expect(integers.code).toBe(4);
  expect(integers.stderr).toMatch(/E4005\]: train: no parameter to train[\s\S]*--format emulation/);
  expect((await train("emulation.onnx", "qdq.onnx")).stderr).toContain("error[E4003]");
});

test("what a teacher needs is said", async () => {
  const cwd = await temporaryFolder();
  const data = await writeDigits(cwd, 40);
  const argv = ["train", DIGITS_MODEL, "--data", data, "--preset", "zero-one", "-o", "x.onnx"];
  const cases = [
    [["--temperature", "3"], 2, /--temperature needs a teacher[\s\S]*hint: add --teacher/],
    [["--labels", "none"], 5, /no labels[\s\S]*a --teacher to learn from/],
    [["--labels", "none", "--teacher", DIGITS_MODEL, "--label-weight", "0.5"], 5, /leave out --label-weight/],
    [["--split", "50%", "--held-out", data], 2, /--split and --held-out exclude each other/],
    [["--teacher", "none.onnx"], 3, /E3001/],
  ] as const;
  for (const [flags, code, says] of cases) {
    const run = await equant([...argv, ...flags], { cwd });
    expect(run.code, flags.join(" ")).toBe(code);
    expect(run.stderr).toMatch(says);
  }
});

test.each([
  [["train", "digits", "-o", "x.onnx", "--resume"], 2, "E2005"],
  [["train", "digits", "-o", "x.onnx", "--resume", "--checkpoint", "none.onnx"], 5, "E5002"],
  [["train", "digits"], 2, "E2005"],
  [["train", "digits", "-o", "x.onnx", "--schedule", "cosin"], 2, "E2004"],
  [["train", "nothing.onnx", "-o", "x.onnx"], 3, "E3001"],
])("%j is refused", async (argv, code, error) => {
  const run = await equant(argv, { cwd: await temporaryFolder() });
  expect(run.code).toBe(code);
  expect(run.stderr).toContain(`error[${error}]`);
});
