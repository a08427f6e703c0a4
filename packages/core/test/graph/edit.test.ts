import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type Attribute,
  capturedValues,
  cloneModel,
  createGraph,
  createNode,
  type Graph,
  GraphBuilder,
  indexGraph,
  NameAllocator,
  type Node,
  parseModel,
  partOf,
  removeDead,
  replaceUses,
  requiredInputs,
  sortNodes,
  subgraphsOf,
  Tensor,
  tensorsOf,
  topologicalOrder,
  Uses,
} from "../../src/graph/index.js";
import { kitchenSink } from "./kitchen-sink.js";

const graphOf = (
  nodes: readonly [opType: string, inputs: string[], outputs: string[]][],
  outputs: string[] = [],
): Graph => ({
  ...createGraph("g"),
  nodes: nodes.map(([opType, inputs, names]) =>
    createNode({ opType, inputs, outputs: names, name: names[0] ?? opType }),
  ),
  outputs: outputs.map((name) => ({ name })),
});

/** An If whose branches are `then` and `otherwise`. */
const choose = (then: Graph, otherwise: Graph, output = "chosen"): Node => {
  const graph = (value: Graph): Attribute => ({ type: "graph", value });
  const attributes = { then_branch: graph(then), else_branch: graph(otherwise) };
  return createNode({ opType: "If", inputs: ["condition"], outputs: [output], attributes });
};

describe("NameAllocator", () => {
  test("never gives a name that the graph, its subgraphs or its sparse weights use", () => {
    const { graph } = parseModel(kitchenSink());
    const names = new NameAllocator(graph);
    for (const taken of [
      "x",
      "cast",
      "chosen",
      "described",
      "sparse_weight",
      "everything",
      "then_constant",
      "else_out",
      "e3",
    ]) {
      expect(names.allocate(taken)).toBe(`${taken}_1`);
    }
  });

  test("counts on, skips names in use, and is fast for one stem", () => {
    const graph = graphOf([["Relu", ["x"], ["v_2"]]]);
    const names = new NameAllocator(graph);
    expect(["v", "v", "v", "w", ""].map((base) => names.allocate(base))).toEqual(["v", "v_1", "v_3", "w", "value"]);
    const seen = new Set(Array.from({ length: 50_000 }, () => names.allocate("v")));
    expect(seen.size).toBe(50_000);
    expect(names.allocate("")).toBe("value_1");
  });
});

