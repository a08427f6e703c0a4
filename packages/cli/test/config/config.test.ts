import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Command } from "commander";
import { expect, test } from "vitest";
import { applyConfig } from "../../src/config/apply.js";
import { checkConfig } from "../../src/config/check.js";
import { configJsonSchema } from "../../src/config/json-schema.js";
import { loadConfig } from "../../src/config/load.js";
import { addDataOptions } from "../../src/options/option-groups.js";
import { temporaryFolder } from "../helpers/run.js";

/** The example of the contract, word for word. */
const EXAMPLE = {
  $schema: "./node_modules/@equant/cli/schema/config-1.json",
  model: "mobilenet.onnx",
  data: {
    calibrate: { dir: "cal/", samples: 500 },
    validate: { dir: "val/", labels: "folders" },
    preprocess: { preset: "imagenet", resize: [224, 224], layout: "NCHW" },
    seed: 1,
  },
  steps: [
    { use: "fold" },
    { use: "equalize", method: "two-step", smax: 8 },
    { use: "prune", method: "synflow", sparsity: 0.5, steps: 10 },
    {
      use: "quantize",
      weights: "int8",
      activations: "uint8",
      granularity: "per-tensor",
      calibrator: "percentile:99.99",
      overrides: [{ match: "*/classifier/*", weights: "float32" }],
    },
    { use: "bias-correct" },
  ],
  gates: { maxDrop: "1pp", maxSize: "4MB" },
  out: "dist/",
};

test("the documented example is valid and comes back as written; its older form of an exclusion in the words of today", () => {
  const steps = EXAMPLE.steps.map(({ overrides, ...step }) => ({
    ...step,
    ...(overrides && { exclude: ["*/classifier/*"] }),
  }));
  expect(checkConfig(EXAMPLE, "c.json")).toEqual({ ...EXAMPLE, steps });
  expect(checkConfig({}, "c.json")).toEqual({});
});

test.each([
  [{ modle: "x" }, "c.json: unknown key modle, expected one of $schema, model", "modle", "model"],
  [{ data: { calibrat: {} } }, "unknown key data.calibrat", "calibrat", "calibrate"],
  [{ data: { preprocess: { presett: "tf" } } }, "unknown key data.preprocess.presett", "presett", "preset"],
  [
    { steps: [{ use: "fold" }, { use: "quantize", weigths: "int8" }] },
    'steps[1] (quantize): unknown option "weigths"',
    "weigths",
    "weights",
  ],
  [{ steps: [{ use: "quantize", overrides: [{ mach: "x" }] }] }, "weights of an override", undefined, undefined],
  [{ steps: [{ use: "quantise" }] }, "steps[0].use: 'quantise' is not one of fold, ", "quantise", "quantize"],
  [{ steps: [{ use: "constructor" }] }, "'constructor' is not one of fold, ", "constructor", "quantize"],
  [{ steps: [{}] }, "steps[0].use: expected string", undefined, undefined],
  [
    { steps: [{ use: "prune", sparsity: 1 }] },
    "steps[0] (prune): sparsity 1 is not a number (0 or more and below 1)",
    undefined,
    undefined,
  ],
  [{ gates: { maxDrop: 1 } }, "gates.maxDrop: expected string", undefined, undefined],
  [
    { gates: { maxDrop: "1" } },
    "gates.maxDrop: '1' is not a number of percentage points; did you mean '1pp'?",
    undefined,
    undefined,
  ],
  [{ gates: { maxSize: "4XB" } }, "gates.maxSize: '4XB' is not a size", undefined, undefined],
  [
    { gates: { minAccuracy: "83" } },
    "gates.minAccuracy: '83' is not a share from 0 to 1; did you mean '83%'?",
    undefined,
    undefined,
  ],
  [{ data: { seed: -1 } }, "data.seed: ", undefined, undefined],
  [[], "c.json: expected object", undefined, undefined],
  ["text", "c.json: expected object", undefined, undefined],
])("invalid config %j", (config, message, actual, nearest) => {
  let error: { code?: string; message?: string; details?: { actual?: string; expected?: string[] } } = {};
  try {
    checkConfig(config, "c.json");
  } catch (caught) {
    error = caught as typeof error;
  }
  expect(error.code).toBe("E2007");
  expect(error.message).toContain(message);
  if (actual !== undefined) expect(error.details?.actual).toBe(actual);
  if (nearest !== undefined) expect(error.details?.expected).toContain(nearest);
});

