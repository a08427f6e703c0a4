import { describe, expect, it } from "vitest";
import {
  differentiate,
  exposeValues,
  GraphBuilder,
  gradientName,
  int,
  ints,
  ModelError,
  OptionsError,
  observeBatchShapes,
  PreconditionError,
  serializeModel,
  Tensor,
  VARIES,
  validateModel,
} from "../../src/lab.js";
import { convReluConv, testModel } from "../helpers/build.js";
import { runner } from "./case.js";

/** Sum of squares of conv – relu – conv, as a scalar output `loss`. */
function squaredLoss() {
  const model = convReluConv({ channels: 3, seed: 5 });
  const builder = new GraphBuilder(model.graph);
  const loss = builder.node("ReduceSumSquare", [model.graph.outputs[0]!.name], { keepdims: int(0) }, { name: "loss" });
  model.graph.outputs = [];
  builder.output(loss, "float32", []);
  return { model, loss };
}

const image = (count: number) => ({
  dtype: "float32" as const,
  dims: [count, 3, 8, 8],
  data: Float32Array.from({ length: count * 192 }, (_, i) => Math.sin(i)),
});

describe("differentiate", () => {
  it("leaves the given model as it is and makes a valid one", async () => {
    const { model, loss } = squaredLoss();
    const before = serializeModel(model);
    const shapes = await observeBatchShapes(runner, model);
    const derived = differentiate(model, { loss, wrt: ["conv1.weight"], shapes });
    expect(serializeModel(model)).toEqual(before);
    expect(validateModel(derived)).toEqual([]);
    expect(derived.graph.nodes.every(({ domain }) => domain === "")).toBe(true);
  });

  it("outputs loss, gradients in the order of wrt, then other values", async () => {
    const { model, loss } = squaredLoss();
    const shapes = await observeBatchShapes(runner, model);
    const wrt = ["conv2.bias", "input", "relu_output", "conv1.weight"];
    const derived = differentiate(model, { loss, wrt, outputs: ["conv1_output"], shapes });
    expect(derived.graph.outputs.map(({ name }) => name)).toEqual([loss, ...wrt.map(gradientName), "conv1_output"]);
    expect(derived.graph.outputs.map(({ shape }) => shape)).toEqual([
      ...[[], [3], ["N", 3, 8, 8].map((d) => (d === "N" ? undefined : d)), [undefined, 3, 8, 8]],
      ...[[3, 3, 3, 3], undefined],
    ]);
    const results = await runner.using(derived, (session) => session.run({ input: image(2) }));
    for (const value of wrt) {
      const { dims } = results[gradientName(value)]!;
      const own = model.graph.initializers.get(value)?.dims ?? [2, 3, 8, 8];
      expect(dims).toEqual(own);
    }
  });

  it("serves every batch size when shapes were observed, and sums over the batch", async () => {
    const { model, loss } = squaredLoss();
    const shapes = await observeBatchShapes(runner, model);
    expect(shapes.get("relu_output")!.dims).toEqual([VARIES, 3, 8, 8]);
    const derived = differentiate(model, { loss, wrt: ["conv1.weight"], shapes });
    const name = gradientName("conv1.weight");
    const one = image(1).data;
    const twice = Float32Array.from([...one, ...one]);
    await runner.using(derived, async (session) => {
      const single = (await session.run({ input: image(1) }))[name]!.data as Float32Array;
      const double = (await session.run({ input: { ...image(2), data: twice } }))[name]!.data as Float32Array;
      const largest = Math.max(...single.map(Math.abs));
      single.forEach((value, i) => {
        expect(Math.abs(double[i]! - 2 * value) / largest).toBeLessThan(1e-5);
      });
    });
  });

  it("computes nothing that no gradient needs", async () => {
    const { model, loss } = squaredLoss();
    const shapes = await observeBatchShapes(runner, model);
    const derived = differentiate(model, { loss, wrt: ["conv2.bias"], shapes });
    expect(derived.graph.nodes.some(({ name }) => name.startsWith("grad/conv1"))).toBe(false);
    expect(derived.graph.nodes.filter(({ opType }) => opType === "Conv").length).toBe(2);
  });

  it("gives zeros where the loss only sees a flat function of the value", async () => {
    const { model, builder } = GraphBuilder.model("flat");
    const x = builder.input("x", [3]);
    builder.output(builder.node("ReduceSum", [builder.node("Round", [x])], { keepdims: int(0) }));
    const derived = differentiate(model, { loss: model.graph.outputs[0]!.name, wrt: ["x"] });
    const feeds = { x: { dtype: "float32" as const, dims: [3], data: Float32Array.of(1.2, 2.7, -3) } };
    const results = await runner.using(derived, (session) => session.run(feeds));
    expect(Array.from(results[gradientName("x")]!.data as Float32Array)).toEqual([0, 0, 0]);
  });

  it("passes through rounding where asked: emulated quantization is the identity inside its range", async () => {
    const { model, builder } = GraphBuilder.model("emulated");
    const x = builder.input("x", [4]);
    const rounded = builder.node("Round", [builder.node("Div", [x, builder.constant(0.5)])]);
    const clipped = builder.node("Clip", [rounded, builder.constant(-2), builder.constant(2)]);
    builder.output(builder.node("Mul", [clipped, builder.constant(0.5)], {}, { name: "y" }), "float32", [4]);
    const derived = differentiate(model, { loss: "y_output", wrt: ["x"], straightThrough: true });
    const feeds = { x: { dtype: "float32" as const, dims: [4], data: Float32Array.of(0.3, 1.2, -1.3, -0.6) } };
    const results = await runner.using(derived, (session) => session.run(feeds));
    expect(Array.from(results.y_output!.data as Float32Array)).toEqual([0.5, 1, -1, -0.5]);
    expect(Array.from(results[gradientName("x")]!.data as Float32Array)).toEqual([1, 1, 0, 1]);
  });

  it("differentiates twice: x³ has 6x", async () => {
    const { model, builder } = GraphBuilder.model("cube");
    const x = builder.input("x", [3]);
    builder.output(builder.node("Mul", [builder.node("Mul", [x, x]), x]), "float32", [3]);
    const first = differentiate(model, { loss: model.graph.outputs[0]!.name, wrt: ["x"] });
    const second = differentiate(first, { loss: gradientName("x"), wrt: ["x"] });
    const feeds = { x: { dtype: "float32" as const, dims: [3], data: Float32Array.of(1, 2, -3) } };
    const results = await runner.using(second, (session) => session.run(feeds));
    expect(Array.from(results[second.graph.outputs[1]!.name]!.data as Float32Array)).toEqual([6, 12, -18]);
  });

  it("keeps running statistics of a BatchNormalization with batch statistics as ONNX defines them", async () => {
    const test = testModel(3);
    const x = test.builder.input("x", [4, 2, 3]);
    const parameters = [
      test.positive([2], "scale"),
      test.random([2]),
      test.random([2], "mean"),
      test.positive([2], "var"),
    ];
    const { outputs } = test.builder.nodes(
      "BatchNormalization",
      [x, ...parameters],
      { training_mode: int(1), momentum: { type: "float", value: 0.75 } },
      { outputs: 3 },
    );
    test.builder.output(outputs[0]!);
    const derived = differentiate(test.model, { loss: outputs[0]!, wrt: ["scale"], outputs: outputs.slice(1) });
    const data = Float32Array.from({ length: 24 }, (_, i) => Math.cos(3 * i));
    const results = await runner.using(derived, (session) =>
      session.run({ x: { dtype: "float32", dims: [4, 2, 3], data } }),
    );
    const [mean, variance] = outputs.slice(1).map((name) => results[name]!.data as Float32Array);
    const old = ["mean", "var"].map((name) => test.model.graph.initializers.get(name)!.numbers());
    for (const channel of [0, 1]) {
      const values = Array.from(data).filter((_, i) => Math.floor(i / 3) % 2 === channel);
      const average = values.reduce((a, b) => a + b) / 12;
      const square = values.reduce((a, b) => a + (b - average) ** 2, 0) / 12;
      expect(mean![channel]).toBeCloseTo(0.75 * old[0]![channel]! + 0.25 * average, 6);
      expect(variance![channel]).toBeCloseTo(0.75 * old[1]![channel]! + 0.25 * square, 6);
    }
  });

  it("hands a training Dropout's gradient to what it kept", async () => {
    const { model, builder } = GraphBuilder.model("dropout");
    const x = builder.input("x", [200]);
    const training = builder.constant(Tensor.of("bool", [], Uint8Array.of(1)));
    builder.output(builder.node("Dropout", [x, builder.constant(0.4), training], { seed: int(3) }), "float32", [200]);
    const y = model.graph.outputs[0]!.name;
    const derived = differentiate(model, { loss: y, wrt: ["x"] });
    const data = Float32Array.from({ length: 200 }, (_, i) => i + 1);
    const results = await runner.using(derived, (session) =>
      session.run({ x: { dtype: "float32", dims: [200], data } }),
    );
    const out = results[y]!.data as Float32Array;
    const gradient = results[gradientName("x")]!.data as Float32Array;
    expect(out.filter((value) => value === 0).length).toBeGreaterThan(40);
    gradient.forEach((value, i) => {
      expect(value).toBeCloseTo(out[i]! / data[i]!, 5);
    });
  });

  it("learns step sizes: the gradient by a scale is q − z, less x/scale where nothing saturates (Esser et al. 2020)", async () => {
    const { model, builder } = GraphBuilder.model("step");
    const x = builder.input("x", [2, 3]);
    const scale = builder.constant(Tensor.float32([3], [0.1, 0.01, 0.5]), "scale");
    const zero = builder.constant(Tensor.of("int8", [3], Int8Array.of(5, 0, -20)));
    const q = builder.node("QuantizeLinear", [x, scale, zero], { axis: int(1) });
    builder.output(builder.node("DequantizeLinear", [q, scale, zero], { axis: int(1) }), "float32", [2, 3]);
    const shapes = await observeBatchShapes(runner, model);
    const derived = differentiate(model, { loss: model.graph.outputs[0]!.name, wrt: ["scale"], shapes });
    const data = Float32Array.of(1.23, -0.777, 70, -3.33, 5, -60);
    const results = await runner.using(derived, (session) =>
      session.run({ x: { dtype: "float32", dims: [2, 3], data } }),
    );
    const expected = [0, 0, 0];
    data.forEach((value, i) => {
      const [step, z] = [[0.1, 0.01, 0.5][i % 3]!, [5, 0, -20][i % 3]!];
      const level = Math.round(value / step) + z;
      const saturated = level < -128 || level > 127;
      expected[i % 3]! += Math.min(Math.max(level, -128), 127) - z - (saturated ? 0 : value / step);
    });
    const actual = Array.from(results[gradientName("scale")]!.data as Float32Array);
    expect(actual).toEqual(expected.map((value) => expect.closeTo(value, 3)));
  });

  it("names the node of an operator without a rule", () => {
    const { model, builder } = GraphBuilder.model("unknown");
    const x = builder.input("x", [4, 4]);
    builder.output(builder.node("Det", [x], {}, { name: "det" }));
    const act = () => differentiate(model, { loss: "det_output", wrt: ["x"] });
    expect(act).toThrow(ModelError);
    expect(act).toThrow('differentiate: no gradient for Det, node "det"');
    try {
      act();
    } catch (error) {
      expect(error).toMatchObject({ code: "E4001", details: { node: "det", opType: "Det" } });
    }
  });

  it("does not mind an operator without a rule that is not on the way", () => {
    const { model, builder } = GraphBuilder.model("aside");
    const x = builder.input("x", [4, 4]);
    const det = builder.node("Det", [x]);
    builder.output(builder.node("Mul", [builder.input("y", []), det], {}, { name: "product" }));
    expect(() => differentiate(model, { loss: "product_output", wrt: ["y"] })).not.toThrow();
    expect(() => differentiate(model, { loss: "product_output", wrt: ["x"] })).toThrow(/Det/);
  });

  it.each([
    [{ loss: "nothing", wrt: ["input"] }, OptionsError, "E2103", 'the graph has no value "nothing"'],
    [{ loss: "loss_output", wrt: ["gone"] }, OptionsError, "E2103", 'the graph has no value "gone"'],
    [{ loss: "loss_output", wrt: [] }, OptionsError, "E2005", "wrt names no value"],
    [{ loss: "loss_output", wrt: ["input"], over: 1 }, OptionsError, "E2001", 'unknown option "over"'],
    [
      { loss: "conv1_output", wrt: ["conv2.bias"] },
      PreconditionError,
      "E4005",
      '"conv1_output" does not depend on "conv2.bias"',
    ],
  ])("rejects %j", (options, type, code, message) => {
    const { model } = squaredLoss();
    const act = () => differentiate(model, options as never);
    expect(act).toThrow(type);
    expect(act).toThrow(message);
    try {
      act();
    } catch (error) {
      expect(error).toMatchObject({ code });
    }
  });

  it("asks for an upgrade below opset 13, and for 16 where positions repeat", () => {
    const { model, loss } = squaredLoss();
    model.opsets.set("", 12);
    expect(() => differentiate(model, { loss, wrt: ["input"] })).toThrow("opset 12, expected 13 or later");
    const pooled = GraphBuilder.model("pooled", 15);
    const x = pooled.builder.input("x", [1, 1, 5, 5]);
    pooled.builder.output(pooled.builder.node("MaxPool", [x], { kernel_shape: ints([3, 3]) }));
    const act = () => differentiate(pooled.model, { loss: pooled.model.graph.outputs[0]!.name, wrt: ["x"] });
    expect(act).toThrow("opset 15, expected 16 or later");
  });

  it("asks for shapes where a rule needs them", () => {
    const { model, builder } = GraphBuilder.model("ranks");
    const x = builder.node("Reshape", [builder.input("x", [12]), builder.input("shape", [2], "int64")]);
    builder.output(builder.node("MatMul", [x, builder.constant(Tensor.float32([3, 2], [1, 2, 3, 4, 5, 6]))]));
    const act = () => differentiate(model, { loss: model.graph.outputs[0]!.name, wrt: ["x"] });
    expect(act).toThrow(/the rank of "Reshape_output" is unknown, node "MatMul"/);
  });
});

describe("observeBatchShapes", () => {
  it("agrees with a run at any batch", async () => {
    const { model } = squaredLoss();
    const shapes = await observeBatchShapes(runner, model);
    const values = model.graph.nodes.flatMap(({ outputs }) => outputs);
    const results = await runner.using(exposeValues(model, values), (session) => session.run({ input: image(5) }));
    for (const value of values) {
      expect(results[value]!.dims).toEqual(shapes.get(value)!.dims.map((dim) => (dim === VARIES ? 5 : dim)));
    }
  });
});