describe("index", () => {
  test("producers, uses, captured uses, inputs and outputs", () => {
    const inner = graphOf([["Add", ["a", "b"], ["sum"]]], ["sum"]);
    const graph = graphOf(
      [
        ["Relu", ["x"], ["a"]],
        ["Add", ["a", "a"], ["twice"]],
        ["Neg", ["twice"], ["end"]],
      ],
      ["end"],
    );
    graph.nodes.push(choose(inner, graphOf([["Neg", ["x"], ["minus"]]], ["minus"])));
    graph.inputs.push({ name: "x" }, { name: "condition" });
    const index = indexGraph(graph);
    const [relu, add, neg, branch] = graph.nodes as [Node, Node, Node, Node];
    expect(index.producer("a")).toBe(relu);
    expect(index.producer("x")).toBeUndefined();
    expect(index.uses("a")).toEqual([
      { node: add, input: 0 },
      { node: add, input: 1 },
      { node: branch, input: -1 },
    ]);
    expect(index.uses("b")).toEqual([{ node: branch, input: -1 }]);
    expect(index.uses("nobody")).toEqual([]);
    expect(index.onlyConsumer("twice")).toBe(neg);
    // Read twice, by a subgraph only, or a graph output: no only consumer.
    expect([index.onlyConsumer("a"), index.onlyConsumer("b"), index.onlyConsumer("end")]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    expect([index.isInput("x"), index.isInput("a"), index.isOutput("end"), index.isOutput("a")]).toEqual([
      true,
      false,
      true,
      false,
    ]);
  });

  test("captured values: through levels, not what is local, and outputs that pass a value on", () => {
    const deep = graphOf([["Add", ["outer", "local"], ["deep_out"]]], ["deep_out"]);
    const middle = graphOf([["Neg", ["mid_in"], ["local"]]], ["through"]);
    middle.inputs.push({ name: "mid_in" });
    middle.initializers.set("weight", Tensor.scalar(1));
    middle.nodes.push(choose(deep, graphOf([["Mul", ["weight", "", "other"], ["deep_else"]]], ["deep_else"])));
    const node = choose(middle, createGraph("empty"));
    expect([...capturedValues(node)].sort()).toEqual(["condition", "other", "outer", "through"]);
  });
});

describe("topological order", () => {
  test("a chain of 20,000 nodes in reverse order", () => {
    const count = 20_000;
    const nodes = Array.from({ length: count }, (_, i) => {
      const at = count - 1 - i;
      return createNode({ opType: "Relu", inputs: [`v${at}`], outputs: [`v${at + 1}`] });
    });
    const graph = { ...createGraph("chain"), nodes, outputs: [{ name: `v${count}` }] };
    expect(topologicalOrder(graph)).toEqual([...nodes].reverse());
    expect(removeDead(graph)).toEqual({ nodes: [], initializers: [] });
    sortNodes(graph);
    expect(graph.nodes[0]!.inputs).toEqual(["v0"]);
  });

  test.each<[string, [string, string[], string[]][]]>([
    ["of one node", [["Relu", ["a"], ["a"]]]],
    [
      "of two",
      [
        ["Relu", ["b"], ["a"]],
        ["Neg", ["a"], ["b"]],
      ],
    ],
    [
      "behind a straight part",
      [
        ["Abs", ["x"], ["y"]],
        ["Add", ["y", "b"], ["a"]],
        ["Neg", ["a"], ["b"]],
      ],
    ],
  ])("a cycle %s is E3003 and names a node on it", (_, nodes) => {
    const graph = graphOf(nodes);
    expect(() => topologicalOrder(graph)).toThrow(
      expect.objectContaining({
        code: "E3003",
        details: expect.objectContaining({ node: expect.stringMatching(/^[ab]$/) }),
      }),
    );
  });

  test("a cycle through a subgraph is found", () => {
    const graph = graphOf([["Relu", ["chosen"], ["a"]]]);
    graph.nodes.push(choose(graphOf([["Neg", ["a"], ["n"]]], ["n"]), createGraph("else")));
    expect(() => topologicalOrder(graph)).toThrow(/cycle/);
  });

  test("random graphs: every value before its readers, all nodes kept, sorted input unchanged", () => {
    const acyclic = fc.array(fc.array(fc.nat(1000), { maxLength: 3 }), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(acyclic, fc.array(fc.nat(), { minLength: 40, maxLength: 40 }), (wiring, keys) => {
        const nodes = wiring.map((reads, i) =>
          createNode({
            opType: "N",
            name: `n${i}`,
            inputs: i === 0 ? [] : reads.map((r) => `v${r % i}`),
            outputs: [`v${i}`],
          }),
        );
        expect(topologicalOrder({ ...createGraph("g"), nodes })).toEqual(nodes);
        const shuffled = nodes.map((node, i) => ({ node, key: keys[i]! })).sort((a, b) => a.key - b.key);
        const order = topologicalOrder({ ...createGraph("g"), nodes: shuffled.map(({ node }) => node) });
        const made = new Set<string>();
        for (const node of order) {
          for (const input of node.inputs) expect(made).toContain(input);
          made.add(node.outputs[0]!);
        }
        expect(new Set(order)).toEqual(new Set(nodes));
      }),
      { seed: 5, numRuns: 200 },
    );
  });
});

describe("replaceUses", () => {
  test("reaches subgraphs, not where a local value has the name, and spares exceptions", () => {
    const shadow = graphOf([["Neg", ["old"], ["s"]]], ["s"]);
    shadow.initializers.set("old", Tensor.scalar(1));
    const graph = graphOf(
      [
        ["Relu", ["old"], ["a"]],
        ["Add", ["old", "old"], ["b"]],
      ],
      ["old"],
    );
    graph.nodes.push(choose(graphOf([["Neg", ["old"], ["n"]]], ["old"]), shadow));
    new Uses(graph).replace("old", "new", new Set([graph.nodes[0]!]));
    const [relu, add, branch] = graph.nodes as [Node, Node, Node];
    expect(relu.inputs).toEqual(["old"]);
    expect(add.inputs).toEqual(["new", "new"]);
    const [then, otherwise] = subgraphsOf(branch) as [Graph, Graph];
    expect([then.nodes[0]!.inputs, then.outputs[0]!.name]).toEqual([["new"], "new"]);
    expect(otherwise.nodes[0]!.inputs).toEqual(["old"]);
    // The name of a graph output is the model's interface.
    expect(graph.outputs[0]!.name).toBe("old");
  });

  test("of a clone does not reach the original", () => {
    const model = parseModel(kitchenSink());
    const clone = cloneModel(model);
    replaceUses(clone.graph, "x", "y");
    expect(model.graph.nodes[0]!.inputs).toEqual(["x"]);
    expect(subgraphsOf(model.graph.nodes[2]!)[0]!.nodes[0]!.inputs).toContain("x");
    expect(subgraphsOf(clone.graph.nodes[2]!)[0]!.nodes[0]!.inputs).toContain("y");
  });

  test("one by one and by who reads what give the same graph", () => {
    const value = fc.integer({ min: 0, max: 9 }).map((at) => `v${at}`);
    const reads = fc.array(fc.array(value, { maxLength: 3 }), { maxLength: 12 });
    fc.assert(
      fc.property(reads, fc.array(fc.tuple(value, value), { maxLength: 12 }), (inputs, renames) => {
        const make = () => {
          const graph = graphOf(inputs.map((names, at) => ["Sum", [...names], [`n${at}`]]));
          graph.nodes.push(
            choose(graphOf([["Neg", ["v0"], ["n"]]], ["v1"]), graphOf([["Neg", ["v2"], ["v3"]]], ["v3"])),
          );
          return graph;
        };
        const [one, other] = [make(), make()];
        const uses = new Uses(other);
        for (const [from, to] of renames) {
          replaceUses(one, from, to);
          uses.replace(from, to);
        }
        expect(other.nodes).toEqual(one.nodes);
      }),
      { seed: 7, numRuns: 200 },
    );
  });
});

test("a part of a model has the nodes asked for and the constants they read, and is a copy", () => {
  const model = parseModel(kitchenSink());
  for (const nodes of model.graph.nodes.map((_, at) => model.graph.nodes.slice(at, at + 2))) {
    const { graph } = partOf(model, nodes);
    const read = new Set(nodes.flatMap((node) => [...node.inputs, ...capturedValues(node)]));
    expect(graph.nodes).toEqual(nodes);
    expect([...graph.initializers.keys()].sort()).toEqual(
      [...model.graph.initializers.keys()].filter((name) => read.has(name)).sort(),
    );
    graph.nodes[0]!.inputs[0] = "renamed";
    expect(nodes[0]!.inputs).not.toContain("renamed");
  }
});

describe("removeDead", () => {
  test("keeps what outputs and subgraphs need, drops the rest with its constants and infos", () => {
    const graph = graphOf(
      [
        ["Relu", ["x"], ["a"]],
        ["Conv", ["a", "w", ""], ["dead1"]],
        ["Neg", ["dead1"], ["dead2"]],
        ["Abs", ["x"], ["inner_only"]],
      ],
      ["chosen"],
    );
    graph.nodes.push(choose(graphOf([["Add", ["a", "inner_only"], ["s"]]], ["s"]), createGraph("else")));
    for (const name of ["w", "unused", "kept_output"]) graph.initializers.set(name, Tensor.scalar(1));
    graph.outputs.push({ name: "kept_output" });
    // As before IR version 4, a constant is listed as input too.
    graph.inputs.push({ name: "x" }, { name: "w" }, { name: "unread" });
    for (const name of ["a", "dead1", "x"]) graph.valueInfos.set(name, { name });
    const removed = removeDead(graph);
    expect(removed.nodes.map(({ name }) => name)).toEqual(["dead1", "dead2"]);
    expect(removed.initializers).toEqual(["w", "unused"]);
    expect(graph.nodes.map(({ opType }) => opType)).toEqual(["Relu", "Abs", "If"]);
    expect(graph.inputs.map(({ name }) => name)).toEqual(["x", "unread"]);
    expect([...graph.initializers.keys()]).toEqual(["kept_output"]);
    expect([...graph.valueInfos.keys()]).toEqual(["a", "x"]);
    expect(removeDead(graph)).toEqual({ nodes: [], initializers: [] });
  });

  test("an absent optional input does not keep a node with an unnamed output alive", () => {
    const graph = graphOf(
      [
        ["Dropout", ["x"], ["dead", ""]],
        ["Resize", ["x", "", "scales"], ["end"]],
      ],
      ["end"],
    );
    expect(removeDead(graph).nodes.map(({ opType }) => opType)).toEqual(["Dropout"]);
  });
});

test("required inputs are those without a default", () => {
  const { builder, model } = GraphBuilder.model("defaults");
  builder.input("x", [1]);
  model.graph.inputs.push({ name: builder.constant(1, "w") });
  expect(requiredInputs(model.graph).map(({ name }) => name)).toEqual(["x"]);
});

test("tensorsOf finds constants wherever they stand", () => {
  const names = [...tensorsOf(parseModel(kitchenSink()))].map(({ name }) => name);
  for (const name of [
    "described",
    "everything.t",
    "g_constant",
    "h_constant",
    "k_constant",
    "then_constant",
    "else_constant",
  ]) {
    expect(names).toContain(name);
  }
});
