import { describe, expect, test } from "vitest";
import { attributeOf, float, GraphBuilder, int, ints, type Model, string, Tensor } from "../../src/graph/index.js";
import {
  type Exclusions,
  type Placement,
  planPlacement,
  resolveExclusions,
  TARGETS,
  type TargetName,
} from "../../src/quantize/index.js";
import { type TestModel, testModel } from "../helpers/build.js";

/** A network on [N, 4, 8, 8]; `body` returns the output. */
function network(body: (net: Net, input: string) => string | string[]): Model {
  const test = testModel(1);
  const net = new Net(test);
  const outputs = body(net, test.builder.input("input", ["N", 4, 8, 8]));
  for (const output of [outputs].flat()) test.builder.output(output);
  return test.model;
}

class Net {
  readonly b: GraphBuilder;
  constructor(readonly test: TestModel) {
    this.b = test.builder;
  }
  conv(data: string, name: string, channels = 4): string {
    return this.b.node(
      "Conv",
      [data, this.test.random([4, channels, 1, 1], `${name}.weight`)],
      { kernel_shape: ints([1, 1]) },
      { name },
    );
  }
  op(opType: string, inputs: string[], name: string, attributes = {}): string {
    return this.b.node(opType, inputs, attributes, { name });
  }
  gemm(data: string, from: number, name: string): string {
    return this.op("Gemm", [data, this.test.random([from, 3], `${name}.weight`), this.test.random([3])], name);
  }
  ints(values: number[], name = "ints"): string {
    return this.b.constant(Tensor.int64([values.length], values), name);
  }
}

const place = (model: Model, target: TargetName = "ort-cpu", exclude: Exclusions = {}): Placement =>
  planPlacement(model.graph, TARGETS[target], resolveExclusions(model.graph, exclude));
const groupsOf = ({ groups }: Placement) => groups.map(({ values }) => values.map((v) => v.replace("_output", "")));
const namesOf = ({ nodes }: Placement) => [...nodes].map(({ name }) => name);