test("paths resolve against the file, random stays a word", async () => {
  const folder = await temporaryFolder();
  await mkdir(join(folder, "sub"));
  const config = {
    model: "m.onnx",
    out: "../dist",
    data: {
      calibrate: { dir: "random" },
      validate: { dir: "val", labels: "labels.csv" },
      preprocess: { preset: "./p.json" },
    },
  };
  await writeFile(join(folder, "sub/c.json"), `\uFEFF${JSON.stringify(config)}`);
  const loaded = await loadConfig("sub/c.json", folder);
  expect(loaded).toEqual({
    path: "sub/c.json",
    folder: join(folder, "sub"),
    config: {
      model: join(folder, "sub/m.onnx"),
      out: join(folder, "dist"),
      data: {
        calibrate: { dir: "random" },
        validate: { dir: join(folder, "sub/val"), labels: join(folder, "sub/labels.csv") },
        preprocess: { preset: join(folder, "sub/p.json") },
      },
    },
  });
});

test("mjs configs are imported; what cannot be read says why", async () => {
  const folder = await temporaryFolder();
  await writeFile(join(folder, "ok.mjs"), 'export default { model: "m.onnx" };');
  expect((await loadConfig("ok.mjs", folder)).config.model).toBe(join(folder, "m.onnx"));
  await writeFile(join(folder, "none.mjs"), "export const model = 1;");
  await writeFile(join(folder, "throws.mjs"), 'throw new Error("my mistake");');
  await writeFile(join(folder, "bad.json"), '{ "model": "m.onnx", }');
  const cases: [string, string][] = [
    ["none.mjs", "no default export"],
    ["throws.mjs", "my mistake"],
    ["bad.json", "not valid JSON"],
    ["missing.json", "config file missing.json does not exist"],
    ["missing.mjs", "config file missing.mjs does not exist"],
  ];
  for (const [file, message] of cases) {
    await expect(loadConfig(file, folder), file).rejects.toMatchObject({
      code: "E2007",
      message: expect.stringContaining(message),
    });
  }
  await expect(loadConfig(".", folder)).rejects.toMatchObject({ code: expect.stringMatching(/^E(2007|3001)$/) });
});

test("schema/config-1.json is what the code says; write it with  equant schema config", async () => {
  const file = new URL("../../schema/config-1.json", import.meta.url);
  expect(JSON.parse(await readFile(file, "utf8"))).toEqual(configJsonSchema());
});

test("every data option of the command is a key of the config, under the same name", () => {
  const command = addDataOptions(new Command());
  const { properties } = configJsonSchema() as { properties: { data: { properties: Record<string, object> } } };
  const { calibrate, preprocess, ...own } = properties.data.properties as Record<string, { properties?: object }>;
  const known = new Set([own, calibrate!.properties!, preprocess!.properties!].flatMap((part) => Object.keys(part)));
  // The data themselves are called by what they are for.
  const missing = command.options.map((option) => option.attributeName()).filter((key) => !known.has(key));
  expect(missing).toEqual(["data"]);
});

test("options of the data reach the command; their files are those of the config's folder", async () => {
  const folder = await temporaryFolder();
  const file = join(folder, "c.json");
  const data = {
    calibrate: { dir: "cal" },
    size: ["T=64"],
    state: ["h=start.npy", "sr=16000"],
    feedBack: ["hn=h"],
    tokenizer: "tokenizer.json",
    sampleRate: 16000,
    stride: 256,
    split: "50%",
    preprocess: { fit: "letterbox", pad: 0 },
  };
  await writeFile(file, JSON.stringify({ data }));
  const command = addDataOptions(new Command("quantize"));
  applyConfig(await loadConfig(file, folder), command, "quantize");
  expect(command.opts()).toMatchObject({
    data: join(folder, "cal"),
    size: ["T=64"],
    state: [`h=${join(folder, "start.npy")}`, "sr=16000"],
    feedBack: ["hn=h"],
    tokenizer: join(folder, "tokenizer.json"),
    sampleRate: 16000,
    stride: 256,
    split: 0.5,
    fit: "letterbox",
    pad: 0,
  });
});
