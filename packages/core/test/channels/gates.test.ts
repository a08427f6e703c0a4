import { describe, expect, it } from "vitest";
import { findGates, gateProduct, hardGate } from "../../src/channels/index.js";
import { applyFactors } from "../../src/equalize/index.js";
import { fold } from "../../src/fold/index.js";
import { cloneModel, indexGraph, isOp, type Model, topologicalOrder } from "../../src/graph/index.js";
import { planPlacement, targetSpec } from "../../src/quantize/index.js";
import { randomFeeds } from "../equalize/feeds.js";
import { classesOf, drift, outputsOf, randomFactors } from "../equalize/helpers.js";
import { randomNetwork } from "../equalize/random-network.js";
import { runner } from "../helpers/runner.js";

const gatesIn = ({ graph }: Model) => {
  const index = indexGraph(graph);
  const constant = (value: string) => graph.initializers.get(value);
  const gates = findGates(topologicalOrder(graph), index, (value) => constant(value) !== undefined);
  return gates.map((gate) => ({
    gate,
    hard: hardGate(gate, constant),
    product: gateProduct(gate, (v) => !!constant(v)),
  }));
};

const SIXTH = { slope: 1 / 6, offset: 0.5, low: 0, high: 1 };
const CASES: Readonly<Record<string, { nodes: number; hard?: object; product: boolean }>> = {
  hardSwish: { nodes: 1, hard: SIXTH, product: false },
  hardSwishWrittenOut: { nodes: 4, hard: { slope: 1, offset: 3, low: 0, high: 6 }, product: true },
  hardSigmoidGate: { nodes: 2, hard: SIXTH, product: true },
  swish: { nodes: 2, product: true },
  gelu: { nodes: 5, product: true },
  geluTanh: { nodes: 9, product: true },
  mish: { nodes: 3, product: true },
};

describe("gates", () => {
  it.each(Object.entries(CASES))("finds one in %s, and how it is written", (block, { nodes, hard, product }) => {
    const found = gatesIn(randomNetwork(1, [block]).model);
    expect(found).toHaveLength(1);
    expect(found[0]!.gate.nodes).toHaveLength(nodes);
    expect(found[0]!.product !== undefined).toBe(product);
    const line = found[0]!.hard;
    expect(line !== undefined).toBe(hard !== undefined);
    for (const [key, value] of Object.entries(hard ?? {})) expect(line![key as "slope"]).toBeCloseTo(value, 6);
  });

  it.each(["convRelu", "residual", "constants", "spatialGate", "relu6"])("finds none in %s", (block) => {
    expect(gatesIn(randomNetwork(1, [block]).model)).toEqual([]);
  });

  it("is none where something else reads a value inside", () => {
    const { model } = randomNetwork(1, ["hardSwishWrittenOut"]);
    const clip = model.graph.nodes.find((node) => isOp(node, "Clip"))!;
    model.graph.outputs.push({ name: clip.outputs[0]! });
    expect(gatesIn(model)).toEqual([]);
  });
});

async function scaled(block: string) {
  const { model } = randomNetwork(7, [block]);
  const before = cloneModel(model);
  const classes = await classesOf(model);
  applyFactors(model, classes, randomFactors(classes, 8));
  return { before, model };
}

describe("a scaled gate", () => {
  it.each(["hardSwish", "hardSwishWrittenOut", "hardSigmoidGate"])("runs on integers after %s", async (block) => {
    const { model } = await scaled(block);
    const { nodes } = planPlacement(model.graph, targetSpec("ort-cpu"));
    const float = model.graph.nodes.filter((node) => !nodes.has(node)).map(({ opType }) => opType);
    expect(float.filter((opType) => ["Add", "Clip", "Mul", "HardSigmoid", "HardSwish"].includes(opType))).toEqual([]);
  });

  it.each(["swish", "gelu", "mish"])("stays in float after %s, with its vector", async (block) => {
    const { model } = await scaled(block);
    const { nodes } = planPlacement(model.graph, targetSpec("ort-cpu"));
    expect(model.graph.nodes.filter((node) => nodes.has(node) && isOp(node, "Mul", "Div", "Sigmoid"))).toEqual([]);
  });

  it.each(Object.keys(CASES))("is not undone by folding: %s", async (block) => {
    const { before, model } = await scaled(block);
    const weights = (given: Model) => given.graph.nodes.filter((node) => isOp(node, "Conv")).map((n) => n.inputs[1]);
    const kept = weights(model);
    await fold()(model, { runner });
    expect(weights(model)).toEqual(kept);
    const feeds = randomFeeds(before, 9, 2);
    expect(drift(await outputsOf(before, feeds), await outputsOf(model, feeds))).toBeLessThan(1e-5);
  });
});
