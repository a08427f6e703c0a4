import { describe, expect, it } from "vitest";
import { equalize, explainClasses } from "../../src/equalize/index.js";
import { refusalOf } from "../../src/equalize/scaling-rules.js";
import {
  type Attribute,
  createNode,
  float,
  GraphBuilder,
  int,
  ints,
  type Model,
  string,
  Tensor,
} from "../../src/graph/index.js";
import { observeShapes, zeroFeeds } from "../../src/runtime/index.js";
import { type TestModel, testModel } from "../helpers/build.js";
import { runner } from "../helpers/runner.js";

type Attributes = Record<string, Attribute>;

/** conv "first" [1, 4, 6, 6] → something → conv "second": what stands between decides whether first's channels can be scaled. */
function between(middle: (t: TestModel, y: string) => { value: string; channels: number }, opset = 17): Model {
  const t = testModel(1, opset);
  const { value, channels } = middle(t, conv(t, t.builder.input("x", [1, 3, 6, 6]), 3, 4, "first"));
  t.builder.output(conv(t, value, channels, 2, "second"));
  return t.model;
}

function conv(t: TestModel, input: string, from: number, to: number, name: string): string {
  const inputs = [input, t.random([to, from, 1, 1], `${name}.w`), t.random([to], `${name}.b`)];
  return t.builder.node("Conv", inputs, { kernel_shape: ints([1, 1]) }, { name });
}

/** A node named "it" that takes the value first. */
const it4 =
  (opType: string, more: (t: TestModel) => string[] = () => [], attributes: Attributes = {}, channels = 4) =>
  (t: TestModel, y: string) => ({
    value: t.builder.node(opType, [y, ...more(t)], attributes, { name: "it" }),
    channels,
  });

const int64 = (t: TestModel, values: number[]) => t.builder.constant(Tensor.int64([values.length], values), "int");
/** A list of numbers that only a run knows: the node computes it from the input's shape. */
function computed(t: TestModel, values: number[]): string {
  const rank = t.builder.node("Size", [t.builder.node("Shape", ["x"])]);
  const zero = t.builder.node("Sub", [rank, t.builder.constant(Tensor.int64([], [4]))]);
  return t.builder.node("Add", [int64(t, values), zero]);
}
/** A float that only a run knows: 0 times an element of the input, plus the number. */
function computedFloat(t: TestModel, value: number, dims?: number[]): string {
  const mean = t.builder.node("ReduceMean", ["x"], { keepdims: int(0) });
  const sum = t.builder.node("Add", [t.builder.node("Mul", [mean, t.builder.constant(0)]), t.builder.constant(value)]);
  return dims ? t.builder.node("Expand", [sum, int64(t, dims)]) : sum;
}
const transposed = (t: TestModel, y: string) =>
  t.builder.node("Transpose", [y], { perm: ints([0, 2, 3, 1]) }, { name: "turn" });
const back = (t: TestModel, y: string) => t.builder.node("Transpose", [y], { perm: ints([0, 3, 1, 2]) });

