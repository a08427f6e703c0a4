import { checkRecipe } from "@equant/core";
import { expect, test } from "vitest";
import type { StepConfig } from "../../../cli/src/config/steps.js";
import { recipeSteps } from "../../../cli/src/options/recipe-steps.js";
import { decodeRecipe, encodeRecipe } from "../../src/link/recipe-link.js";
import { cliLine } from "../../src/recipe/cli-line.js";
import { toConfig } from "../../src/recipe/config.js";
import { runTitle } from "../../src/recipe/describe.js";
import { isExpressible } from "../../src/recipe/expressible.js";
import { readRecipe } from "../../src/recipe/read-recipe.js";
import {
  canonical,
  DEFAULT_RECIPE,
  type Recipe,
  recipeDiff,
  stepOf,
  withoutStep,
  withStep,
} from "../../src/recipe/recipe.js";

test("steps stand in an order that core takes, whatever the order of edits", () => {
  let recipe: Recipe = { ...DEFAULT_RECIPE, steps: [] };
  for (const use of [
    "tune-biases",
    "ada-round",
    "bias-correct",
    "quantize",
    "equalize",
    "prune",
    "fold",
    "dead-channels",
  ] as const) {
    recipe = withStep(recipe, { use });
  }
  expect(recipe.steps.map(({ use }) => use)).toEqual([
    "fold",
    "prune",
    "dead-channels",
    "equalize",
    "quantize",
    "bias-correct",
    "ada-round",
    "tune-biases",
  ]);
  expect(() => checkRecipe(recipe.steps)).not.toThrow();
  expect(stepOf(withoutStep(recipe, "equalize"), "equalize")).toBeUndefined();
});

test("a step put again replaces the one before", () => {
  const recipe = withStep(DEFAULT_RECIPE, { use: "equalize", method: "dfq" });
  expect(recipe.steps.filter(({ use }) => use === "equalize")).toEqual([{ use: "equalize", method: "dfq" }]);
});

test("equal intents have equal texts", () => {
  expect(canonical({ b: 1, a: [{ d: undefined, c: 2 }] })).toBe(canonical({ a: [{ c: 2 }], b: 1 }));
});

test("the difference of recipes names paths and values", () => {
  const other = withoutStep(withStep(DEFAULT_RECIPE, { use: "quantize", granularity: "perChannel" }), "bias-correct");
  expect(recipeDiff(DEFAULT_RECIPE, other)).toEqual([
    { path: "quantize.chooser", a: "tail", b: undefined },
    { path: "quantize.granularity", a: "perTensor", b: "perChannel" },
    { path: "bias-correct", a: "on", b: undefined },
    { path: "bias-correct.method", a: "sequential", b: undefined },
  ]);
  expect(recipeDiff(DEFAULT_RECIPE, DEFAULT_RECIPE)).toEqual([]);
});

const RECIPE: Recipe = {
  data: { samples: 64, validate: 100, labels: "folders", preprocess: { preset: "tf" } },
  steps: [
    { use: "fold" },
    { use: "equalize", method: "two-step", sMax: 8, relu6: "paper" },
    { use: "quantize", weightBits: 4, granularity: "perChannel", chooser: "mse", exclude: { nodes: ["fc", "conv_*"] } },
    { use: "bias-correct", method: "parallel", samples: 16 },
  ],
};

test("the command reads the exported config as the same steps", () => {
  const { steps } = toConfig(RECIPE) as { steps: StepConfig[] };
  const { weightSymmetric, ...quantize } = recipeSteps(steps)[2] as unknown as Record<string, unknown>;
  expect(weightSymmetric).toBe(true);
  expect([...recipeSteps(steps).slice(0, 2), quantize, ...recipeSteps(steps).slice(3)]).toEqual(RECIPE.steps);
});

test("an exported recipe and an exported config are read back as the same recipe", () => {
  expect(readRecipe(JSON.stringify(RECIPE))).toEqual(RECIPE);
  const config = toConfig(RECIPE) as { data: object };
  expect(readRecipe(JSON.stringify(config))).toEqual({
    ...RECIPE,
    data: { ...RECIPE.data, validate: 500, labels: "auto" },
  });
});

test("a file that is no recipe says so", () => {
  expect(() => readRecipe("{", "x.json")).toThrow("x.json: not JSON");
  expect(() => readRecipe("{}", "x.json")).toThrow("x.json: no recipe: it has no steps");
  expect(() => readRecipe('{"steps": [{"use": "bake"}]}', "x.json")).toThrow(
    "x.json: steps[0]: bake is no step of a recipe",
  );
});

test("what a config file cannot say is known", () => {
  expect(isExpressible(DEFAULT_RECIPE)).toBe(true);
  expect(isExpressible(RECIPE)).toBe(true);
  expect(isExpressible(withStep(RECIPE, { use: "quantize", weightBits: 6 }))).toBe(false);
  expect(isExpressible(withStep(RECIPE, { use: "quantize", exclude: { opTypes: ["Gemm"] } }))).toBe(false);
});

test("pruning is a step: in the config, in the recipe read again, in a link, in the title; the command takes the config", () => {
  const step = { use: "prune", method: "synflow", granularity: "channels", sparsity: 0.3, steps: 3 } as const;
  const recipe = withStep(DEFAULT_RECIPE, step);
  expect(recipe.steps[1]).toEqual(step);
  const config = toConfig(recipe) as { steps: StepConfig[] };
  expect(recipeSteps(config.steps)[1]).toEqual(step);
  expect(readRecipe(JSON.stringify(config)).steps).toEqual(recipe.steps);
  expect(isExpressible(recipe)).toBe(true);
  expect(decodeRecipe(encodeRecipe(recipe)!)).toEqual(recipe);
  expect(runTitle(recipe)).toContain("prune 30 % of the channels (synflow)");
  expect(runTitle(withStep(DEFAULT_RECIPE, { use: "prune" }))).toContain("prune 90 % of the weights (synflow)");
  expect(cliLine(recipe, { model: "m.onnx", data: "images/", output: "q.onnx" })).toBe("equant run equant.config.json");
});
