import { describe, expect, it } from "vitest";
import { absorbBiases } from "../../src/equalize/index.js";
import { float, int, ints, type Model, Tensor } from "../../src/graph/index.js";
import { observeShapes, zeroFeeds } from "../../src/runtime/index.js";
import { type TestModel, testModel } from "../helpers/build.js";
import { naiveStatistics } from "../helpers/channel-statistics.js";
import { runner } from "../helpers/runner.js";
import { randomFeeds } from "./feeds.js";
import { drift, outputsOf } from "./helpers.js";

interface Behind {
  readonly activation?: string;
  /** From the activation, [N, 4, 6, 6], to the output. */
  readonly rest: (t: TestModel, y: string) => string;
}

/** Conv "first" with biases far above 0 → Relu → what the case says. */
function network({ activation = "Relu", rest }: Behind): Model {
  const t = testModel(3);
  const weights = [t.random([4, 3, 1, 1], "first.w", 0.1), t.random([4], "first.b", 0.1, 2)];
  const y = t.builder.node("Conv", [t.builder.input("x", [2, 3, 6, 6]), ...weights], {}, { name: "first" });
  const bounds = activation === "Clip" ? [t.builder.constant(0), t.builder.constant(6)] : [];
  t.builder.output(rest(t, t.builder.node(activation, [y, ...bounds], {}, { name: "act" })));
  return t.model;
}

const pointwise = (t: TestModel, y: string, attributes = {}, channels = 4) =>
  t.builder.node("Conv", [y, t.random([5, channels, 1, 1]), t.random([5])], attributes, { name: "second" });
const flat = (t: TestModel, y: string) => t.builder.node("Flatten", [t.builder.node("GlobalAveragePool", [y])]);
const pool = (t: TestModel, y: string, attributes: Record<string, ReturnType<typeof int>> = {}) =>
  t.builder.node(
    "AveragePool",
    [y],
    { kernel_shape: ints([3, 3]), pads: ints([1, 1, 1, 1]), ...attributes },
    { name: "pool" },
  );

async function absorbed(behind: Behind) {
  const model = network(behind);
  const data = randomFeeds(model, 5);
  const before = await outputsOf(model, data);
  const shapes = await observeShapes(model, zeroFeeds(model), { runner });
  const result = absorbBiases(model.graph, shapes, await naiveStatistics(model, [data]), "observed");
  return { model, result, change: drift(before, await outputsOf(model, data)) };
}

describe("absorption leaves the outputs on the data it saw as they are", () => {
  const CASES: Record<string, Behind["rest"]> = {
    "into a convolution": (t, y) => pointwise(t, y),
    "into a convolution without a bias": (t, y) => t.builder.node("Conv", [y, t.random([5, 4, 1, 1])]),
    "into a grouped one": (t, y) =>
      t.builder.node("Conv", [y, t.random([6, 2, 1, 1]), t.random([6])], { group: int(2) }),
    "through pools and Flatten into Gemm": (t, y) =>
      t.builder.node("Gemm", [flat(t, pool(t, y)), t.random([4, 5]), t.random([5])], { alpha: float(0.5) }),
    "into every reader": (t, y) => t.builder.node("Add", [pointwise(t, y), pointwise(t, y)]),
    "channel by channel through a Slice": (t, y) => {
      const [start, end, axis] = [[1], [3], [1]].map((values) => t.builder.constant(Tensor.int64([1], values)));
      return pointwise(t, t.builder.node("Slice", [y, start!, end!, axis!]), {}, 2);
    },
  };
  it.each(Object.entries(CASES))("%s", async (_, rest) => {
    const { model, result, change } = await absorbed({ rest });
    expect(result.skipped).toEqual([]);
    expect(result.absorbed).toEqual([{ node: "first", channels: 4, largest: expect.any(Number) }]);
    expect(result.absorbed[0]!.largest).toBeLessThanOrEqual(1);
    expect(change).toBeLessThan(1e-5);
    // What was replaced does not stay behind in the file.
    const used = new Set(model.graph.nodes.flatMap(({ inputs }) => inputs));
    expect([...model.graph.initializers.keys()].filter((name) => !used.has(name))).toEqual([]);
  });
});

