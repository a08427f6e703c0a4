import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isNonNegative } from "../../src/bounds/known-sign.js";
import { float, GraphBuilder, indexGraph, int, type Model, Tensor } from "../../src/graph/index.js";
import { createRandom } from "../../src/math/index.js";
import { exposeValues } from "../../src/runtime/index.js";
import { runner } from "../helpers/runner.js";

type Make = (builder: GraphBuilder, x: string) => string;
const one =
  (op: string): Make =>
  (b, x) =>
    b.node(op, [x]);
const clip =
  (min: number | undefined, max: number | undefined): Make =>
  (b, x) =>
    b.node("Clip", [x, min === undefined ? "" : b.constant(min), max === undefined ? "" : b.constant(max)]);
const pad =
  (value: number | undefined): Make =>
  (b, x) =>
    b.node("Pad", [
      x,
      b.constant(Tensor.int64([4], [0, 1, 0, 1])),
      ...(value === undefined ? [] : [b.constant(value)]),
    ]);
const claim = (model: Model, value: string) => isNonNegative(model.graph, indexGraph(model.graph), value);

const CERTAIN: Record<string, Make> = {
  Relu: one("Relu"),
  Sigmoid: one("Sigmoid"),
  Softmax: one("Softmax"),
  Softplus: one("Softplus"),
  Abs: one("Abs"),
  Exp: one("Exp"),
  HardSigmoid: one("HardSigmoid"),
  "Clip 0…6": clip(0, 6),
  "Clip 0…": clip(0, undefined),
  "Clip 1…2": clip(1, 2),
};
const OPEN: Record<string, Make> = {
  Neg: one("Neg"),
  Tanh: one("Tanh"),
  Identity: one("Identity"),
  LeakyRelu: (b, x) => b.node("LeakyRelu", [x], { alpha: float(0.5) }),
  "Clip …6": clip(undefined, 6),
  "Clip −1…1": clip(-1, 1),
  "Clip 0…−1, which gives −1": clip(0, -1),
  "Clip with a computed bound": (b, x) => b.node("Clip", [x, b.node("ReduceMin", [x], { keepdims: int(0) })]),
  "Relu, Neg": (b, x) => b.node("Neg", [b.node("Relu", [x])]),
  "Relu, then padded with −1": (b, x) => pad(-1)(b, b.node("Relu", [x])),
  "Relu plus a negative constant": (b, x) => b.node("Add", [b.node("Relu", [x]), b.constant(-1)]),
  "Relu joined with the input": (b, x) => b.node("Concat", [b.node("Relu", [x]), x], { axis: int(1) }),
  "Relu of another domain": (b, x) => b.node("Relu", [x], {}, { domain: "other" }),
};

describe("isNonNegative", () => {
  const build = (make: Make) => {
    const { model, builder } = GraphBuilder.model("sign", 17);
    const value = make(builder, builder.input("x", ["N", 6]));
    builder.output(value);
    return claim(model, value);
  };
  test.each(Object.keys(CERTAIN))("is sure of %s", (name) => expect(build(CERTAIN[name]!)).toBe(true));
  test.each(Object.keys(OPEN))("is not sure of %s", (name) => expect(build(OPEN[name]!)).toBe(false));

  test("an initializer that a caller may replace is no constant", () => {
    const { model, builder } = GraphBuilder.model("default", 17);
    const offset = builder.constant(1, "offset");
    const sum = builder.node("Add", [builder.node("Relu", [builder.input("x", ["N", 6])]), offset]);
    expect(claim(model, sum)).toBe(true);
    model.graph.inputs.push({ name: offset, dtype: "float32", shape: [] });
    expect(claim(model, sum)).toBe(false);
  });

  test("looks at every value once: doubling sixty times takes no time", () => {
    const { model, builder } = GraphBuilder.model("doubling", 17);
    let value = builder.node("Relu", [builder.input("x", ["N", 6])]);
    for (let i = 0; i < 60; i++) value = builder.node("Add", [value, value]);
    expect(claim(model, value)).toBe(true);
  });

  test("never claims wrongly, on random graphs and inputs", async () => {
    const unary = [
      ...Object.values(CERTAIN),
      ...Object.values(OPEN).slice(0, 7),
      pad(0),
      pad(undefined),
      pad(2),
      pad(-2),
    ];
    const binary = ["Add", "Mul", "Max", "Min", "Sub", "Concat"];
    const step = fc.record({ binary: fc.boolean(), op: fc.nat(100), a: fc.nat(100), b: fc.nat(100) });
    let claimed = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 2, maxLength: 8 }), fc.nat(1000), async (steps, seed) => {
        const { model, builder } = GraphBuilder.model("random", 17);
        const input = builder.input("x", [3, 4]);
        const values = [{ name: input, columns: 4 }];
        for (const { binary: two, op, a, b } of steps) {
          const left = values[a % values.length]!;
          const name = binary[op % binary.length]!;
          const right =
            values.filter(({ columns }) => name === "Concat" || columns === left.columns)[b % values.length] ?? left;
          if (!two) {
            const made = unary[op % unary.length]!(builder, left.name);
            values.push({ name: made, columns: left.columns + (builder.graph.nodes.at(-1)!.opType === "Pad" ? 2 : 0) });
          } else {
            const made = builder.node(name, [left.name, right.name], name === "Concat" ? { axis: int(1) } : {});
            values.push({ name: made, columns: name === "Concat" ? left.columns + right.columns : left.columns });
          }
        }
        const sure = values.map(({ name }) => name).filter((name) => name !== input && claim(model, name));
        claimed += sure.length;
        if (sure.length === 0) return;
        const random = createRandom(seed);
        const data = Float32Array.from({ length: 12 }, () => 3 * random.normal());
        const results = await runner.using(exposeValues(model, sure), (session) =>
          session.run({ x: { dtype: "float32", dims: [3, 4], data } }),
        );
        for (const name of sure)
          expect(Math.min(...(results[name]!.data as Float32Array)), name).toBeGreaterThanOrEqual(0);
      }),
      { seed: 20, numRuns: 150 },
    );
    expect(claimed).toBeGreaterThan(100);
  });
});
