import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Calibration, digitImage } from "@equant/core";
import { expect, test } from "vitest";
import type { Envelope } from "../../src/frame/envelope.js";
import { DIGITS_MODEL, writeDamagedModel, writeDigits } from "../helpers/digits.js";
import { equant, type RunOptions, temporaryFolder } from "../helpers/run.js";

interface Row {
  readonly optimizedLayerName: string;
  readonly networkLayerName: string;
  readonly kind: string;
  readonly min: number;
  readonly max: number;
}
type Json = Omit<Envelope, "result"> & {
  result: { output: string; samples: number; complete: boolean; random: boolean; statistics: Row[] };
};

const DATA = ["--preset", "zero-one", "--progress", "none", "--threads", "2"];

async function setUp() {
  const folder = await temporaryFolder();
  return { folder, data: await writeDigits(folder, 60), file: (name: string) => join(folder, name) };
}

const calibrate = (args: readonly string[], options?: RunOptions) =>
  equant(["calibrate", DIGITS_MODEL, ...DATA, ...args], options);
const read = async (path: string) => Calibration.parse(await readFile(path, "utf8"));

test("writes calibration.json and prints the statistics table of MathWorks' equalization page", async () => {
  const { data, file } = await setUp();
  const run = await calibrate(["--data", data, "--samples", "50", "-o", file("c.json"), "--json"]);
  expect(run.code, run.stderr).toBe(0);
  const { schema, result, model } = run.json<Json>();
  expect(schema).toBe("equant.calibrate/1");
  expect(result).toMatchObject({ samples: 50, complete: true, random: false });
  const calibration = await read(file("c.json"));
  expect(calibration.fields.model).toBe(model!.sha256);
  expect(calibration).toMatchObject({ samples: 50, complete: true });
  const input = result.statistics.find(({ networkLayerName }) => networkLayerName === "input")!;
  expect(input).toMatchObject({ kind: "Activations", min: 0, max: 1 });
  expect(new Set(result.statistics.map(({ kind }) => kind))).toEqual(new Set(["Activations", "Weights", "Bias"]));
  const text = await calibrate(["--data", data, "-o", file("d.json")]);
  expect(text.stdout).toMatch(
    /^ *Optimized Layer Name +Network Layer Name +Learnables \/ Activations +MinValue +MaxValue/,
  );
  expect(text.stderr).toContain("hint: equant quantize");
});

test("--merge adds statistics: two halves are the whole, to the last count", async () => {
  const { folder, file } = await setUp();
  const images = (name: string, from: number, count: number) => {
    const bytes = new Uint8Array(count * 784);
    for (let i = 0; i < count; i++) bytes.set(digitImage(from + i, 0), i * 784);
    const head = `{'descr': '|u1', 'fortran_order': False, 'shape': (${count}, 28, 28), }`.padEnd(117);
    const header = Buffer.concat([Uint8Array.of(0x93, 78, 85, 77, 80, 89, 1, 0, 118, 0), Buffer.from(`${head}\n`)]);
    return writeFile(join(folder, name), Buffer.concat([header, bytes])).then(() => join(folder, name));
  };
  const [all, a, b] = [await images("all.npy", 0, 30), await images("a.npy", 0, 18), await images("b.npy", 18, 12)];
  const histograms = ["--histograms", "--batch", "4"];
  const run = async (args: string[]) => {
    const { code, stderr } = await calibrate([...args, ...histograms]);
    expect(code, stderr).toBe(0);
  };
  await run(["--data", all, "-o", file("all.json")]);
  await run(["--data", a, "-o", file("a.json")]);
  await run(["--data", b, "--merge", file("a.json"), "-o", file("merged.json")]);
  await run(["--data", b, "-o", file("b.json")]);
  await run(["--merge", file("a.json"), "--merge", file("b.json"), "-o", file("files.json")]);
  const whole = await read(file("all.json"));
  for (const name of ["merged.json", "files.json"]) {
    const merged = await read(file(name));
    expect(merged.samples).toBe(30);
    for (const [value, expected] of whole.values) {
      const { min, max, count, histogram } = merged.get(value);
      expect({ value, min, max, count }).toEqual({
        value,
        min: expected.min,
        max: expected.max,
        count: expected.count,
      });
      expect(histogram!.toJSON().runs, value).toEqual(expected.histogram!.toJSON().runs);
    }
  }
});

