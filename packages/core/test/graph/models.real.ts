import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { cloneModel, parseModel, serializeModel, validateModel } from "../../src/graph/index.js";
import { assertFiniteWeights } from "../../src/operators/finite-weights.js";
import { linearLayers } from "../../src/operators/index.js";
import { SHARED_MODELS, sharedModel } from "../helpers/shared.js";
import { expectRobust, fuzz } from "./fuzz.js";

const read = (name: (typeof SHARED_MODELS)[number]): Uint8Array => new Uint8Array(readFileSync(sharedModel(name)));

describe.each(SHARED_MODELS)("%s", (name) => {
  test("comes back byte for byte, also from a clone", () => {
    const bytes = read(name);
    const model = parseModel(bytes);
    expect(Buffer.compare(serializeModel(model), bytes)).toBe(0);
    expect(Buffer.compare(serializeModel(cloneModel(model)), bytes)).toBe(0);
  });

  test("is valid, finite, and has layers", () => {
    const model = parseModel(read(name));
    expect(validateModel(model)).toEqual([]);
    expect(() => assertFiniteWeights(model)).not.toThrow();
    expect(linearLayers(model.graph).length).toBeGreaterThan(5);
  });
});

test("damaged real models give typed errors, in time, in little memory", { timeout: 1_200_000 }, async () => {
  const cases = Number(process.env.EQUANT_FUZZ ?? 2000);
  const report = await fuzz(
    { resnet8: read("mlperf_resnet8"), vww: read("vww_mobilenet_025"), resnet20: read("cifar_resnet20") },
    cases,
    2,
  );
  expectRobust(report, cases);
});
