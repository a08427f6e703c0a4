import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { linearLayers, parseModel } from "@equant/core/lab";
import { describe, expect, test } from "vitest";
import { DIGITS_MODEL as MODEL, writeDigits } from "../helpers/digits.js";
import { equant, temporaryFolder } from "../helpers/run.js";

interface Equalized {
  method: string;
  relu6: string;
  classes: { producers: string[]; minFactor: number; maxFactor: number }[];
  layers: { node: string; before: number; after: number }[];
  noise: { before: number; after: number };
  proof?: { gap: number };
  drift: { max: number };
}

async function equalized(...flags: string[]) {
  const cwd = await temporaryFolder();
  const images = await writeDigits(cwd, 16);
  const data = ["--data", images, "--preset", "zero-one", "--samples", "16"];
  const run = await equant(["equalize", MODEL, ...data, "-o", "out.onnx", "--json", ...flags], { cwd });
  return { run, output: join(cwd, "out.onnx"), cwd };
}

describe("equalize", { timeout: 30_000 }, () => {
  test("writes a float model with other weights and the same function", async () => {
    const { run, output, cwd } = await equalized();
    expect(run.stderr).not.toContain("error[");
    expect(run.code).toBe(0);
    const { result, ok } = run.json<{ ok: boolean; result: Equalized }>();
    expect(ok).toBe(true);
    expect(result).toMatchObject({ method: "optimal", relu6: "exact" });
    expect(result.noise.after).toBeLessThan(result.noise.before);
    expect(result.proof!.gap).toBeLessThan(0.02);
    expect(result.drift.max).toBeLessThan(1e-4);
    const [before, after] = [parseModel(await readFile(MODEL)), parseModel(await readFile(output))];
    expect(after.graph.nodes.some(({ opType }) => opType === "QuantizeLinear")).toBe(false);
    const weights = (model: typeof before) => linearLayers(model.graph).map(({ tensor }) => tensor.bytes());
    expect(weights(after)).not.toEqual(weights(before));
    // What was written answers as the original does.
    const images = join(cwd, "digits-images-idx3-ubyte");
    const judged = await equant(
      ["validate", output, "--against", MODEL, "--data", images, "--preset", "zero-one", "--no-latency", "--json"],
      { cwd },
    );
    expect(judged.code).toBe(0);
    const { result: verdict } = judged.json<{ result: { agreement: number; logitSqnrDb: number } }>();
    expect(verdict.agreement).toBe(1);
    expect(verdict.logitSqnrDb).toBeGreaterThan(90);
  });

  test("the same inputs give the same bytes", async () => {
    const [first, second] = [await equalized(), await equalized()];
    expect(await readFile(first.output)).toEqual(await readFile(second.output));
  });

  test("methods and --smax reach the library; cle is another name of dfq", async () => {
    const { run } = await equalized("--method", "one-step", "--smax", "2");
    const { result } = run.json<{ result: Equalized }>();
    expect(result.method).toBe("one-step");
    const factors = result.classes.flatMap(({ minFactor, maxFactor }) => [minFactor, maxFactor]);
    expect(Math.min(...factors)).toBeGreaterThanOrEqual(1);
    expect(Math.max(...factors)).toBe(2);
    const cle = await equalized("--method", "cle");
    expect(cle.run.json<{ result: Equalized }>().result.method).toBe("dfq");
  });

  test("the table names layers, their spread before and after, noise and drift", async () => {
    const cwd = await temporaryFolder();
    const images = await writeDigits(cwd, 8);
    const run = await equant(["equalize", MODEL, "--data", images, "--preset", "zero-one", "-o", "out.onnx"], { cwd });
    expect(run.code).toBe(0);
    expect(run.stdout).toMatch(/layer +spread before +after/);
    expect(run.stdout).toMatch(/predicted noise -[\d.]+ dB, within [\d.]+ % of the optimum · output drift \d/);
    expect(run.stderr).toContain("equant quantize out.onnx --data");
  });

  test("--explain lists classes and reasons, needs no data and writes nothing", async () => {
    const run = await equant(["equalize", MODEL, "--explain", "--json"]);
    expect(run.code).toBe(0);
    const { result } = run.json<{
      result: { free: number; producers: string[]; consumers: string[]; reason?: string; reasons: object[] }[];
    }>();
    const scaled = result.filter(({ free }) => free > 0);
    expect(scaled.length).toBeGreaterThan(1);
    for (const { producers, consumers } of scaled) {
      expect(producers.length).toBeGreaterThan(0);
      expect(consumers.length).toBeGreaterThan(0);
    }
    expect(result.map(({ reason }) => reason)).toContain("output of the network");
  });

  test.each([
    ["no output", ["--data", "random"], "E2005", "-o FILE"],
    ["no data", ["-o", "out.onnx"], "E5001", "--data"],
    ["a method nobody knows", ["--method", "best", "-o", "out.onnx"], "E2004", "two-step"],
    ["the input as output", ["--data", "random", "-o", MODEL], "E2", ""],
  ])("%s is refused with a way out", async (_, flags, code, hint) => {
    const cwd = await temporaryFolder();
    const before = await readFile(MODEL);
    const run = await equant(["equalize", MODEL, ...flags], { cwd });
    expect(run.code).toBe(Number(code[1]));
    expect(run.stderr).toContain(code);
    expect(run.stderr).toContain(hint);
    expect(await readFile(MODEL)).toEqual(before);
  });
});