test("Ctrl+C saves what was seen and ends with 130; quantize says that it was stopped early", async () => {
  const { folder, file } = await setUp();
  const many = await writeDigits(folder, 4000);
  const run = await equant(
    [
      "calibrate",
      DIGITS_MODEL,
      "--preset",
      "zero-one",
      "--data",
      many,
      "--samples",
      "4000",
      "--batch",
      "1",
      "--progress",
      "json",
      "-o",
      file("c.json"),
    ],
    { onStart: (io) => void io.stderrHas('"phase":"calibrate"').then(() => io.send("SIGINT")) },
  );
  expect(run.code, run.stderr).toBe(130);
  expect(run.stderr).toContain("stopping");
  const calibration = await read(file("c.json"));
  expect(calibration.complete).toBe(false);
  expect(calibration.samples).toBeGreaterThan(0);
  expect(calibration.samples).toBeLessThan(4000);
  const quantized = await equant([
    "quantize",
    DIGITS_MODEL,
    ...DATA,
    "--data",
    many,
    "--calibration",
    file("c.json"),
    "-o",
    file("q.onnx"),
  ]);
  expect(quantized.code, quantized.stderr).toBe(0);
  expect(quantized.stderr).toContain(
    `warning[W5004]: ${file("c.json")}: calibration was stopped early, after ${calibration.samples} samples`,
  );
});

test("random input is used only when typed, and marked", async () => {
  const { file } = await setUp();
  const run = await calibrate(["--data", "random", "-o", file("c.json"), "--json"]);
  expect(run.code, run.stderr).toBe(0);
  expect(run.json<Json>()).toMatchObject({ result: { random: true }, warnings: [{ code: "W5001" }] });
  expect((await read(file("c.json"))).random).toBe(true);
});

test.each<[number, string, (at: (name: string) => string, data: string) => Promise<string[]> | string[]]>([
  [5, "E5001", (at) => ["-o", at("c.json")]],
  [5, "E5001", (at) => ["--data", at("nowhere"), "-o", at("c.json")]],
  [2, "E2005", (_, data) => ["--data", data]],
  [2, "E2006", (_, data) => ["--data", data, "-o", DIGITS_MODEL, "--overwrite"]],
  [2, "E2103", (at, data) => ["--data", data, "--exclude", "cnov*", "-o", at("c.json")]],
  [2, "E2004", (at, data) => ["--data", data, "--calibrator", "minmx", "-o", at("c.json")]],
  [
    5,
    "E5002",
    async (at, data) => {
      await writeFile(at("bad.json"), '{"schema":');
      return ["--data", data, "--merge", at("bad.json"), "-o", at("c.json")];
    },
  ],
  [
    3,
    "E3003",
    async (at, data) => {
      const other = await writeDamagedModel(at("."), 0.5);
      const { code } = await equant(["calibrate", other, ...DATA, "--data", data, "-o", at("other.json")]);
      expect(code).toBe(0);
      return ["--merge", at("other.json"), "-o", at("c.json")];
    },
  ],
])("exit code %i, %s", async (code, error, args) => {
  const { folder, data, file } = await setUp();
  const given = await args(file, data);
  const before = await readdir(folder);
  const run = await calibrate([...given, "--json"]);
  expect(run.code, run.stderr).toBe(code);
  expect(run.json<Json>()).toMatchObject({ ok: false, error: { code: error } });
  expect(await readdir(folder)).toEqual(before);
});
