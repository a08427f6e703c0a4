import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseModel } from "@equant/core";
import { expect, test } from "vitest";
import { DIGITS_MODEL as MODEL, writeDigits } from "../helpers/digits.js";
import { equant, temporaryFolder } from "../helpers/run.js";

interface Step {
  step: string;
  kept: boolean;
  error: { sqnrDb: number; agreement: number };
}

test("compress writes a verified model and tells what every step was worth", { timeout: 120_000 }, async () => {
  const cwd = await temporaryFolder();
  const images = await writeDigits(cwd, 40);
  const run = await equant(["compress", MODEL, "--data", images, "--preset", "zero-one", "--out", "out", "--json"], {
    cwd,
  });
  expect(run.stderr).not.toContain("error[");
  expect(run.code).toBe(0);
  const { result } = run.json<{ result: { steps: Step[]; verification: { runtime: { agreement: number } } } }>();
  expect(result.steps.map(({ step }) => step)).toEqual(["dead-channels", "equalize", "quantize", "bias-correct"]);
  expect(result.verification.runtime.agreement).toBeGreaterThan(0.9);
  const bytes = await readFile(join(cwd, "out/model.onnx"));
  expect(bytes.length).toBeLessThan(0.4 * (await readFile(MODEL)).length);
  expect(parseModel(bytes).graph.nodes.some(({ opType }) => opType === "QuantizeLinear")).toBe(true);
  const report = JSON.parse(await readFile(join(cwd, "out/report.json"), "utf8"));
  expect(report.schema).toBe("equant.report/1");
  expect(await readFile(join(cwd, "out/layers.csv"), "utf8")).toMatch(
    /^layer,parameter,shape,type\nconv_1,Weights,8x1x3x3,/,
  );

  // The same inputs give the same bytes.
  const again = await equant(["compress", MODEL, "--data", images, "--preset", "zero-one", "-o", "again.onnx", "-q"], {
    cwd,
  });
  expect(again.code).toBe(0);
  expect(Buffer.compare(await readFile(join(cwd, "again.onnx")), bytes)).toBe(0);
});

test("compress learns roundings and biases when asked, and says what came of it", { timeout: 120_000 }, async () => {
  const cwd = await temporaryFolder();
  const images = await writeDigits(cwd, 40);
  const flags = ["--preset", "zero-one", "--weight-bits", "4", "--ada-round", "--tune-biases"];
  const run = await equant(["compress", MODEL, "--data", images, ...flags, "-o", "out.onnx", "--json"], { cwd });
  expect(run.code).toBe(0);
  const { result } = run.json<{ result: { steps: (Step & { kept: boolean; note: string })[] } }>();
  const learned = result.steps.slice(-2);
  expect(learned.map(({ step }) => step)).toEqual(["ada-round", "tune-biases"]);
  for (const { kept, note } of learned) {
    const [before, after] = [...note.matchAll(/[\d.]+(?= →| dB)/g)].map(Number) as [number, number];
    expect(after >= before).toBe(kept);
  }
});

test("--seed reaches what is learned, in compress and in run", { timeout: 120_000 }, async () => {
  const cwd = await temporaryFolder();
  const images = await writeDigits(cwd, 24);
  const compressed = async (seed: number) => {
    const flags = ["--preset", "zero-one", "--weight-bits", "4", "--equalize", "none", "--bias-correct", "none"];
    const argv = [
      "compress",
      MODEL,
      "--data",
      images,
      ...flags,
      "--tune-biases",
      "--seed",
      String(seed),
      "--overwrite",
    ];
    expect((await equant([...argv, "-o", "out.onnx", "-q"], { cwd })).code).toBe(0);
    return readFile(join(cwd, "out.onnx"));
  };
  const [one, two, again] = [await compressed(1), await compressed(2), await compressed(1)];
  expect(Buffer.compare(one, again)).toBe(0);
  expect(Buffer.compare(one, two)).not.toBe(0);

  const steps = [{ use: "fold" }, { use: "quantize" }, { use: "tune-biases", samples: 16, epochs: 1 }];
  const data = { calibrate: { dir: images }, preprocess: { preset: "zero-one" }, seed: 5 };
  await writeFile(join(cwd, "equant.config.json"), JSON.stringify({ model: MODEL, data, steps, out: "here" }));
  const seeds = async (...flags: string[]) => {
    const run = await equant(["run", "--overwrite", "--json", ...flags], { cwd });
    expect(run.code).toBe(0);
    expect(run.stderr).toMatch(/settings/);
    const lock = JSON.parse(await readFile(join(cwd, "here/recipe.lock.json"), "utf8"));
    return lock.steps.map((step: { seed?: number }) => step.seed);
  };
  expect(await seeds()).toEqual([undefined, undefined, 5]);
  expect(await seeds("--seed", "6")).toEqual([undefined, undefined, 6]);
});

