import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { readReport } from "@equant/report";
import { expect, test } from "vitest";
import { DIGITS_MODEL as MODEL, writeDigits } from "../helpers/digits.js";
import { equant, temporaryFolder } from "../helpers/run.js";

test("compress --out writes a report that equant report draws again, page and single charts", {
  timeout: 120_000,
}, async () => {
  const cwd = await temporaryFolder();
  const images = await writeDigits(cwd, 30);
  const data = ["--data", images, "--preset", "zero-one"];
  const made = await equant(["compress", MODEL, ...data, "--equalize", "two-step", "--out", "out", "-q"], { cwd });
  expect(made.stderr).not.toContain("error[");
  const report = readReport(await readFile(join(cwd, "out/report.json"), "utf8"));
  expect(report.title).toBe("digits.onnx");
  expect(report.layers.map(({ name, bits }) => [name, bits])).toEqual([
    ["conv_1", 8],
    ["conv_2", 8],
    ["conv_3", 8],
    ["fc", 8],
  ]);
  expect(report.msb?.every(({ exact }) => exact)).toBe(true);
  expect(report.msb?.find(({ tensor }) => tensor === "input")?.total).toBe(16 * 784);
  expect(report.sqnr?.layers).toHaveLength(4);
  expect(report.samples).toBe(16);
  const page = await readFile(join(cwd, "out/report.html"), "utf8");
  expect(page).toContain("<title>digits.onnx");

  const again = await equant(["report", "out/report.json", "-o", "page.html", "--json"], { cwd });
  expect(again.code).toBe(0);
  expect(await readFile(join(cwd, "page.html"), "utf8")).toBe(page);
  expect(again.json<{ result: { output: string } }>().result.output).toBe("page.html");

  const chart = await equant(
    ["report", "out/report.json", "--chart", "weight-ranges", "--layer", "conv_2", "--svg", "chart.svg"],
    { cwd },
  );
  expect(chart.code).toBe(0);
  expect(chart.stdout).toContain("conv_2: before, the widest of 16 channels");
  expect(await readFile(join(cwd, "chart.svg"), "utf8")).toMatch(/^<svg .*xmlns="http:\/\/www.w3.org\/2000\/svg"/);
});

test("report says what is wrong with its input and its options", async () => {
  const cwd = await temporaryFolder();
  await mkdir(join(cwd, "bad"));
  await writeFile(join(cwd, "bad/report.json"), '{"schema":"equant.report/9"}');
  const codes = async (...args: string[]) => {
    const run = await equant(["report", ...args], { cwd });
    return [run.code, /error\[(E\d+)\]/.exec(run.stderr)?.[1]];
  };
  expect(await codes("none.json")).toEqual([3, "E3001"]);
  expect(await codes("bad/report.json")).toEqual([5, "E5002"]);
  const digits = {
    schema: "equant.report/1",
    tool: { name: "equant", version: "0" },
    model: null,
    recipe: [],
    steps: [],
    findings: [],
    layers: [],
    ranges: [{ layer: "a", tensor: "a", kind: "weights", min: -1, max: 1 }],
    histograms: [],
    weights: [{ layer: "a", opType: "Conv", before: null, after: null }],
  };
  await writeFile(join(cwd, "report.json"), JSON.stringify(digits));
  expect(await codes("report.json", "--svg", "a.svg")).toEqual([2, "E2005"]);
  expect(await codes("report.json", "--chart", "confusion")).toEqual([2, "E2005"]);
  expect(await codes("report.json", "--chart", "nonsense")).toEqual([2, "E2004"]);
  expect(await codes("report.json", "--chart", "weight-ranges", "--layer", "b")).toEqual([2, "E2103"]);
  expect(await codes("report.json", "--chart", "range-table", "--svg", "a.svg")).toEqual([0, undefined]);
  expect(await codes("report.json", "--chart", "range-table", "--svg", "a.svg")).toEqual([2, "E2006"]);
});

test("every command that has a chart writes it", { timeout: 120_000 }, async () => {
  const cwd = await temporaryFolder();
  const images = await writeDigits(cwd, 20);
  const data = ["--data", images, "--preset", "zero-one", "-q"];
  const title = async (name: string, ...args: string[]) => {
    const run = await equant([...args, ...data, "--svg", `${name}.svg`], { cwd });
    expect(run.stderr).not.toContain("error[");
    return /<title>([^<]+)<\/title>/.exec(await readFile(join(cwd, `${name}.svg`), "utf8"))?.[1];
  };
  expect(await title("a", "validate", MODEL, "--against", MODEL, "--no-latency")).toMatch(
    /^Confusion before and after/,
  );
  expect(await title("b", "debug", MODEL)).toBe("SQNR by layer, predicted and measured (dB)");
  const prune = ["prune", MODEL, "-o", "p.onnx", "--steps", "2", "--method", "magnitude"];
  expect(await title("c", ...prune)).toMatch(/^Accuracy against sparsity/);
  expect(await title("e", "calibrate", MODEL, "-o", "c.json")).toMatch(/^Range convergence/);
  expect(await title("f", "quantize", MODEL, "-o", "q.onnx")).toMatch(/^Most significant bits of values/);
  expect(await title("g", "compress", MODEL, "-o", "s.onnx", "--equalize", "none")).toMatch(/^Most significant bits/);
  // Boxes of both layers of a pair before and after, and below them the channels they share.
  await title("h", "equalize", MODEL, "-o", "e.onnx", "--method", "dfq");
  const stacked = await readFile(join(cwd, "h.svg"), "utf8");
  const titles = [...stacked.matchAll(/<title>([^<(]+) \(/g)].map((match) => match[1]);
  expect(titles.map((text) => text!.replace(/conv_\d|fc/g, "L"))).toEqual([
    "Weight ranges of L",
    "Weight ranges of L",
    "Channel maxima of L and L",
  ]);
  expect(stacked).toContain("after: ");
  expect(stacked).not.toMatch(/NaN|undefined/);
  const explained = await equant(["equalize", MODEL, "--explain", "--svg", "i.svg"], { cwd });
  expect(explained.stderr).toContain("error[E2005]");
  const none = await equant(
    ["validate", MODEL, "--data", "random", "--samples", "4", "--no-latency", "--svg", "d.svg"],
    { cwd },
  );
  expect(none.stderr).toContain("error[E5004]");
});
