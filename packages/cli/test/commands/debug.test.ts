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