const CASES: Readonly<Record<string, readonly [string, Model | (() => Model)]>> = {
  "not homogeneous": ["it: Sigmoid is not positively homogeneous", between(it4("Sigmoid"))],
  "an operator nobody knows": [
    "it: channels are not followed through CumSum",
    between(it4("CumSum", (t) => [t.builder.constant(Tensor.int64([], [2]))])),
  ],
  "padding with ones": [
    "it: it pads with a value other than 0",
    between(it4("Pad", (t) => [int64(t, [0, 0, 1, 1, 0, 0, 1, 1]), t.builder.constant(1)])),
  ],
  "padding by computed amounts": [
    "it: its amounts are computed, not constant",
    between(it4("Pad", (t) => [computed(t, [0, 0, 1, 1, 0, 0, 1, 1])])),
  ],
  "padding channels by reflection": [
    "it: it pads channels by reflect",
    between(it4("Pad", (t) => [int64(t, [0, 1, 0, 0, 0, 0, 0, 0])], { mode: string("reflect") }, 5)),
  ],
  "a resize that fills in a constant": [
    "it: it fills in a constant outside of the crop",
    between(
      it4(
        "Resize",
        (t) => [
          t.builder.constant(Tensor.float32([8], [0, 0, 0, 0, 1, 1, 2, 2]), "roi"),
          t.builder.constant(Tensor.float32([4], [1, 1, 2, 2]), "scales"),
        ],
        { coordinate_transformation_mode: string("tf_crop_and_resize"), mode: string("linear") },
      ),
    ),
  ],
  "a resize along channels": [
    "it: it changes the number of channels",
    between(
      it4(
        "Resize",
        (t) => ["", t.builder.constant(Tensor.float32([4], [1, 2, 1, 1]), "scales")],
        { mode: string("nearest") },
        8,
      ),
    ),
  ],
  "computed bounds": [
    "it: its bounds are computed, not constant",
    between(it4("Clip", (t) => ["", computedFloat(t, 6)])),
  ],
  "a computed slope": [
    "it: its slope is computed, not constant",
    between(it4("PRelu", (t) => [computedFloat(t, 0.2, [1, 4, 1, 1])])),
  ],
  "a constant divided by the value": [
    "it: it divides a constant by a value",
    between((t, y) => ({ value: t.builder.node("Div", [t.builder.constant(1), y], {}, { name: "it" }), channels: 4 })),
  ],
  "a cast": [
    "it: it changes the element type",
    between((t, y) => {
      const half = t.builder.node("Cast", [y], { to: int(10) }, { name: "it" });
      return { value: t.builder.node("Cast", [half], { to: int(1) }), channels: 4 };
    }),
  ],
  "computed parameters of a BatchNormalization": [
    "it: its parameters are computed",
    between(
      it4("BatchNormalization", (t) => [computedFloat(t, 1, [4]), t.random([4]), t.random([4]), t.positive([4])]),
    ),
  ],
  "channels into the batch": [
    "it: it moves channels into the batch axis",
    between((t, y) => {
      const merged = t.builder.node("Reshape", [y, int64(t, [4, 1, 6, 6])], {}, { name: "it" });
      return { value: t.builder.node("Reshape", [merged, int64(t, [1, 4, 6, 6])]), channels: 4 };
    }),
  ],
  "a sum over channels": ["it: it reduces over channels", between(it4("ReduceMean", () => [], { axes: ints([1]) }, 1))],
  "reduction over computed axes": [
    "it: its axes are computed, not constant",
    between(it4("ReduceSum", (t) => [computed(t, [2, 3])])),
  ],
  "channels picked by computed indices": [
    "it: it picks channels by computed indices",
    between(it4("Gather", (t) => [computed(t, [0, 2])], { axis: int(1) }, 2)),
  ],
  "a slice with computed starts": [
    "it: its starts are computed, not constant",
    between(it4("Slice", (t) => [computed(t, [1]), int64(t, [3]), int64(t, [1])], {}, 2)),
  ],
  "a slice along computed axes": [
    "it: its axes are computed, not constant",
    between(it4("Slice", (t) => [int64(t, [1]), int64(t, [3]), computed(t, [1])], {}, 2)),
  ],
  "a slice with computed steps": [
    "it: its steps are computed, not constant",
    between(it4("Slice", (t) => [int64(t, [1]), int64(t, [3]), int64(t, [1]), computed(t, [1])], {}, 2)),
  ],
  "a pool over channels": [
    "it: it counts channels along axis 1, its input does not",
    between((t, y) => {
      const pooled = t.builder.node("MaxPool", [transposed(t, y)], { kernel_shape: ints([1, 1]) }, { name: "it" });
      return { value: back(t, pooled), channels: 4 };
    }),
  ],
  "a sum of values that count channels differently": [
    "it: its inputs count channels along different axes",
    between((t, y) => {
      const square = conv(t, y, 4, 6, "third");
      const value = t.builder.node("Add", [square, transposed(t, square)], {}, { name: "it" });
      return { value, channels: 6 };
    }),
  ],
  "a constant beside the value on every channel": [
    "it: it joins a value with a constant",
    between(it4("Concat", (t) => [t.random([1, 4, 2, 6])], { axis: int(2) })),
  ],
  "the square of the value": [
    "it: gate of another value",
    between((t, y) => ({ value: t.builder.node("Mul", [y, y], {}, { name: "it" }), channels: 4 })),
  ],
  "a divisor": [
    "it: divisor of another value",
    between((t, y) => {
      const positive = t.builder.node("Add", [t.builder.node("Abs", [y]), t.builder.constant(1)]);
      return { value: t.builder.node("Div", [conv(t, "x", 3, 4, "third"), positive], {}, { name: "it" }), channels: 4 };
    }),
  ],
  "no layer behind": [
    "no layer reads it",
    () => {
      const t = testModel(1);
      conv(t, t.builder.input("x", [1, 3, 6, 6]), 3, 4, "first");
      t.builder.output(conv(t, "x", 3, 2, "second"));
      return t.model;
    },
  ],
  "an output of the network": [
    "output of the network",
    between((t, y) => {
      t.builder.output(y);
      return { value: y, channels: 4 };
    }),
  ],
};

async function reasonsOf(model: Model): Promise<Map<string, string>> {
  const report = await equalize({ method: "dfq" })(model, { runner });
  return new Map(report.skipped.map(({ node, reason }) => [node, reason]));
}

