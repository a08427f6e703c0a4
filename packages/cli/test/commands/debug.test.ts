import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createRandom } from "@equant/core/lab";
import { describe, expect, test } from "vitest";
import { DIGITS_MODEL as MODEL, writeDigits } from "../helpers/digits.js";
import { equant, temporaryFolder } from "../helpers/run.js";

interface Ratios {
  weights: number;
  activations: number | null;
  both: number;
}
interface Layer {
  layer: string;
  local: Ratios;
  cumulative?: Ratios;
  predicted: { refined: Ratios };
}
interface Debugged {
  layers: Layer[];
  samples: number;
  agreement: { refined: { weights: { medianErrorDb: number } } };
  sensitivity?: { layers: { layer: string; aloneDb: number; gainDb: number }[] };
  comparison?: { states: { state: string }[]; layers: string[]; optimal: { weights: number[] } };
}

async function debug(...flags: string[]) {
  const cwd = await temporaryFolder();
  const images = await writeDigits(cwd, 16);
  return equant(["debug", MODEL, "--data", images, "--preset", "zero-one", "--samples", "16", ...flags], { cwd });
}

const result = (run: Awaited<ReturnType<typeof debug>>) => run.json<{ ok: boolean; result: Debugged }>().result;

describe("debug", { timeout: 30_000 }, () => {
  test("measures every layer, locally and cumulatively, and says how good the prediction was", async () => {
    const run = await debug("--json");
    expect(run.stderr).not.toContain("error[");
    expect(run.code).toBe(0);
    const { layers, samples, agreement } = result(run);
    expect(samples).toBe(16);
    expect(layers.length).toBeGreaterThan(2);
    for (const { local, cumulative, predicted } of layers) {
      // Noise of weights and of activations add up.
      expect(local.both).toBeLessThanOrEqual(Math.min(local.weights, local.activations ?? Infinity) + 0.5);
      expect(cumulative!.both).toBeLessThan(local.both + 1);
      expect(Math.abs(predicted.refined.weights - local.weights)).toBeLessThan(6);
    }
    expect(agreement.refined.weights.medianErrorDb).toBeLessThan(1.5);
  });

  test("the table shows the worst first, as many as asked for, and a way on", async () => {
    const run = await debug("--no-advice", "--top", "2", "--sort", "cumulative");
    expect(run.code).toBe(0);
    const [header, ...lines] = run.stdout.split("\n").filter((line) => line.trim() !== "");
    expect(header).toMatch(/layer +local dB +cumulative +weights +activations +predicted +kind of loss/);
    expect(lines.filter((line) => !/^[─-]+|median/.test(line.trim()))).toHaveLength(2);
    expect(run.stdout).toMatch(/weights: median \|predicted − measured\| [\d.]+ dB, r = /);
    expect(run.stderr).toContain("hint");
  });

  test("fewer bits, less signal", async () => {
    const [eight, four] = [result(await debug("--json")), result(await debug("--json", "--weight-bits", "4"))];
    for (const [at, { local }] of eight.layers.entries()) {
      expect(local.weights - four.layers[at]!.local.weights).toBeGreaterThan(15);
    }
  });

  test("--sensitivity: each layer alone, and all but one", async () => {
    const { sensitivity, layers } = result(await debug("--json", "--sensitivity"));
    expect(sensitivity!.layers.length).toBeGreaterThan(0);
    const names = layers.map(({ layer }) => layer);
    for (const { layer, aloneDb } of sensitivity!.layers) {
      expect(names).toContain(layer);
      expect(aloneDb).toBeGreaterThan(10);
    }
  });

  test("--compare: before, every equalization method, and the bound", async () => {
    const run = await debug("--json", "--compare");
    const { comparison } = result(run);
    expect(comparison!.states.map(({ state }) => state)).toEqual(["before", "one-step", "two-step", "dfq", "optimal"]);
    expect(comparison!.optimal.weights).toHaveLength(comparison!.layers.length);
  });

  test.each([
    ["no data", [], "E5001", "--data"],
    ["an order nobody knows", ["--data", "random", "--sort", "size"], "E2004", "cumulative"],
  ])("%s is refused with a way out", async (_, flags, code, hint) => {
    const run = await equant(["debug", MODEL, ...flags]);
    expect(run.code).toBe(Number(code[1]));
    expect(run.stderr).toContain(code);
    expect(run.stderr).toContain(hint);
  });
});

describe("debug --against", { timeout: 30_000 }, () => {
  const fixture = (name: string) => fileURLToPath(new URL(`../../../../fixtures/quantized/${name}`, import.meta.url));

  /** The planted network and data of its range. */
  async function planted(file: string, ...flags: string[]) {
    const cwd = await temporaryFolder();
    const header = "{'descr': '<f4', 'fortran_order': False, 'shape': (16, 3, 8, 8), }";
    const text = header.padEnd(117, " ");
    const random = createRandom(5);
    const values = Float32Array.from({ length: 16 * 192 }, () => 2 * random.uniform() - 1);
    const magic = Buffer.from([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, 118, 0]);
    await writeFile(
      join(cwd, "data.npy"),
      Buffer.concat([magic, Buffer.from(`${text}\n`), Buffer.from(values.buffer)]),
    );
    return equant(["debug", fixture(file), "--against", fixture("float.onnx"), "--data", "data.npy", ...flags], {
      cwd,
    });
  }

  test("names the planted layer of a file that onnxruntime quantized, and why", async () => {
    const run = await planted("ort-tensor-uint8.onnx", "--top", "2");
    expect(run.stderr).not.toContain("error[");
    expect(run.code).toBe(0);
    expect(run.stdout).toMatch(/1\. conv2: channel 3 is \d+ times as wide as the median one in weights/);
    expect(run.stdout).toMatch(/layer +local dB +cumulative +weights +activations +predicted +kind of loss\n +conv/);
    expect(run.stderr).toMatch(/match .*4 layers, batch-norms folded/);
    expect(run.stderr).not.toContain("W4002");
  });

  test("agrees with debug of the float model on our own file", async () => {
    const cwd = await temporaryFolder();
    const data = ["--data", await writeDigits(cwd, 16), "--preset", "zero-one", "--samples", "16"];
    expect((await equant(["quantize", MODEL, "-o", "q.onnx", ...data], { cwd })).code).toBe(0);
    const own = await equant(["debug", MODEL, "--json", "--no-advice", ...data], { cwd });
    const file = await equant(["debug", "q.onnx", "--against", MODEL, "--json", "--no-advice", ...data], { cwd });
    const [expected, found] = [own, file].map((run) => run.json<{ result: Debugged }>().result);
    expect(found!.layers).toEqual(expected!.layers);
  });

  test("refuses options of quantization, a float model in the file's place, and a file in the float model's", async () => {
    const flags = await planted("ort-tensor-uint8.onnx", "--per-channel");
    expect(flags.code).toBe(2);
    expect(flags.stderr).toMatch(/--per-channel and --against exclude each other[\s\S]*hint: leave out --per-channel/);
    const float = await planted("float.onnx");
    expect(float.code).toBe(4);
    expect(float.stderr).toMatch(/error\[E4005\].*it is not quantized/);
    const cwd = await temporaryFolder();
    const q = fixture("ort-tensor-uint8.onnx");
    const both = await equant(["debug", q, "--against", q, "--data", "random"], { cwd });
    expect(both.code).toBe(4);
    expect(both.stderr).toContain("error[E4003]");
  });
});