test("compress without an output says which flags there are", async () => {
  const run = await equant(["compress", MODEL, "--data", "random"]);
  expect(run.code).toBe(2);
  expect(run.stderr).toContain("E2005");
  expect(run.stderr).toContain("--out DIR");
});

test("run executes a config, checks its gates and fills the output folder", async () => {
  const cwd = await temporaryFolder();
  const images = await writeDigits(cwd, 60);
  const config = {
    model: MODEL,
    data: { calibrate: { dir: images, samples: 30 }, validate: { dir: images }, preprocess: { preset: "zero-one" } },
    steps: [{ use: "fold" }, { use: "quantize", granularity: "per-channel" }, { use: "bias-correct" }],
    gates: { maxSize: "1kB" },
    out: "dist",
  };
  await writeFile(join(cwd, "equant.config.json"), JSON.stringify(config));
  const failed = await equant(["run", "--json"], { cwd });
  // The gate fails, and the output is there all the same.
  expect(failed.code).toBe(1);
  const { result } = failed.json<{ result: { metrics: { top1: { drop: number } } } }>();
  expect(Math.abs(result.metrics.top1.drop)).toBeLessThan(0.1);
  for (const file of ["model.onnx", "report.json", "recipe.lock.json", "calibration.json", "layers.csv"]) {
    expect((await readFile(join(cwd, "dist", file))).length).toBeGreaterThan(50);
  }

  config.gates = { maxSize: "1MB" };
  await writeFile(join(cwd, "equant.config.json"), JSON.stringify(config));
  expect((await equant(["run", "--overwrite", "-q"], { cwd })).code).toBe(0);

  // Without data to validate on, the share that --split leaves is measured.
  const { validate: _validate, ...data } = config.data;
  await writeFile(join(cwd, "equant.config.json"), JSON.stringify({ ...config, data }));
  const split = await equant(["run", "--overwrite", "--json", "--split", "0.7", "--seed", "1"], { cwd });
  expect(split.code, split.stderr).toBe(0);
  const { samples } = JSON.parse(await readFile(join(cwd, "dist/report.json"), "utf8")).validation;
  expect(samples).toBeGreaterThan(10);
  expect(samples).toBeLessThan(25);
});

test("run refuses steps in an order that cannot work", async () => {
  const cwd = await temporaryFolder();
  await mkdir(join(cwd, "data"));
  const config = {
    model: MODEL,
    data: { calibrate: { dir: "random" } },
    steps: [{ use: "bias-correct" }, { use: "quantize" }],
  };
  await writeFile(join(cwd, "equant.config.json"), JSON.stringify(config));
  const run = await equant(["run"], { cwd });
  expect(run.code).toBe(2);
  expect(run.stderr).toContain("bias-correct must stand behind quantize");
});

test("demo quantizes the embedded network without a loss worth naming", { timeout: 180_000 }, async () => {
  const cwd = await temporaryFolder();
  const run = await equant(["demo", "--json", "--samples", "64"], { cwd });
  expect(run.code).toBe(0);
  const page = await readFile(join(cwd, "equant-demo/report.html"), "utf8");
  const charts = ["msb-heatmap", "weight-ranges", "sqnr-prediction", "accuracy-sparsity", "layer-sparsity"];
  for (const chart of [...charts, "layer-channels", "confusion"]) expect(page).toContain(`data-chart="${chart}"`);
  const { pruning } = JSON.parse(await readFile(join(cwd, "equant-demo/report.json"), "utf8"));
  expect(pruning.curves.map(({ method }: { method: string }) => method)).toEqual(["magnitude", "synflow"]);
  const { result } = run.json<{
    result: { baseline: { top1: number }; candidate: { top1: number; bytes: number }; agreement: number };
  }>();
  expect(result.baseline.top1).toBeGreaterThan(0.985);
  expect(result.candidate.top1).toBeGreaterThan(result.baseline.top1 - 0.005);
  expect(result.agreement).toBeGreaterThan(0.99);
  expect(result.candidate.bytes).toBeLessThan(30_000);
});
