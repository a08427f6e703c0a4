import { createHash } from "node:crypto";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseModel, type QuantizationDetails, serializeModel, Tensor } from "@equant/core";
import * as ort from "onnxruntime-node";
import { expect, test } from "vitest";
import type { Envelope } from "../../src/frame/envelope.js";
import { DIGITS_MODEL, writeDamagedModel, writeDigits } from "../helpers/digits.js";
import { equant, type RunOptions, temporaryFolder } from "../helpers/run.js";

type Json = Omit<Envelope, "result"> & {
  result: {
    output: string;
    bytes: number;
    details: QuantizationDetails;
    encodings: Record<string, { dtype: string }>;
    skipped: { node: string; reason: string }[];
  };
};

const DATA = ["--preset", "zero-one", "--progress", "none", "--threads", "2"];

async function setUp(count = 60) {
  const folder = await temporaryFolder();
  return { folder, data: await writeDigits(folder, count), file: (name: string) => join(folder, name) };
}

const quantize = (args: readonly string[], options?: RunOptions) =>
  equant(["quantize", DIGITS_MODEL, ...DATA, ...args], options);
const sha = async (path: string) =>
  createHash("sha256")
    .update(await readFile(path))
    .digest("hex");

test("writes a verified integer model: smaller, loadable, with its details in JSON", async () => {
  const { data, file } = await setUp();
  const run = await quantize(["--data", data, "--per-channel", "-o", file("q.onnx"), "--json"]);
  expect(run.code, run.stderr).toBe(0);
  const { schema, result, settings, model } = run.json<Json>();
  expect(schema).toBe("equant.quantize/1");
  expect(settings.perChannel).toEqual({ value: true, from: "flag" });
  const { details } = result;
  expect(details).toMatchObject({ isQuantized: true, target: "ort-cpu" });
  expect(details.quantizedLayerNames.length).toBeGreaterThan(3);
  expect(new Set(details.learnables.map(({ parameter, dtype }) => `${parameter} ${dtype}`))).toEqual(
    new Set(["Weights int8", "Bias int32"]),
  );
  const bytes = await readFile(file("q.onnx"));
  expect(bytes.length).toBe(result.bytes);
  expect(bytes.length).toBeLessThan(0.45 * model!.bytes);
  const session = await ort.InferenceSession.create(bytes, { logSeverityLevel: 4 });
  const input = new ort.Tensor("float32", new Float32Array(784), [1, 1, 28, 28]);
  expect((await session.run({ input })).logits!.dims).toEqual([1, 10]);
  await session.release();
  const text = await quantize(["--data", data, "-o", file("r.onnx")]);
  expect(text.stdout).toMatch(
    /digits\.onnx → .*r\.onnx \(\d+(\.\d+)? kB → \d+(\.\d+)? kB, −\d+\.\d %\)\noutput SQNR \d+\.\d dB, same answer on \d+\.\d/,
  );
  expect(text.stderr).toContain("hint: equant validate");
});

