import { expect, test } from "vitest";
import { parseModel, serializeModel } from "../../src/graph/index.js";
import { readQdq } from "../../src/match/index.js";
import { learnableTypes } from "../helpers/file-types.js";
import { MORE_NETWORKS, outputsOf, quantizeCopy, sqnrDb } from "./networks.js";

const LAYERS = ["*=6", "a=4/5:per-channel", "fc=12"];

test("bits and granularity by layer, the last match counting, as they stand in the file", async () => {
  const options = { target: "ort-web", granularity: "per-tensor", layerBits: LAYERS } as const;
  const { model } = await quantizeCopy(MORE_NETWORKS.chain!(), options);
  const file = parseModel(serializeModel(model));
  const { constants, activations } = readQdq(file);
  const weights = Object.fromEntries(
    [...constants.values()]
      .filter(({ stem }) => stem.endsWith(".weight"))
      .map(({ stem, encoding }) => [stem, [encoding.bits, encoding.scale.length]]),
  );
  expect(weights).toEqual({ "a.weight": [4, 6], "b.weight": [6, 1], "fc.weight": [12, 1] });
  expect(learnableTypes(file).map(({ layer, weight }) => [layer, weight])).toEqual([
    ["a", "int8"],
    ["b", "int8"],
    ["fc", "int16"],
  ]);
  // The value behind `a` and its Relu, and what shares its encoding; every other one has all 8 bits.
  expect([...activations.values()].filter(({ bits }) => bits === 5).length).toBe(1);
  expect([...new Set([...activations.values()].map(({ bits }) => bits))].sort()).toEqual([5, 8]);
  const emulated = await quantizeCopy(MORE_NETWORKS.chain!(), { ...options, format: "emulation" });
  const literal = { optimization: "disabled" } as const;
  expect(sqnrDb(await outputsOf(emulated.model, literal), await outputsOf(model, literal))).toBeGreaterThan(60);
});

test("more than 8 bits of an activation are stored in 16; more bits lose less", async () => {
  const float = MORE_NETWORKS.residual!();
  const expected = await outputsOf(float);
  const lossOf = async (bits: number) => {
    const layerBits = [`*=${bits}/${bits}`];
    const { model } = await quantizeCopy(float, { target: "ort-web", layerBits });
    const stored = new Set(
      [...readQdq(parseModel(serializeModel(model))).activations.values()].map(({ dtype }) => dtype),
    );
    if (bits > 8) expect(stored).toContain("uint16");
    return sqnrDb(expected, await outputsOf(model, { optimization: "disabled" }));
  };
  const db = [await lossOf(4), await lossOf(8), await lossOf(12)];
  expect(db[1]! - db[0]!).toBeGreaterThan(10);
  expect(db[2]! - db[1]!).toBeGreaterThan(3);
});

test("a pattern that matches nothing, another form, and bits out of range, are refused", async () => {
  const made = (layerBits: string) => quantizeCopy(MORE_NETWORKS.chain!(), { layerBits: [layerBits] });
  await expect(made("nowhere=4")).rejects.toMatchObject({ code: "E2103" });
  await expect(made("a")).rejects.toMatchObject({ code: "E2004" });
  await expect(made("a=1")).rejects.toMatchObject({ code: "E2002" });
  await expect(made("a=/17")).rejects.toMatchObject({ code: "E2002" });
});
