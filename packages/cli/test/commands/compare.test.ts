import { mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { DIGITS_MODEL, writeDamagedModel, writeDigits } from "../helpers/digits.js";
import { equant, temporaryFolder } from "../helpers/run.js";

interface Compared {
  result: {
    reference: string | null;
    metric: string;
    models: {
      name: string;
      source: string;
      bytes: number;
      top1: number | null;
      interval: { low: number; high: number } | null;
      drop: number | null;
      mcNemar: { onlyBaseline: number; onlyCandidate: number; p: number } | null;
      agreement: number | null;
      sqnrDb: number | null;
      front: boolean;
    }[];
  };
}

const PLAIN = ["--equalize", "none", "--no-dead-channels", "--bias-correct", "none"];

test("measures models and runs on the same samples, marks the front and draws it", async () => {
  const cwd = await temporaryFolder();
  const images = await writeDigits(cwd, 60);
  const data = ["--data", images, "--preset", "zero-one"];
  const damaged = await writeDamagedModel(cwd, 0.5);
  const made = await equant(["compress", DIGITS_MODEL, ...data, ...PLAIN, "--samples", "8", "--out", "int8"], { cwd });
  expect(made.code, made.stderr).toBe(0);
  const flags = [...data, "--no-latency"];
  const run = await equant(["compare", DIGITS_MODEL, "int8", damaged, ...flags, "--json", "--svg", "front.svg"], {
    cwd,
  });
  expect(run.code, run.stderr).toBe(0);
  const { models, metric, reference } = run.json<Compared>().result;
  expect([metric, reference]).toEqual(["top-1", DIGITS_MODEL]);
  const [float, small, bad] = models;
  expect(float).toMatchObject({ source: "data", drop: null, mcNemar: null, agreement: null, sqnrDb: null });
  expect(small!.bytes).toBeLessThan(float!.bytes / 2);
  expect(small!.agreement).toBeGreaterThan(0.9);
  expect(bad!.sqnrDb).toBeLessThan(small!.sqnrDb!);
  for (const { top1, interval } of models) {
    // Wilson's interval by its defining equation: |p − x| = z·√(x(1 − x)/n) at both ends.
    for (const end of [interval!.low, interval!.high]) {
      if (end === 0 || end === 1) continue;
      expect(Math.abs(top1! - end)).toBeCloseTo(1.959964 * Math.sqrt((end * (1 - end)) / 60), 6);
    }
  }
  // Exact McNemar: all ways in which n coins fall at least as unevenly.
  const { onlyBaseline, onlyCandidate, p } = bad!.mcNemar!;
  const n = onlyBaseline + onlyCandidate;
  const choose = (k: number): number => (k === 0 ? 1 : (choose(k - 1) * (n - k + 1)) / k);
  let tail = 0;
  for (let k = 0; k <= Math.min(onlyBaseline, onlyCandidate); k++) tail += choose(k) / 2 ** n;
  expect(p).toBeCloseTo(Math.min(1, 2 * tail), 9);
  expect(bad!.drop).toBeCloseTo((onlyBaseline - onlyCandidate) / 60, 9);
  const beaten = (own: (typeof models)[number]) =>
    models.some((other) => other !== own && other.bytes <= own.bytes && other.top1! >= own.top1!);
  for (const own of models) expect(own.front, own.name).toBe(!beaten(own));
  expect(await readFile(join(cwd, "front.svg"), "utf8")).toContain("Size and top-1");

  const text = await equant(["compare", DIGITS_MODEL, "int8", ...flags, "--labels", "none"], { cwd });
  expect(text.stdout).toMatch(/^ *model +size +same answer +output SQNR +front\n/);
  expect(text.stdout).toMatch(/int8 +\d.*kB +(9\d\.\d\d|100\.00) % +\d+\.\d dB +\*/);
  expect(text.stdout).toContain("on the same 60 samples");

  // Without --data: what the run wrote, and of a bare file the size.
  const read = (await equant(["compare", DIGITS_MODEL, "int8/report.json", "--json"], { cwd })).json<Compared>().result;
  expect(read.reference).toBeNull();
  expect(read.models.map(({ source, top1 }) => [source, top1])).toEqual([
    ["file", null],
    ["report", null],
  ]);
  expect(read.models[1]!.sqnrDb).toBeGreaterThan(10);
  await rm(join(cwd, "int8/model.onnx"));
  const gone = await equant(["compare", DIGITS_MODEL, "int8", ...flags], { cwd });
  expect([gone.code, gone.stderr]).toEqual([3, expect.stringContaining("no model.onnx beside int8")]);
}, 60_000);

test("refuses one model, an empty folder, and a chart of nothing", async () => {
  const cwd = await temporaryFolder();
  await mkdir(join(cwd, "empty"));
  const refuse = async (...args: string[]) => {
    const { code, stderr } = await equant(["compare", ...args], { cwd });
    return [code, /error\[(E\d+)\]: (.*)/.exec(stderr)?.slice(1).join(" ")];
  };
  expect(await refuse(DIGITS_MODEL)).toEqual([2, "E2005 compare: one model given, expected 2 or more"]);
  expect(await refuse(DIGITS_MODEL, "empty")).toEqual([
    3,
    "E3001 compare: empty has neither report.json nor model.onnx",
  ]);
  const nothing = await refuse(DIGITS_MODEL, DIGITS_MODEL, "--svg", "c.svg");
  expect(nothing).toEqual([2, "E2005 compare: nothing to draw, no accuracy or agreement is known"]);
});
