import { int, ints, type Model, Tensor } from "../../src/graph/index.js";
import { type TestModel, testModel } from "./build.js";

/** Networks of every shape a walk has to cope with, on [N, 3, 8, 8]; weights spread so that coarse integers shift means. */
export const NETWORKS: Readonly<Record<string, () => Model>> = {
  chain: () =>
    build(1, (t, input) => gemm(t, pool(t, relu(t, conv(t, relu(t, conv(t, input, 3, 6, "a")), 6, 8, "b"))), 8, 5)),
  residual: () =>
    build(2, (t, input) => {
      const stem = relu(t, conv(t, input, 3, 6, "stem"));
      const branch = conv(t, relu(t, conv(t, stem, 6, 6, "a")), 6, 6, "b");
      const sum = relu(t, t.builder.node("Add", [branch, stem]));
      const again = t.builder.node("Add", [sum, conv(t, sum, 6, 6, "c")]);
      return gemm(t, pool(t, again), 6, 4);
    }),
  /** Both branches start at the input and meet in a Concat; one is two layers longer. */
  inception: () =>
    build(3, (t, input) => {
      const long = relu(t, conv(t, relu(t, conv(t, relu(t, conv(t, input, 3, 4, "l1")), 4, 4, "l2")), 4, 4, "l3"));
      const short = relu(t, conv(t, input, 3, 3, "s1"));
      const both = t.builder.node("Concat", [long, short], { axis: int(1) });
      return gemm(t, pool(t, relu(t, conv(t, both, 7, 5, "join"))), 5, 4);
    }),
  /** Squeeze and excite: the gate comes from the value it scales. */
  gate: () =>
    build(4, (t, input) => {
      const data = relu(t, conv(t, input, 3, 6, "data"));
      const squeezed = relu(t, point(t, pool4(t, data), 6, 3, "squeeze"));
      const gate = t.builder.node("Sigmoid", [point(t, squeezed, 3, 6, "excite")]);
      const scaled = t.builder.node("Mul", [data, gate]);
      return gemm(t, pool(t, conv(t, scaled, 6, 5, "after")), 5, 4);
    }),
  /** One bound a channel behind Relu, as equalization makes of ReLU6. */
  bounded: () =>
    build(6, (t, input) => {
      const bounds = t.builder.constant(Tensor.float32([1, 6, 1, 1], [0.3, 0.6, 0.9, 1.2, 1.5, 1.8]), "bounds");
      const bounded = t.builder.node("Min", [relu(t, conv(t, input, 3, 6, "a")), bounds]);
      return gemm(t, pool(t, relu(t, conv(t, bounded, 6, 5, "b"))), 5, 4);
    }),
  /** HardSwish runs in float between integer layers; depthwise and transposed layers on both sides. */
  floatBetween: () =>
    build(5, (t, input) => {
      const up = t.builder.node(
        "ConvTranspose",
        [input, t.random([3, 6, 2, 2], "up.weight", 0.4), t.random([6], "up.bias", 0.2)],
        { kernel_shape: ints([2, 2]), strides: ints([2, 2]) },
        { name: "up" },
      );
      const swish = t.builder.node("HardSwish", [up]);
      const depth = conv(t, swish, 6, 6, "depth", 6);
      const sum = t.builder.node("Mul", [t.builder.node("Softmax", [depth], { axis: int(1) }), swish]);
      return gemm(t, pool(t, conv(t, sum, 6, 5, "last")), 5, 4);
    }),
};

function build(seed: number, body: (test: TestModel, input: string) => string): Model {
  const test = testModel(seed);
  const input = test.builder.input("input", ["N", 3, 8, 8]);
  test.builder.output(body(test, input), "float32");
  return test.model;
}

function conv(t: TestModel, data: string, from: number, to: number, name: string, group = 1): string {
  const spread = 0.9 / Math.sqrt((9 * from) / group);
  const inputs = [
    data,
    t.random([to, from / group, 3, 3], `${name}.weight`, spread),
    t.random([to], `${name}.bias`, 0.2),
  ];
  const attributes = { kernel_shape: ints([3, 3]), pads: ints([1, 1, 1, 1]), group: int(group) };
  return t.builder.node("Conv", inputs, attributes, { name });
}

function point(t: TestModel, data: string, from: number, to: number, name: string): string {
  return t.builder.node(
    "Conv",
    [data, t.random([to, from, 1, 1], `${name}.weight`), t.random([to], `${name}.bias`, 0.2)],
    { kernel_shape: ints([1, 1]) },
    { name },
  );
}

function relu(t: TestModel, data: string): string {
  return t.builder.node("Relu", [data]);
}

function pool4(t: TestModel, data: string): string {
  return t.builder.node("GlobalAveragePool", [data]);
}

function pool(t: TestModel, data: string): string {
  return t.builder.node("Flatten", [pool4(t, data)]);
}

function gemm(t: TestModel, data: string, from: number, to: number): string {
  const inputs = [data, t.random([from, to], "fc.weight"), t.random([to], "fc.bias", 0.2)];
  return t.builder.node("Gemm", inputs, {}, { name: "fc" });
}