describe("layers and what follows them", () => {
  test.each(["Relu", "Clip"])("%s is part of the Conv before it: one encoding behind both", (opType) => {
    const model = network((n, x) => {
      const bounds = opType === "Clip" ? [n.b.constant(0), n.b.constant(6)] : [];
      return n.conv(n.op(opType, [n.conv(x, "a"), ...bounds], "act"), "b");
    });
    expect(groupsOf(place(model))).toEqual([["input"], ["act"], ["b"]]);
    expect(namesOf(place(model))).toEqual(["a", "act", "b"]);
  });

  test("Relu behind an Add is part of it; behind two readers it is not", () => {
    const fused = network((n, x) => {
      const a = n.conv(x, "a");
      return n.conv(n.op("Relu", [n.op("Add", [n.conv(a, "b"), a], "sum")], "act"), "c");
    });
    expect(groupsOf(place(fused))).toEqual([["input"], ["a"], ["b"], ["act"], ["c"]]);
    const shared = network((n, x) => {
      const a = n.conv(x, "a");
      return n.op("Add", [n.op("Relu", [a], "act"), a], "sum");
    });
    expect(groupsOf(place(shared))).toEqual([["input"], ["a"], ["act"], ["sum"]]);
    expect(namesOf(place(shared))).toEqual(["a", "sum"]);
  });

  test("a Clip whose bound is computed is not part of the Conv", () => {
    const model = network((n, x) => {
      const bound = n.op("ReduceMax", [x], "bound", { keepdims: int(0) });
      return n.conv(n.op("Clip", [n.conv(x, "a"), "", bound], "act"), "b");
    });
    expect(namesOf(place(model))).toEqual(["a", "b"]);
    expect(groupsOf(place(model))).toEqual([["input"], ["a"], ["act"], ["b"]]);
  });

  test("an output in the middle keeps its own encoding: nothing is fused behind it", () => {
    const model = network((n, x) => {
      const a = n.conv(x, "a");
      return [n.conv(n.op("Relu", [a], "act"), "b"), a];
    });
    expect(groupsOf(place(model))).toEqual([["input"], ["a"], ["act"], ["b"]]);
  });

  test("the last Gemm stays float, with Softmax behind it too; a Gemm before another layer does not", () => {
    const tail = (softmax: boolean) =>
      network((n, x) => {
        const fc = n.gemm(
          n.gemm(n.op("Flatten", [n.op("GlobalAveragePool", [x], "pool")], "flat"), 4, "fc1"),
          3,
          "fc2",
        );
        return softmax ? n.op("Softmax", [fc], "softmax") : fc;
      });
    for (const softmax of [false, true]) {
      const placement = place(tail(softmax));
      expect(groupsOf(placement)).toEqual([["input"], ["pool", "flat"], ["fc1"]]);
      expect(namesOf(placement)).toEqual(["pool", "flat", "fc1", "fc2"]);
    }
    expect(groupsOf(place(tail(false), "hailo")).at(-1)).toEqual(["fc2"]);
  });

  test("a Gemm that is an output and is read by an integer operator gets an encoding", () => {
    const model = network((n, x) => {
      const fc1 = n.gemm(n.op("Flatten", [n.op("GlobalAveragePool", [x], "pool")], "flat"), 4, "fc1");
      return [fc1, n.gemm(fc1, 3, "fc2")];
    });
    expect(groupsOf(place(model))).toContainEqual(["fc1"]);
  });

  test.each([
    [
      "alpha",
      (n: Net, x: string) => n.op("Gemm", [x, n.test.random([4, 4])], "fc", { alpha: float(2) }),
      "Gemm with alpha or beta other than 1",
    ],
    [
      "a computed bias",
      (n: Net, x: string) =>
        n.op(
          "Gemm",
          [x, n.test.random([4, 4]), n.op("ReduceMax", [x], "m", { axes: ints([0]), keepdims: int(0) })],
          "fc",
        ),
      "bias is computed, not constant",
    ],
    [
      "a scalar bias",
      (n: Net, x: string) => n.op("Gemm", [x, n.test.random([4, 4]), n.b.constant(1)], "fc"),
      "bias has shape [], not one value a channel",
    ],
    [
      "float64 weights",
      (n: Net, x: string) =>
        n.op("MatMul", [x, n.b.constant(Tensor.of("float64", [4, 4], new Float64Array(16)))], "fc"),
      "weight is float64, not float32",
    ],
    [
      "a constant input",
      (n: Net, _: string) => n.op("MatMul", [n.test.random([2, 4]), n.test.random([4, 4])], "fc"),
      "input is constant",
    ],
  ] as const)("a layer with %s stays float, and the report says why", (_, make, reason) => {
    const model = network((n, x) => make(n, n.op("Flatten", [n.op("GlobalAveragePool", [x], "pool")], "flat")));
    const placement = place(model);
    expect(placement.skipped).toEqual([{ node: "fc", opType: model.graph.nodes.at(-1)!.opType, reason }]);
    expect(placement.layers).toEqual([]);
  });

  test("MatMul of two computed values runs on integers, both inputs encoded", () => {
    const model = network((n, x) => n.conv(n.op("MatMul", [n.conv(x, "q"), n.conv(x, "k")], "scores"), "out"));
    expect(groupsOf(place(model))).toEqual([["input"], ["q"], ["k"], ["scores"], ["out"]]);
    expect(place(model).layers.map(({ node }) => node.name)).toEqual(["q", "k", "out"]);
  });
});

describe("equalized ReLU6: a Min with one bound a channel behind the activation", () => {
  const model = network((n, x) => {
    const act = n.op("Relu", [n.conv(x, "a")], "act");
    return n.conv(n.op("Min", [act, n.test.positive([4, 1, 1], "bounds")], "clamp"), "b");
  });
  test("its inputs share the output's encoding, whose range counts alone", () => {
    const placement = place(model);
    expect(groupsOf(placement)).toEqual([["input"], ["act", "clamp"], ["b"]]);
    expect(placement.groups[1]!.rangeFrom).toEqual(["clamp_output"]);
  });
  test("excluded, it is read as float", () => {
    expect(groupsOf(place(model, "ort-cpu", { nodes: ["clamp"] }))).toEqual([["input"], ["act"], ["clamp"], ["b"]]);
  });
});