describe("absorption is skipped, with the reason", () => {
  const twice = (t: TestModel, y: string) => t.builder.node("Add", [pointwise(t, y), pointwise(t, y)]);
  const CASES: Record<string, readonly [string, Behind]> = {
    "a bound": ["its activation has a bound", { activation: "Clip", rest: (t, y) => pointwise(t, y) }],
    padding: ["second: it pads its input", { rest: (t, y) => pointwise(t, y, { pads: ints([1, 1, 1, 1]) }) }],
    "a reader that sees the shift": [
      "tanh: Tanh would see the shift",
      { rest: (t, y) => pointwise(t, t.builder.node("Tanh", [y], {}, { name: "tanh" })) },
    ],
    "averages over padding": [
      "pool: it averages padding",
      { rest: (t, y) => pointwise(t, pool(t, y, { count_include_pad: int(1) })) },
    ],
    "a MatMul": [
      "product: MatMul has no bias",
      { rest: (t, y) => t.builder.node("MatMul", [flat(t, y), t.random([4, 5])], {}, { name: "product" }) },
    ],
    "a Gemm whose bias is multiplied": [
      "fc: its beta is not 1",
      {
        rest: (t, y) =>
          t.builder.node("Gemm", [flat(t, y), t.random([4, 5]), t.random([5])], { beta: float(2) }, { name: "fc" }),
      },
    ],
    "a bias of one number for all": [
      "fc: its bias is broadcast",
      { rest: (t, y) => t.builder.node("Gemm", [flat(t, y), t.random([4, 5]), t.random([1])], {}, { name: "fc" }) },
    ],
    "a transposed convolution": [
      "up: it is a ConvTranspose",
      { rest: (t, y) => t.builder.node("ConvTranspose", [y, t.random([4, 5, 1, 1])], {}, { name: "up" }) },
    ],
    "an activation that is an output too": [
      "no layer alone reads its activation",
      {
        rest: (t, y) => {
          t.builder.output(y);
          return twice(t, y);
        },
      },
    ],
    "a value on the way that is an output": [
      "turn: it makes an output of the network",
      {
        rest: (t, y) => {
          const pooled = t.builder.node("MaxPool", [y], { kernel_shape: ints([1, 1]) }, { name: "turn" });
          t.builder.output(pooled);
          return pointwise(t, pooled);
        },
      },
    ],
  };
  it.each(Object.entries(CASES))("%s", async (_, [reason, behind]) => {
    const { result, change } = await absorbed(behind);
    expect(result.absorbed).toEqual([]);
    expect(result.skipped).toEqual([{ node: "first", opType: "Conv", reason }]);
    expect(change).toBe(0);
  });

  it("no statistics", async () => {
    const model = network({ rest: (t, y) => pointwise(t, y) });
    const shapes = await observeShapes(model, zeroFeeds(model), { runner });
    const { skipped } = absorbBiases(model.graph, shapes, new Map());
    expect(skipped[0]!.reason).toMatch(/^no statistics of /);
  });

  it("nothing to absorb is no skip", async () => {
    const model = network({ rest: (t, y) => pointwise(t, y) });
    const shapes = await observeShapes(model, zeroFeeds(model), { runner });
    const pre = model.graph.nodes[0]!.outputs[0]!;
    const low = { min: [-1, -1, -1, 0], max: [1, 1, 1, 1], mean: [0, 0, 0, 0], meanSquare: [1, 1, 1, 1] };
    expect(absorbBiases(model.graph, shapes, new Map([[pre, low]]))).toEqual({ absorbed: [], skipped: [] });
  });
});