test("the hinted line reads the data as this run did", async () => {
  const { data, file } = await setUp(20);
  const reading = ["--mean", "0", "--std", "255", "--resize", "28x28", "--color-order", "gray", "--labels", "none"];
  const out = file("hinted out.onnx");
  const { stderr } = await quantize(["--data", data, ...reading, "-o", out, "--samples", "4"]);
  const [, line] = /hint: equant (.*)/.exec(stderr)!;
  for (const words of ["--mean 0", "--std 255", "--resize 28x28", "--color-order gray", "--labels none"])
    expect(line).toContain(` ${words}`);
  expect(line).not.toContain("--samples");
  const argv = line!.split(/ (?=(?:[^']*'[^']*')*[^']*$)/).map((word) => word.replaceAll("'", ""));
  expect((await equant([...argv, "--no-latency"])).code).toBe(0);
});

test("--calibration gives the same bytes as --data, and so does every repetition", async () => {
  const { data, file } = await setUp();
  const chooser = ["--data", data, "--calibrator", "entropy"];
  await quantize([...chooser, "--save-calibration", file("c.json"), "-o", file("a.onnx")]);
  await quantize([...chooser, "-o", file("b.onnx"), "--batch", "3"]);
  const fromFile = await quantize([...chooser, "--calibration", file("c.json"), "-o", file("c.onnx")]);
  expect(fromFile.code, fromFile.stderr).toBe(0);
  const [a, b, c] = await Promise.all(["a.onnx", "b.onnx", "c.onnx"].map((name) => sha(file(name))));
  expect([b, c]).toEqual([a, a]);
});

test("flags reach the result: target, types, exclusions, emulation, random data", async () => {
  const { data, file } = await setUp();
  const names = parseModel(await readFile(DIGITS_MODEL))
    .graph.nodes.filter(({ opType }) => opType === "Conv")
    .map(({ name }) => name);
  const run = async (args: string[]) => {
    const result = await quantize(["--data", data, ...args, "-o", file("q.onnx"), "--overwrite", "--json"]);
    expect(result.code, result.stderr).toBe(0);
    return { ...result.json<Json>(), model: parseModel(await readFile(file("q.onnx"))) };
  };
  const tensorrt = await run(["--target", "tensorrt"]);
  expect(
    tensorrt.result.details.learnables
      .filter(({ parameter }) => parameter === "Bias")
      .every(({ dtype }) => dtype === "float32"),
  ).toBe(true);
  expect(Object.values(tensorrt.result.encodings).every(({ dtype }) => dtype === "int8")).toBe(true);
  const excluded = await run(["--exclude", names[0]!, "--exclude-type", "Gemm"]);
  expect(excluded.result.skipped.map(({ node }) => node)).toContain(names[0]);
  expect(excluded.warnings).toContainEqual(expect.objectContaining({ code: "W4001", layer: names[0] }));
  expect(excluded.result.details.quantizedLayerNames).not.toContain(names[0]);
  const emulated = await run(["--format", "emulation"]);
  expect(emulated.model.graph.nodes.some(({ opType }) => opType === "QuantizeLinear")).toBe(false);
  const random = await run(["--data", "random"]);
  expect(random.model.metadata.get("equant.data")).toBe("random");
  expect(random.warnings).toContainEqual(expect.objectContaining({ code: "W5001" }));
});

test("--dry-run writes nothing", async () => {
  const { folder, data, file } = await setUp();
  const before = await readdir(folder);
  const run = await quantize(["--data", data, "-o", file("q.onnx"), "--save-calibration", file("c.json"), "--dry-run"]);
  expect(run.code, run.stderr).toBe(0);
  expect(await readdir(folder)).toEqual(before);
});

test("Ctrl+C while calibrating saves the statistics if asked to, writes no model, ends with 130", async () => {
  const { folder, data, file } = await setUp(4000);
  const run = await equant(
    [
      "quantize",
      DIGITS_MODEL,
      "--preset",
      "zero-one",
      "--data",
      data,
      "--samples",
      "4000",
      "--batch",
      "1",
      "--progress",
      "json",
      "--save-calibration",
      file("c.json"),
      "-o",
      file("q.onnx"),
    ],
    { onStart: (io) => void io.stderrHas('"phase":"calibrate"').then(() => io.send("SIGINT")) },
  );
  expect(run.code, run.stderr).toBe(130);
  expect(await readdir(folder)).not.toContain("q.onnx");
  expect(JSON.parse(await readFile(file("c.json"), "utf8"))).toMatchObject({ complete: false });
});

/** A copy of the digit network, changed. */
async function modelWith(path: string, change: (model: ReturnType<typeof parseModel>) => void): Promise<string> {
  const model = parseModel(await readFile(DIGITS_MODEL));
  change(model);
  await writeFile(path, serializeModel(model));
  return path;
}

interface Failure {
  readonly model?: string;
  readonly args: string[];
}
test.each<[number, string, string, (at: (name: string) => string, data: string) => Promise<Failure> | Failure]>([
  [5, "E5001", "no data", (at) => ({ args: ["-o", at("q.onnx")] })],
  [2, "E2005", "no output", (_, data) => ({ args: ["--data", data] })],
  [
    2,
    "E2006",
    "output is the input",
    async (at, data) => {
      const model = await modelWith(at("m.onnx"), () => {});
      return { model, args: ["--data", data, "-o", model, "--overwrite"] };
    },
  ],
  [
    2,
    "E2006",
    "statistics over the input",
    async (at, data) => {
      const model = await modelWith(at("m.onnx"), () => {});
      return { model, args: ["--data", data, "-o", at("q.onnx"), "--save-calibration", model, "--overwrite"] };
    },
  ],
  [2, "E2004", "no QOperator form", (at, data) => ({ args: ["--data", data, "--format", "qop", "-o", at("q.onnx")] })],
  [2, "E2004", "unknown type", (at, data) => ({ args: ["--data", data, "--weights", "in8", "-o", at("q.onnx")] })],
  [
    2,
    "E2002",
    "bits beyond the type",
    (at, data) => ({ args: ["--data", data, "--activation-bits", "12", "-o", at("q.onnx")] }),
  ],
  [
    2,
    "E2103",
    "a pattern that matches nothing",
    (at, data) => ({ args: ["--data", data, "--exclude", "classifer/*", "-o", at("q.onnx")] }),
  ],
  [
    2,
    "E2103",
    "a type that matches nothing",
    (at, data) => ({ args: ["--data", data, "--exclude-type", "Cnov", "-o", at("q.onnx")] }),
  ],
  [
    2,
    "E2004",
    "--exclude-between without ..",
    (at, data) => ({ args: ["--data", data, "--exclude-between", "a", "-o", at("q.onnx")] }),
  ],
  [
    3,
    "E3001",
    "no such model",
    (at, data) => ({ model: at("missing.onnx"), args: ["--data", data, "-o", at("q.onnx")] }),
  ],
  [
    3,
    "E3006",
    "NaN weights",
    async (at, data) => {
      const model = await modelWith(at("m.onnx"), ({ graph }) => {
        const [name, tensor] = [...graph.initializers].find(([, { dims }]) => dims.length === 4)!;
        const values = Float32Array.from(tensor.array() as Float32Array);
        values[3] = Number.NaN;
        graph.initializers.set(name, Tensor.float32(tensor.dims, values));
      });
      return { model, args: ["--data", data, "-o", at("q.onnx")] };
    },
  ],
  [
    4,
    "E4003",
    "already quantized",
    async (at, data) => {
      const run = await quantize(["--data", data, "-o", at("m.onnx")]);
      expect(run.code).toBe(0);
      return { model: at("m.onnx"), args: ["--data", data, "-o", at("q.onnx")] };
    },
  ],
  [
    4,
    "E4002",
    "an opset that cannot be upgraded",
    async (at, data) => {
      const model = await modelWith(at("m.onnx"), ({ opsets }) => opsets.set("", 6));
      return { model, args: ["--data", data, "-o", at("q.onnx")] };
    },
  ],
  [
    3,
    "E3003",
    "statistics of another model",
    async (at, data) => {
      const other = await writeDamagedModel(at("."), 0.5);
      const run = await equant(["calibrate", other, ...DATA, "--data", data, "-o", at("c.json")]);
      expect(run.code).toBe(0);
      return { args: ["--data", data, "--calibration", at("c.json"), "-o", at("q.onnx")] };
    },
  ],
  [
    4,
    "E4005",
    "statistics without histograms",
    async (at, data) => {
      const run = await quantize(["--data", data, "--save-calibration", at("c.json"), "-o", at("p.onnx")]);
      expect(run.code).toBe(0);
      return { args: ["--data", data, "--calibration", at("c.json"), "--calibrator", "mse", "-o", at("q.onnx")] };
    },
  ],
  [
    5,
    "E5002",
    "damaged statistics",
    async (at, data) => {
      await writeFile(at("c.json"), "{");
      return { args: ["--data", data, "--calibration", at("c.json"), "-o", at("q.onnx")] };
    },
  ],
])("exit code %i, %s: %s", async (code, error, _, make) => {
  const { folder, data, file } = await setUp(20);
  const { model = DIGITS_MODEL, args } = await make(file, data);
  const before = await readdir(folder);
  const run = await equant(["quantize", model, ...DATA, ...args, "--json"]);
  expect(run.code, run.stdout + run.stderr).toBe(code);
  const { ok, error: failure } = run.json<Json>();
  expect({ ok, code: failure?.code }).toEqual({ ok: false, code: error });
  expect(failure?.hint, failure?.message).toBeTruthy();
  expect(await readdir(folder)).toEqual(before);
});