describe("operators that only move data", () => {
  const MOVES: Record<string, (n: Net, x: string) => string> = {
    MaxPool: (n, x) => n.op("MaxPool", [x], "move", { kernel_shape: ints([2, 2]) }),
    Flatten: (n, x) => n.op("Flatten", [x], "move"),
    Transpose: (n, x) => n.op("Transpose", [x], "move", { perm: ints([0, 2, 3, 1]) }),
    Slice: (n, x) => n.op("Slice", [x, n.ints([0]), n.ints([2]), n.ints([2])], "move"),
    "Pad 0": (n, x) => n.op("Pad", [x, n.ints([0, 0, 1, 1, 0, 0, 1, 1])], "move"),
    "Pad with 0 written out": (n, x) => n.op("Pad", [x, n.ints([0, 0, 1, 1, 0, 0, 1, 1]), n.b.constant(0)], "move"),
    "Pad by reflection": (n, x) =>
      n.op("Pad", [x, n.ints([0, 0, 1, 1, 0, 0, 1, 1])], "move", { mode: string("reflect") }),
    "Resize nearest": (n, x) =>
      n.op("Resize", [x, "", n.b.constant(Tensor.float32([4], [1, 1, 2, 2]))], "move", { mode: string("nearest") }),
    Reshape: (n, x) => n.op("Reshape", [x, n.ints([0, 4, 64])], "move"),
  };
  const MAKES: Record<string, (n: Net, x: string) => string> = {
    "Pad with 1": (n, x) => n.op("Pad", [x, n.ints([0, 0, 1, 1, 0, 0, 1, 1]), n.b.constant(1)], "move"),
    "Resize linear": (n, x) =>
      n.op("Resize", [x, "", n.b.constant(Tensor.float32([4], [1, 1, 2, 2]))], "move", { mode: string("linear") }),
    "MaxPool with positions": (n, x) =>
      n.b.nodes("MaxPool", [x], { kernel_shape: ints([2, 2]) }, { name: "move", outputs: 2 }).outputs[0]!,
  };
  const between = (move: (n: Net, x: string) => string) =>
    network((n, x) => {
      const leaky = n.op("LeakyRelu", [n.conv(x, "a")], "leaky", { alpha: float(0.1) });
      return n.op("Mul", [move(n, leaky), n.op("Sigmoid", [leaky], "gate")], "product");
    });

  test.each(Object.keys(MOVES))("%s shares the encoding of its input, whose range counts alone", (name) => {
    const placement = place(between(MOVES[name]!));
    expect(groupsOf(placement)).toEqual([["input"], ["a"], ["leaky", "move"], ["gate"], ["product"]]);
    expect(placement.groups[2]!.rangeFrom).toEqual(["leaky_output"]);
    expect(namesOf(placement)).toContain("move");
  });

  test.each(Object.keys(MAKES))("%s makes new values: an encoding of its own, run in float", (name) => {
    const placement = place(between(MAKES[name]!));
    expect(groupsOf(placement)[2]).toEqual(["leaky"]);
    expect(groupsOf(placement).some((values) => values.length === 1 && values[0]!.startsWith("move"))).toBe(true);
    expect(namesOf(placement)).not.toContain("move");
  });

  test("Split shares one encoding among all parts", () => {
    const model = network((n, x) => {
      const parts = n.b.nodes("Split", [n.conv(x, "a")], { axis: int(1) }, { name: "split", outputs: 2 }).outputs;
      return n.op("Mul", [...parts] as string[], "product");
    });
    expect(place(model).groups[1]!.values).toEqual(["a_output", "split_output_0", "split_output_1"]);
  });

  test("backward: what an integer operator reads through movers is quantized before them", () => {
    const model = network((n, x) =>
      n.conv(
        n.op("Transpose", [n.op("Pad", [n.op("Tanh", [x], "tanh"), n.ints([0, 0, 0, 0, 0, 0, 0, 0])], "pad")], "turn", {
          perm: ints([0, 1, 3, 2]),
        }),
        "a",
      ),
    );
    expect(groupsOf(place(model))).toEqual([["tanh", "pad", "turn"], ["a"]]);
    expect(namesOf(place(model))).toEqual(["pad", "turn", "a"]);
  });

  test("a mover that leads nowhere stays float, and so does one over a constant", () => {
    const tail = network((n, x) => n.op("Flatten", [n.conv(x, "a")], "flat"));
    expect(namesOf(place(tail))).toEqual(["a"]);
    const table = network((n, x) =>
      n.op(
        "Add",
        [n.conv(x, "a"), n.op("Gather", [n.test.random([9, 8]), n.ints([1, 2, 3, 4, 5, 6, 7, 8])], "rows")],
        "sum",
      ),
    );
    expect(namesOf(place(table))).toEqual(["a", "sum"]);
    expect(groupsOf(place(table))).toEqual([["input"], ["a"], ["rows"], ["sum"]]);
  });
});

describe("Concat", () => {
  const model = network((n, x) =>
    n.conv(n.op("Concat", [n.conv(x, "a"), n.op("Relu", [n.conv(x, "b")], "act")], "both", { axis: int(1) }), "c", 8),
  );
  test.each(["ort-cpu", "ort-web"] as const)("%s: every input keeps its own encoding", (target) => {
    expect(groupsOf(place(model, target))).toEqual([["input"], ["a"], ["act"], ["both"], ["c"]]);
  });
  test.each(["tensorrt", "hailo", "fpga"] as const)("%s: inputs and output share one", (target) => {
    const placement = place(model, target);
    expect(groupsOf(placement)).toEqual([["input"], ["a", "act", "both"], ["c"]]);
  });
});

