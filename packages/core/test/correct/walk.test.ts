import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { peakBytes, planWalk, type WalkStep } from "../../src/correct/walk.js";
import { createGraph, createNode, type Graph, type Node } from "../../src/graph/index.js";

/**
 * A graph of blocks; each block reads one or two earlier values and is a quantized layer (Conv → Q → DQ), a quantized sum,
 * or a float operator without an encoding.
 */
type Block = { kind: "layer" | "sum" | "float" | "floatLayer"; from: readonly [number, number] };

function graphOf(blocks: readonly Block[]): { graph: Graph; layers: Node[] } {
  const nodes: Node[] = [];
  const layers: Node[] = [];
  const add = (opType: string, inputs: string[], output: string) => {
    const node = createNode({ opType, inputs, outputs: [output], name: output });
    nodes.push(node);
    return node;
  };
  const encode = (value: string) => {
    add("QuantizeLinear", [value, "s", "z"], `${value}_q`);
    add("DequantizeLinear", [`${value}_q`, "s", "z"], `${value}_d`);
    return `${value}_d`;
  };
  const values = [encode("input")];
  blocks.forEach(({ kind, from }, at) => {
    const [a, b] = from.map((index) => values[index % values.length]!) as [string, string];
    const name = `v${at}`;
    if (kind === "layer") layers.push(add("Conv", [a, "w"], name));
    else if (kind === "floatLayer") add("Conv", [a, "w"], name);
    else add(kind === "sum" ? "Add" : "Softmax", kind === "sum" ? [a, b] : [a], name);
    values.push(kind === "layer" || kind === "sum" ? encode(name) : name);
  });
  const graph = { ...createGraph("walk"), nodes, inputs: [{ name: "input" }] };
  return { graph, layers };
}

const block = fc.record({
  kind: fc.constantFrom("layer", "layer", "sum", "float", "floatLayer" as const),
  from: fc.tuple(fc.nat(30), fc.nat(30)),
}) as fc.Arbitrary<Block>;

/** Every value a value depends on, itself included. */
function ancestors(graph: Graph, value: string): Set<string> {
  const seen = new Set<string>();
  const visit = (name: string) => {
    if (seen.has(name)) return;
    seen.add(name);
    for (const node of graph.nodes) if (node.outputs.includes(name)) node.inputs.forEach(visit);
  };
  visit(value);
  return seen;
}

function check(graph: Graph, layers: readonly Node[], steps: readonly WalkStep[]): void {
  const held = new Set(["input"]);
  steps.forEach(({ layer, nodes, feeds, keep, drop }, at) => {
    expect(layer).toBe(at);
    expect(nodes.has(layers[at]!)).toBe(true);
    // What a segment reads is fed, constant, or made in it; what it is fed is held.
    const made = new Set([...nodes].flatMap(({ outputs }) => outputs));
    for (const feed of feeds) expect(held.has(feed)).toBe(true);
    for (const node of nodes) {
      for (const input of node.inputs) {
        expect(made.has(input) || feeds.includes(input) || ["s", "z", "w"].includes(input)).toBe(true);
      }
    }
    // No layer whose bias is still to be corrected has a part in it or in what is kept.
    for (const later of layers.slice(at + 1)) expect(nodes.has(later)).toBe(false);
    for (const value of keep) {
      expect(made.has(value)).toBe(true);
      const parts = ancestors(graph, value);
      for (const later of layers.slice(at)) expect(parts.has(later.outputs[0]!)).toBe(false);
    }
    for (const value of drop) held.delete(value);
    for (const value of keep) held.add(value);
  });
  expect([...held]).toEqual([]);
}

describe("planWalk", () => {
  it("keeps what later layers need, whatever the graph (seed 20)", () => {
    fc.assert(
      fc.property(fc.array(block, { minLength: 1, maxLength: 14 }), (blocks) => {
        const { graph, layers } = graphOf(blocks);
        if (layers.length > 0) check(graph, layers, planWalk(graph, layers, ["input"]));
      }),
      { seed: 20, numRuns: 300 },
    );
  });

  it("a chain runs every layer twice and holds one value at a time", () => {
    const chain = Array.from({ length: 5 }, (_, at): Block => ({ kind: "layer", from: [at, at] }));
    const { graph, layers } = graphOf(chain);
    const steps = planWalk(graph, layers, ["input"]);
    const convs = steps.flatMap(({ nodes }) => [...nodes].filter(({ opType }) => opType === "Conv"));
    for (const layer of layers.slice(0, -1)) expect(convs.filter((node) => node === layer).length).toBe(2);
    expect(steps.map(({ keep }) => keep)).toEqual([["input_q"], ["v0_q"], ["v1_q"], ["v2_q"], []]);
    expect(steps.map(({ drop }) => drop)).toEqual([["input"], ["input_q"], ["v0_q"], ["v1_q"], ["v2_q"]]);
    // float32 image of 4 bytes, cut values of 1.
    expect(peakBytes(steps, ["input"], (value) => (value === "input" ? 400 : 100))).toBe(400);
    expect(peakBytes(steps, ["input"], () => 100)).toBe(100);
  });

  it("a shortcut is held until the sum that joins it", () => {
    const { graph, layers } = graphOf([
      { kind: "layer", from: [0, 0] },
      { kind: "layer", from: [1, 1] },
      { kind: "layer", from: [2, 2] },
      { kind: "sum", from: [3, 1] },
      { kind: "layer", from: [4, 4] },
    ]);
    const steps = planWalk(graph, layers, ["input"]);
    expect(steps[2]!.keep).toEqual(["v1_q"]);
    expect(steps[2]!.drop).toEqual([]);
    expect(peakBytes(steps, ["input"], () => 1)).toBe(2);
    expect([...steps[3]!.nodes].map(({ opType }) => opType)).toContain("Add");
    expect(steps[3]!.feeds.toSorted()).toEqual(["v0_q", "v1_q"]);
  });

  it("a float layer that others read past their cuts is not run again", () => {
    const { graph, layers } = graphOf([
      { kind: "floatLayer", from: [0, 0] },
      { kind: "layer", from: [1, 1] },
      { kind: "layer", from: [1, 1] },
      { kind: "layer", from: [1, 1] },
    ]);
    const steps = planWalk(graph, layers, ["input"]);
    expect(steps.map(({ keep }) => keep)).toEqual([["v0"], [], []]);
    const runs = steps.filter(({ nodes }) => [...nodes].some(({ name }) => name === "v0")).length;
    expect(runs).toBe(1);
  });
});
