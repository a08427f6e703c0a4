import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import * as ort from "onnxruntime-node";
import { expect, test } from "vitest";
import { COMPRESS_RECIPE } from "../src/steps/index.js";

type Core = typeof import("../src/index.js");

/** Core as one script: modules that nobody seems to need are left out, and nothing is loaded later. */
async function bundled(): Promise<Core> {
  const { outputFiles } = await build({
    entryPoints: [join(import.meta.dirname, "../src/index.ts")],
    bundle: true,
    format: "iife",
    globalName: "core",
    conditions: ["source"],
    write: false,
    logLevel: "error",
  });
  return new Function(`${outputFiles[0]!.text}; return core;`)() as Core;
}

/** All steps, the slow ones on as little as they take. */
const steps = [
  ...COMPRESS_RECIPE,
  { use: "ada-round", samples: 4, iterations: 1, rows: 16 },
  { use: "tune-biases", samples: 4, epochs: 1 },
] as const;

test("core in one file without code splitting carries out every step", async () => {
  const { buildDigitNetwork, compress, createRunner, digitDataset, parseModel } = await bundled();
  const context = { runner: createRunner(ort as never, { threads: 1 }) };
  const network = buildDigitNetwork(3);
  const result = await compress(network, { steps }, { ...context, data: digitDataset({ count: 4, seed: 1 }) });
  expect(result.steps.map(({ step }) => step)).toEqual(steps.slice(1).map(({ use }) => use));
  expect(parseModel(result.bytes, {}).graph.nodes.map(({ opType }) => opType)).toContain("QuantizeLinear");
});

/** Ceilings in bytes, gzipped: raised only by the change that needs it. */
test.each([
  ["parse and inspect", 'export { inspectModel, parseModel } from "./index.js"', 58_000],
  ["the book of steps", 'export * from "./steps/entry.js"', 10_000],
])("%s: small in a page", async (_, contents, most) => {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: join(import.meta.dirname, "../src"), loader: "ts" },
    bundle: true,
    minify: true,
    format: "esm",
    conditions: ["source"],
    write: false,
    logLevel: "error",
  });
  expect(gzipSync(outputFiles[0]!.contents).length).toBeLessThan(most);
});
