import { expect } from "vitest";
import { type TestModel, testModel } from "../helpers/build.js";
import { runner } from "../helpers/runner.js";
import { type Attribute, assertValid, type Model, parseModel, serializeModel, upgradeOpset } from "./core.js";
import { randomFeeds, relativeDifference, runBytes } from "./helpers.js";

export async function upgrade(model: Model, target?: number) {
  const before = serializeModel(model);
  const copy = parseModel(before);
  const report = await upgradeOpset(target === undefined ? {} : { target })(copy, { runner });
  return { report, model: copy, before, after: serializeModel(copy) };
}

/** The old model and the upgraded one, both run literally, give the same bits up to 1e-6; the new one is valid. */
export async function expectUpgraded(model: Model, target?: number): Promise<Model> {
  const { report, model: upgraded, before, after } = await upgrade(model, target);
  expect(report).toMatchObject({ modified: true, from: model.opsets.get(""), to: target ?? 17, skipped: [] });
  expect(upgraded.opsets.get("")).toBe(target ?? 17);
  expect(upgraded.irVersion).toBeGreaterThanOrEqual(8);
  assertValid(upgraded);
  const feeds = randomFeeds(model);
  expect(relativeDifference(await runBytes(before, feeds), await runBytes(after, feeds))).toBeLessThanOrEqual(1e-6);
  return upgraded;
}

export function modelOf(opset: number, build: (t: TestModel) => string | string[]): Model {
  const t = testModel(51, opset);
  const outputs = build(t);
  for (const output of typeof outputs === "string" ? [outputs] : outputs) {
    t.model.graph.outputs.push({ name: output, dtype: undefined, shape: undefined });
  }
  return t.model;
}

export type Op = [opType: string, attributes: Record<string, Attribute>, dims?: (number | string)[], outputs?: number];
export const floats = (...value: number[]): Attribute => ({ type: "floats", value });
export const image = ["N", 3, 4, 6];

/** One operator on one input. */
export const single = (opset: number, [opType, attributes, dims = image, outputs = 1]: Op) =>
  modelOf(opset, (t) =>
    t.builder
      .nodes(opType, [t.builder.input("x", dims)], attributes, { outputs })
      .outputs.filter((_, i) => i < outputs),
  );
