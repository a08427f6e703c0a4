import { resolveQuantizeOptions } from "@equant/core";
import { Command } from "commander";
import { expect, test } from "vitest";
import { addQuantizeOptions, type QuantizeFlags, quantizeOptions } from "../../../cli/src/options/quantize-flags.js";
import { cliLine } from "../../src/recipe/cli-line.js";
import { runTitle } from "../../src/recipe/describe.js";
import { DEFAULT_RECIPE, type Recipe, type StepOf, withStep } from "../../src/recipe/recipe.js";

const NAMES = { model: "m.onnx", data: "images/", output: "m.int8.onnx" };
const plain = (options: Omit<StepOf<"quantize">, "use">): Recipe => ({
  data: DEFAULT_RECIPE.data,
  steps: [{ use: "fold" }, { use: "quantize", ...options }],
});

test.each<[string, Omit<StepOf<"quantize">, "use">]>([
  ["defaults", {}],
  ["per channel", { granularity: "perChannel", chooser: "percentile:99.99" }],
  ["few bits", { weightBits: 4, activations: "uint16", activationBits: 12, weightChooser: "mse" }],
  ["asymmetric", { weightSymmetric: false, bias: "int16", powerOfTwo: true }],
  ["a target", { target: "tensorrt", activationSymmetric: true, weightStorage: "int8" }],
  ["exclusions", { exclude: { nodes: ["a b", "conv_*"], opTypes: ["Gemm"] } }],
])("the command reads the flags of %s as the same options", (_name, options) => {
  const line = cliLine(plain(options), NAMES);
  expect(line).toMatch(/^equant quantize m\.onnx /);
  const words = [...line.matchAll(/'([^']*)'|(\S+)/g)].map((match) => match[1] ?? match[2]!).slice(3);
  const command = addQuantizeOptions(new Command()).allowUnknownOption().allowExcessArguments().exitOverride();
  command.parse(words, { from: "user" });
  const read = resolveQuantizeOptions(quantizeOptions(command.opts<QuantizeFlags>()));
  const { exclude, ...rest } = resolveQuantizeOptions(options);
  expect({ ...read, exclude: undefined }).toEqual({ ...rest, exclude: undefined });
  expect(read.exclude).toEqual({ nodes: [], opTypes: [], subgraphs: [], ...exclude });
});

test("the whole recipe is compress; what it does not do is said in its flags", () => {
  expect(cliLine(DEFAULT_RECIPE, NAMES)).toBe(
    "equant compress m.onnx --data images/ --samples 100 --granularity per-tensor -o m.int8.onnx",
  );
  const less = withStep({ ...DEFAULT_RECIPE, steps: [{ use: "fold" }, { use: "quantize" }] }, { use: "bias-correct" });
  expect(cliLine(less, NAMES)).toContain("--no-dead-channels --equalize none --data");
});

test("preprocessing is in the line; names are quoted for the shell", () => {
  const recipe = {
    ...DEFAULT_RECIPE,
    data: {
      ...DEFAULT_RECIPE.data,
      labels: "folders" as const,
      preprocess: { preset: "tf" as const, resize: 256, crop: 224 },
    },
  };
  const line = cliLine(recipe, { ...NAMES, model: "my model's.onnx" });
  expect(line).toContain("'my model'\\''s.onnx'");
  expect(line).toContain("--preset tf --resize 256 --crop 224");
  expect(line).toContain("--labels folders");
});

test("what no flag says needs the config file", () => {
  const recipe = withStep(DEFAULT_RECIPE, { use: "equalize", method: "two-step", sMax: 8 });
  expect(cliLine(recipe, NAMES)).toBe("equant run equant.config.json");
});

test("a recipe in a few words", () => {
  expect(runTitle(DEFAULT_RECIPE)).toBe("int8 per tensor · dead channels · equalize optimal · bias");
});