describe("every refusal stands in the report, at the layer it concerns", () => {
  it.each(Object.entries(CASES))("%s", async (name, [reason, given]) => {
    const model = typeof given === "function" ? given() : given;
    const layer = name.startsWith("a sum of values") ? "third" : "first";
    expect((await reasonsOf(model)).get(layer)).toBe(reason);
  });

  it("a value inside a subgraph", async () => {
    const model = between((t, y) => {
      const branch = (opType: string) => {
        const inner = GraphBuilder.model(opType);
        inner.builder.output(inner.builder.node(opType, [y]));
        return inner.model.graph;
      };
      const condition = t.builder.constant(new Tensor("bool", [], Uint8Array.of(1)));
      const attributes = {
        then_branch: { type: "graph", value: branch("Relu") } as const,
        else_branch: { type: "graph", value: branch("Abs") } as const,
      };
      t.builder.output(t.builder.node("If", [condition], attributes, { name: "choice" }));
      return { value: y, channels: 4 };
    });
    expect((await reasonsOf(model)).get("first")).toContain("choice: ");
  });

  it("an unknown shape", async () => {
    const model = between(it4("Relu"));
    const shapes = new Map(await observeShapes(model, zeroFeeds(model), { runner }));
    const hidden = model.graph.nodes[0]!.outputs[0]!;
    shapes.delete(model.graph.nodes[1]!.outputs[0]!);
    const report = await equalize({ method: "dfq", shapes })(model, {});
    expect(report.skipped.find(({ node }) => node === "first")?.reason).toContain("is not known");
    expect(report.modified).toBe(false);
    expect(shapes.has(hidden)).toBe(true);
  });

  it("a computed weight and a computed bias", async () => {
    const model = between((t, y) => {
      const weight = t.builder.node("Mul", [t.random([4, 4, 1, 1]), computedFloat(t, 1)]);
      const value = t.builder.node("Conv", [y, weight], { kernel_shape: ints([1, 1]) }, { name: "it" });
      return { value, channels: 4 };
    });
    expect((await reasonsOf(model)).get("first")).toBe("it: its weight is computed, not constant");
    const biased = between((t, y) => {
      const inputs = [y, t.random([4, 4, 1, 1]), computedFloat(t, 1, [4])];
      return { value: t.builder.node("Conv", inputs, { kernel_shape: ints([1, 1]) }, { name: "it" }), channels: 4 };
    });
    const reasons = await reasonsOf(biased);
    expect(reasons.get("first")).toBe("it: its bias is computed, not constant");
    expect(reasons.get("it")).toBe("it: its bias is computed, not constant");
  });

  it("a layer that reads channels along another axis", async () => {
    const model = between((t, y) => {
      const product = t.builder.node("MatMul", [y, t.random([6, 6])], {}, { name: "it" });
      return { value: product, channels: 4 };
    });
    expect((await reasonsOf(model)).get("first")).toBe(
      "it: it reads channels along axis 3, its input counts them elsewhere",
    );
  });

  it("an input of the network that a sum brings in, and the output", async () => {
    const t = testModel(1);
    const x = t.builder.input("x", [1, 3, 6, 6]);
    const sum = t.builder.node("Add", [conv(t, x, 3, 3, "first"), x], {}, { name: "sum" });
    t.builder.output(conv(t, sum, 3, 2, "second"));
    const reasons = await reasonsOf(t.model);
    expect(reasons.get("first")).toBe("input of the network");
    expect(reasons.get("second")).toBe("output of the network");
  });

  it("weights of another type", async () => {
    const t = testModel(1);
    const half = t.builder.node("Cast", [t.builder.input("x", [1, 3])], { to: int(10) });
    const weight = t.builder.constant(new Tensor("float16", [3, 4], new Uint8Array(24)));
    const product = t.builder.node("MatMul", [half, weight], {}, { name: "first" });
    const full = t.builder.node("Cast", [product], { to: int(1) });
    t.builder.output(t.builder.node("MatMul", [full, t.random([4, 2])], {}, { name: "second" }));
    expect((await reasonsOf(t.model)).get("first")).toBe("first: its weight is float16, not float32");
  });

  it("a constant of another type", () => {
    const constant = new Tensor("float16", [1], new Uint8Array(2));
    const node = createNode({ opType: "Add", inputs: ["x", "c"], outputs: ["y"] });
    expect(refusalOf(node, ["x"], (value) => (value === "c" ? constant : undefined))).toBe(
      'its constant "c" is float16, not float32',
    );
  });

  it("what is refused only in some channels is listed by explainClasses, and the others are scaled", async () => {
    const model = between((t, y) => ({
      value: t.builder.node("Concat", [y, t.random([1, 2, 6, 6])], { axis: int(1) }, { name: "it" }),
      channels: 6,
    }));
    const shapes = await observeShapes(model, zeroFeeds(model), { runner });
    const own = explainClasses(model, shapes).find(({ producers }) => producers.includes("first"))!;
    expect(own).toMatchObject({ free: 4, pinned: 2, reason: undefined });
    expect(own.reasons).toEqual([{ reason: "it: a constant channel", channels: 2 }]);
    const report = await equalize({ method: "dfq" })(model, { runner });
    expect(report.modified).toBe(true);
    expect(report.classes.find(({ producers }) => producers.includes("first"))?.channels).toBe(4);
  });

  it("nothing is refused where everything can be scaled", async () => {
    const model = between(it4("LeakyRelu", () => [], { alpha: float(0.1) }));
    expect([...(await reasonsOf(model)).keys()]).toEqual(["second"]);
  });
});
