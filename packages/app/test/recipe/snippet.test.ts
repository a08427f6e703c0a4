import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { parseModel } from "@equant/core";
import sharp from "sharp";
import { expect, onTestFinished, test } from "vitest";
import { DEFAULT_RECIPE, type Recipe } from "../../src/recipe/recipe.js";
import { snippet } from "../../src/recipe/snippet.js";

const root = join(import.meta.dirname, "../../../..");

test("the program runs as it is, and does what the recipe says", { timeout: 120_000 }, async () => {
  // Inside the repository, where the packages it imports are found.
  mkdirSync(join(root, "build"), { recursive: true });
  const folder = mkdtempSync(join(root, "build/snippet-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const images = join(folder, "images");
  mkdirSync(images);
  for (let i = 0; i < 4; i++) {
    const pixels = Uint8Array.from({ length: 28 * 28 }, (_, at) => (at * (i + 3) * 31) % 251);
    const picture = sharp(pixels, { raw: { width: 28, height: 28, channels: 1 } });
    writeFileSync(join(images, `${i}.png`), await picture.png().toBuffer());
  }
  const model = join(root, "packages/cli/assets/digits.onnx");
  const run = async (name: string, recipe: Recipe) => {
    const output = join(folder, `${name}.onnx`);
    const program = join(folder, `${name}.mjs`);
    writeFileSync(program, snippet(recipe, { model, data: images, output }));
    await import(pathToFileURL(program).href);
    return readFileSync(output);
  };
  const data = { ...DEFAULT_RECIPE.data, samples: 4, preprocess: { preset: "zero-one" as const } };
  const quantized = await run("default", { ...DEFAULT_RECIPE, data });
  expect(quantized.length).toBeLessThan(0.4 * readFileSync(model).length);
  const operators = new Set(parseModel(quantized).graph.nodes.map(({ opType }) => opType));
  expect(operators).toContain("QuantizeLinear");
  const coarser = await run("coarser", { data, steps: [{ use: "fold" }, { use: "quantize", weightBits: 4 }] });
  expect(coarser).not.toEqual(quantized);
});
