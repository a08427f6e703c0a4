import { resolveQuantizeOptions } from "@equant/core/lab";
import { Command } from "commander";
import { expect, test } from "vitest";
import {
  addQuantizeOptions,
  type QuantizeFlags,
  quantizeOptions,
  quantizeStep,
} from "../../../cli/src/options/quantize-flags.js";
import { addRecipeFlags, recipeOf } from "../../../cli/src/options/step-flags.js";
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
  ["per channel", { granularity: "per-channel", calibrator: "percentile:99.99" }],
  ["few bits", { weightBits: 4, activations: "uint16", activationBits: 12, weightCalibrator: "mse" }],
  ["asymmetric", { weights: "uint8", bias: "int16", powerOfTwo: true }],
  ["a target", { target: "tensorrt", activationSymmetric: true, weightStorage: "int8" }],
  ["bits by layer", { layerBits: ["conv1*=4/8:per-channel", "fc=16"] }],
  ["exclusions", { exclude: ["a b", "conv_*"], excludeType: ["Gemm"] }],
])("the command reads the flags of %s as the same options", (_name, options) => {
  const line = cliLine(plain(options), NAMES);
  expect(line).toMatch(/^equant quantize m\.onnx /);
  const words = [...line.matchAll(/'([^']*)'|(\S+)/g)].map((match) => match[1] ?? match[2]!).slice(3);
  const command = addQuantizeOptions(new Command()).allowUnknownOption().allowExcessArguments().exitOverride();
  command.parse(words, { from: "user" });
  const read = resolveQuantizeOptions(quantizeOptions(command.opts<QuantizeFlags>()));
  expect(read).toEqual(resolveQuantizeOptions(options));
});

test("the whole recipe is compress; what it does not do is said in its flags", () => {
  expect(cliLine(DEFAULT_RECIPE, NAMES)).toBe("equant compress m.onnx --data images/ --samples 100 -o m.int8.onnx");
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

test("every option of every step has a flag; steps in another order need the config file", () => {
  const recipe = withStep(withStep(DEFAULT_RECIPE, { use: "equalize", method: "two-step", smax: 8, keep: "always" }), {
    use: "prune",
    sparsity: 0.3,
  });
  const line = cliLine(recipe, NAMES);
  expect(line).toContain(
    "--prune synflow --prune-sparsity 0.3 --equalize two-step --equalize-smax 8 --equalize-keep always",
  );
  const words = line.split(" ").slice(3);
  const command = addQuantizeOptions(new Command(), { calibrator: "tail" });
  addRecipeFlags(command);
  command.allowUnknownOption().allowExcessArguments().exitOverride().parse(words, { from: "user" });
  const flags = command.opts<QuantizeFlags>();
  const read = recipeOf(flags as Record<string, unknown>, quantizeStep(flags));
  for (const step of recipe.steps) expect(read.find(({ use }) => use === step.use)).toMatchObject(step);
  expect(read.map(({ use }) => use)).toEqual(recipe.steps.map(({ use }) => use));
  const twice = { ...recipe, steps: [{ use: "equalize" } as const, ...recipe.steps] };
  expect(cliLine(twice, NAMES)).toBe("equant run equant.config.json");
});

test("a recipe in a few words", () => {
  expect(runTitle(DEFAULT_RECIPE)).toBe("int8 per channel · dead channels · equalize optimal · bias");
});