describe("constants beside activations", () => {
  test.each(["Add", "Mul"])("the operand of %s has an encoding of its own", (opType) => {
    for (const swapped of [false, true]) {
      const model = network((n, x) => {
        const operands = [n.conv(x, "a"), n.test.random([4, 1, 1], "operand")];
        return n.conv(n.op(opType, swapped ? operands.reverse() : operands, "op"), "b");
      });
      expect(groupsOf(place(model))).toEqual([["input"], ["operand"], ["a"], ["op"], ["b"]]);
    }
  });
  test("two constants are for folding: the operator stays as it is", () => {
    const model = network((n, x) => [n.conv(x, "a"), n.op("Add", [n.test.random([4]), n.test.random([4])], "sum")]);
    expect(namesOf(place(model))).toEqual(["a"]);
  });
});

test("an activation that the network puts out stays in float, one that a layer reads does not", () => {
  const model = network((n, x) => {
    const a = n.conv(x, "a");
    const scores = n.op("Sigmoid", [n.conv(a, "scores")], "sigmoid");
    return [n.op("Reshape", [scores, n.ints([0, -1])], "flat"), n.conv(n.op("Sigmoid", [a], "inner"), "b")];
  });
  expect(namesOf(place(model))).toEqual(["a", "scores", "inner", "b"]);
  // Hardware encodes every output.
  expect(namesOf(place(model, "hailo"))).toContain("sigmoid");
});

describe("integers and subgraphs", () => {
  test("shape arithmetic is never quantized, however it gets there", () => {
    const model = network((n, x) => {
      const a = n.conv(x, "a");
      const shape = n.op("Shape", [a], "shape");
      const batch = n.op("Mul", [n.op("Gather", [shape, n.ints([0])], "batch"), n.ints([1])], "times");
      const cast = n.op("Cast", [n.op("Add", [batch, n.ints([0])], "plus")], "cast", { to: int(7) });
      const target = n.op(
        "Concat",
        [cast, n.op("Slice", [shape, n.ints([1]), n.ints([2])], "part"), n.ints([-1])],
        "target",
        { axis: int(0) },
      );
      return n.conv(n.op("Sigmoid", [n.op("Reshape", [a, target], "turn")], "end"), "last");
    });
    const placement = place(model);
    expect(groupsOf(placement)).toEqual([["input"], ["a", "turn"], ["end"], ["last"]]);
    expect(namesOf(placement)).toEqual(["a", "turn", "end", "last"]);
  });

  test("what lies in a branch of an If is left alone; what the branch reads is encoded", () => {
    const branch = (name: string, captured: string) => {
      const { model, builder } = GraphBuilder.model(name);
      builder.output(
        builder.node(
          "Conv",
          [captured, builder.constant(Tensor.float32([4, 4, 1, 1], new Float32Array(16).fill(0.1)))],
          { kernel_shape: ints([1, 1]) },
        ),
      );
      return { type: "graph", value: model.graph } as const;
    };
    const model = network((n, x) => {
      const a = n.conv(x, "a");
      const condition = n.b.constant(Tensor.of("bool", [], Uint8Array.of(1)));
      return n.op("If", [condition], "if", { then_branch: branch("yes", a), else_branch: branch("no", a) });
    });
    const placement = place(model);
    expect(namesOf(placement)).toEqual(["a"]);
    expect(groupsOf(placement)).toEqual([["input"], ["a"]]);
  });

  test("operators of other domains are left alone", () => {
    const model = network((n, x) =>
      n.b.node("Conv", [x, n.test.random([4, 4, 1, 1])], {}, { name: "custom", domain: "other" }),
    );
    expect(place(model).nodes.size).toBe(0);
  });
});

