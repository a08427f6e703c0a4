import { readSteps } from "@equant/core/steps";
import { expect, test } from "vitest";
import { checkConfig } from "../../../cli/src/config/check.js";
import { decodeRecipe, encodeRecipe } from "../../src/link/recipe-link.js";
import { toConfig } from "../../src/recipe/config.js";
import { runTitle } from "../../src/recipe/describe.js";
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
  expect(() => readSteps(recipe.steps)).not.toThrow();
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
  const other = withoutStep(withStep(DEFAULT_RECIPE, { use: "quantize", granularity: "per-channel" }), "bias-correct");
  expect(recipeDiff(DEFAULT_RECIPE, other)).toEqual([
    { path: "quantize.calibrator", a: "tail", b: undefined },
    { path: "bias-correct", a: "on", b: undefined },
    { path: "quantize.granularity", a: undefined, b: "per-channel" },
  ]);
  expect(recipeDiff(DEFAULT_RECIPE, DEFAULT_RECIPE)).toEqual([]);
});

const RECIPE: Recipe = {
  data: { samples: 64, validate: 100, labels: "folders", preprocess: { preset: "tf" } },
  steps: [
    { use: "fold" },
    { use: "equalize", method: "two-step", smax: 8, relu6: "paper" },
    { use: "quantize", weightBits: 4, granularity: "per-channel", calibrator: "mse", exclude: ["fc", "conv_*"] },
    { use: "bias-correct", method: "parallel", samples: 16 },
  ],
};

test("the command reads the exported config as the same steps", () => {
  expect(checkConfig(toConfig(RECIPE), "c.json").steps).toEqual(RECIPE.steps);
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
    "x.json: steps[0].use: 'bake' is not one of fold, prune,",
  );
});

test("words of older files are read as those of today, and a name that is none is said", () => {
  const old = [
    { use: "fold" },
    { use: "equalize", method: "cle", sMax: 8 },
    {
      use: "quantize",
      chooser: "min-max",
      granularity: "perChannel",
      weightSymmetric: false,
      exclude: { nodes: ["a"] },
    },
  ];
  expect(readRecipe(JSON.stringify({ steps: old })).steps).toEqual([
    { use: "fold" },
    { use: "equalize", method: "dfq", smax: 8 },
    { use: "quantize", calibrator: "minmax", granularity: "per-channel", weights: "uint8", exclude: ["a"] },
  ]);
  for (const use of ["equalise", "constructor", "__proto__"]) {
    expect(() => decodeRecipe(encodeRecipe({ ...RECIPE, steps: [{ use } as never] })!)).toThrow(
      `'${use}' is not one of`,
    );
  }
});

test("pruning is a step: in the config, in the recipe read again, in a link, in the title", () => {
  const step = { use: "prune", method: "synflow", granularity: "channels", sparsity: 0.3, steps: 3 } as const;
  const recipe = withStep(DEFAULT_RECIPE, step);
  expect(recipe.steps[1]).toEqual(step);
  const config = toConfig(recipe);
  expect(checkConfig(config, "c.json").steps![1]).toEqual(step);
  expect(readRecipe(JSON.stringify(config)).steps).toEqual(recipe.steps);
  expect(decodeRecipe(encodeRecipe(recipe)!)).toEqual(recipe);
  expect(runTitle(recipe)).toContain("prune 30 % of the channels (synflow)");
  expect(runTitle(withStep(DEFAULT_RECIPE, { use: "prune" }))).toContain("prune 90 % of the weights (synflow)");
});
