import { describe, expect, it } from "vitest";
import { applyFactors, explainClasses } from "../../src/equalize/index.js";
import { cloneModel, int, type Model } from "../../src/graph/index.js";
import { testModel } from "../helpers/build.js";
import { runner } from "../helpers/runner.js";
import { observeShapes, randomFeeds, requiredInputFeeds } from "./feeds.js";
import { classesOf, drift, outputsOf, randomFactors } from "./helpers.js";

/** Heads of 4 channels. */
const WIDTH = 4;

interface Form {
  readonly opType: string;
  readonly domain?: string;
  readonly opset: number;
  /** Heads of queries, and of keys and values. */
  readonly heads: readonly [number, number];
  readonly attributes: Readonly<Record<string, number>>;
  /** A bias for queries, keys and values in one. */
  readonly bias?: boolean;
}

const FORMS: Record<string, Form> = {
  MultiHeadAttention: {
    ...{ opType: "MultiHeadAttention", domain: "com.microsoft", opset: 17 },
    ...{ heads: [3, 3], attributes: { num_heads: 3 } },
  },
  "Attention of opset 23": {
    ...{ opType: "Attention", opset: 23, heads: [3, 3] },
    attributes: { q_num_heads: 3, kv_num_heads: 3 },
  },
  "Attention of opset 23, heads in groups": {
    ...{ opType: "Attention", opset: 23, heads: [4, 2] },
    attributes: { q_num_heads: 4, kv_num_heads: 2 },
  },
};

/** Three layers, attention in one operator, the projection. */
function network({ opType, domain, opset, heads, attributes, bias }: Form): Model {
  const { model, builder, random } = testModel(21, opset);
  if (domain) model.opsets.set(domain, 1);
  const [query, own] = heads.map((count) => count * WIDTH) as [number, number];
  const x = builder.input("x", ["N", 5, 8]);
  const dense = (value: string, from: number, to: number) =>
    builder.node("Add", [builder.node("MatMul", [value, random([from, to], "weight", 0.3)]), random([to], "bias")]);
  const inputs = [dense(x, 8, query), dense(x, 8, own), dense(x, 8, own), ...(bias ? [random([3 * own], "all")] : [])];
  const ints = Object.fromEntries(Object.entries(attributes).map(([name, value]) => [name, int(value)]));
  const context = builder.node(opType, inputs, ints, domain ? { domain } : {});
  builder.output(dense(context, query, 6));
  return model;
}

async function explained(model: Model) {
  return explainClasses(model, await observeShapes(model, requiredInputFeeds(model), { runner }));
}

describe("attention in one operator", () => {
  for (const [name, form] of Object.entries(FORMS)) {
    it(`V's channels run to the projection, heads that share it share factors: ${name}`, async () => {
      const model = network(form);
      const feeds = randomFeeds(model, 4, 2);
      const before = await outputsOf(model, feeds);
      const scaled = cloneModel(model);
      const classes = await classesOf(scaled);
      expect(applyFactors(scaled, classes, randomFactors(classes, 5)).modified).toBe(true);
      expect(drift(before, await outputsOf(scaled, feeds))).toBeLessThan(1e-5);
      const free = (await explained(model)).filter((own) => own.free > 0);
      expect(free.map((own) => [own.free, own.producers.length, own.consumers.length])).toEqual([
        [form.heads[1] * WIDTH, 1, 1],
      ]);
    });
  }

  it("stays as it is where a bias is added to all in one, and says so", async () => {
    const model = network({ ...FORMS["MultiHeadAttention"]!, bias: true });
    const classes = await explained(model);
    expect(classes.every((own) => own.free === 0)).toBe(true);
    const reasons = classes.flatMap((own) => own.reasons.map(({ reason }) => reason));
    expect(reasons.some((reason) => reason.includes("adds a bias to queries, keys and values in one"))).toBe(true);
  });
});