describe("exclusions", () => {
  const model = network((n, x) => {
    const stem = n.conv(x, "stem/conv");
    const left = n.conv(n.conv(stem, "left/1"), "left/2");
    return n.conv(n.op("Add", [left, n.conv(stem, "right/1")], "sum"), "head");
  });
  const ALL = ["stem/conv", "left/1", "left/2", "right/1", "sum", "head"];
  test.each<[string, Exclusions, string[]]>([
    ["a name", { nodes: ["head"] }, ["head"]],
    ["a glob", { nodes: ["left/*"] }, ["left/1", "left/2"]],
    ["a glob over folders", { nodes: ["**/1"] }, ["left/1", "right/1"]],
    ["a type", { opTypes: ["Add"] }, ["sum"]],
    [
      "a subgraph",
      { subgraphs: [{ from: ["stem/conv_output"], to: ["sum_output"] }] },
      ["left/1", "left/2", "right/1", "sum"],
    ],
    ["several", { nodes: ["head"], opTypes: ["Add"] }, ["sum", "head"]],
  ])("%s", (_, exclude, expected) => {
    const placement = place(model, "ort-cpu", exclude);
    expect(placement.skipped.map(({ node }) => node)).toEqual(expected);
    expect(placement.skipped.every(({ reason }) => reason === "excluded")).toBe(true);
    expect(namesOf(placement)).toEqual(ALL.filter((name) => !expected.includes(name)));
  });

  test("a value between an excluded and an integer node is encoded for the one that needs it", () => {
    expect(groupsOf(place(model, "ort-cpu", { nodes: ["left/2"] }))).toEqual([
      ["input"],
      ["stem/conv"],
      ["left/1"],
      ["left/2"],
      ["right/1"],
      ["sum"],
      ["head"],
    ]);
    expect(groupsOf(place(model, "ort-cpu", { nodes: ["left/1", "left/2"] }))).not.toContainEqual(["left/1"]);
  });

  test.each<[Exclusions, string, string[]]>([
    [{ nodes: ["hed"] }, "exclude: 'hed' matches none of 6 nodes", ["head"]],
    [{ nodes: ["lef/*"] }, "exclude: 'lef/*' matches none of 6 nodes", ["left/1", "left/2"]],
    [{ opTypes: ["Ad"] }, "exclude: operator type 'Ad' matches none of 2 types", ["Add"]],
    [
      { subgraphs: [{ from: ["stem_conv_output"], to: ["sum_output"] }] },
      "exclude: tensor 'stem_conv_output' is none of 7 values",
      ["stem/conv_output"],
    ],
  ])("%o matches nothing: E2103 with the nearest names", (exclude, message, close) => {
    expect(() => resolveExclusions(model.graph, exclude)).toThrow(
      expect.objectContaining({
        code: "E2103",
        message,
        details: expect.objectContaining({ nearest: expect.arrayContaining(close) }),
      }),
    );
  });

  test("a subgraph the wrong way round is E2103 too", () => {
    const exclude = { subgraphs: [{ from: ["sum_output"], to: ["stem/conv_output"] }] };
    expect(() => resolveExclusions(model.graph, exclude)).toThrow(expect.objectContaining({ code: "E2103" }));
  });
});

test("placement does not change the graph and is the same every time", () => {
  const model = network((n, x) => n.conv(n.op("Relu", [n.conv(x, "a")], "act"), "b"));
  const before = JSON.stringify(model.graph.nodes);
  expect(JSON.stringify(place(model))).toBe(JSON.stringify(place(model)));
  expect(JSON.stringify(model.graph.nodes)).toBe(before);
  expect(attributeOf(model.graph.nodes[0]!, "group", "int", 1)).toBe(1);
});

describe("an unrolled recurrence", () => {
  /** h ← Tanh(W·x + U·h + b), three times, with the weights of one cell. */
  function recurrence(size: number): Model {
    const test = testModel(3);
    const { builder } = test;
    const input = builder.input("input", ["N", size]);
    const [w, u, b] = [
      test.random([size, size], "w", 0.2),
      test.random([size, size], "u", 0.2),
      test.random([size], "b"),
    ];
    let state = builder.node("Tanh", [builder.node("Gemm", [input, w, b], {}, { name: "w0" })], {}, { name: "tanh0" });
    for (const step of [1, 2]) {
      const fromInput = builder.node("Gemm", [input, w, b], {}, { name: `w${step}` });
      const fromState = builder.node("Gemm", [state, u, b], {}, { name: `u${step}` });
      const sum = builder.node("Add", [fromInput, fromState], {}, { name: `add${step}` });
      state = builder.node("Tanh", [sum], {}, { name: `tanh${step}` });
    }
    builder.output(builder.node("Gemm", [state, test.random([size, 2])], {}, { name: "head" }));
    return test.model;
  }

  test("keeps the Add between layers and Tanh in float, and nothing but layers on integers", () => {
    const placement = place(recurrence(8));
    expect(namesOf(placement).filter((name) => !/^(w|u)\d$|^head$/.test(name))).toEqual([]);
    expect(groupsOf(placement).flat()).toEqual(["input", "tanh0", "tanh1", "tanh2"]);
  });

  test("shares the encoding of its states, so that the bias is there once, where copies of it would weigh something", () => {
    expect(groupsOf(place(recurrence(8)))).toContainEqual(["tanh0", "tanh1"]);
    expect(groupsOf(place(recurrence(64)))).toContainEqual(["tanh0"]);
  });
});
