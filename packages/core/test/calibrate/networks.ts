import type { Dataset } from "../../src/data/index.js";
import { float, type Graph, int, ints, type Model, Tensor } from "../../src/graph/index.js";
import { createRandom } from "../../src/math/index.js";
import { type TestModel, testModel } from "../helpers/build.js";

/** A random network on [N, 3, 48, 48]: large values are reduced in the graph, small ones come back whole. */
export function randomNetwork(seed: number): Model {
  const random = createRandom(seed, 7);
  const test = testModel(seed);
  const { builder } = test;
  let value = builder.input("input", ["N", 3, 48, 48]);
  let channels = 3;
  const earlier: { value: string; channels: number; pooled: number }[] = [];
  let pooled = 0;
  for (let step = 0; step < 9; step++) {
    const kind = random.below(9);
    if (kind <= 2) {
      const to = 4 + random.below(8);
      value = conv(test, value, channels, to, `conv${step}`);
      channels = to;
    } else if (kind === 3) value = builder.node("Relu", [value]);
    else if (kind === 4) value = builder.node("Clip", [value, builder.constant(-random.below(2)), builder.constant(1)]);
    else if (kind === 5) value = builder.node("LeakyRelu", [value], { alpha: float(0.1) });
    else if (kind === 6) value = builder.node("Sigmoid", [value]);
    else if (kind === 7 && pooled < 3) {
      const type = random.below(2) === 0 ? "MaxPool" : "AveragePool";
      value = builder.node(type, [value], { kernel_shape: ints([2, 2]), strides: ints([2, 2]) });
      pooled++;
    } else {
      const other = earlier.findLast((past) => past.channels === channels && past.pooled === pooled);
      value = builder.node(random.below(2) === 0 ? "Add" : "Mul", [value, other?.value ?? value]);
    }
    earlier.push({ value, channels, pooled });
  }
  const flat = builder.node("Flatten", [builder.node("GlobalAveragePool", [conv(test, value, channels, 5, "last")])]);
  builder.output(builder.node("Gemm", [flat, test.random([5, 4]), test.random([4])], {}, { name: "fc" }));
  return test.model;
}

function conv(test: TestModel, data: string, from: number, to: number, name: string): string {
  const inputs = [data, test.random([to, from, 3, 3], `${name}.weight`, 0.4), test.random([to], `${name}.bias`, 0.3)];
  return test.builder.node("Conv", inputs, { kernel_shape: ints([3, 3]), pads: ints([1, 1, 1, 1]) }, { name });
}

/** Models whose input has another rank than images, with the shape of a sample. */
export const OTHER_RANKS: Readonly<Record<string, { sample: readonly number[]; build: () => Model }>> = {
  "rank 2, vectors": {
    sample: [12],
    build: () => simple(1, ["N", 12], (t, x) => gemm(t, t.builder.node("Relu", [gemm(t, x, 12, 9)]), 9, 4)),
  },
  "rank 3, signals": {
    sample: [2, 3000],
    build: () =>
      simple(2, ["N", 2, 3000], (t, x) => {
        const conv1 = t.builder.node("Conv", [x, t.random([4, 2, 5])], { kernel_shape: ints([5]) });
        return t.builder.node("AveragePool", [conv1], { kernel_shape: ints([3]) });
      }),
  },
  "rank 5, volumes": {
    sample: [1, 20, 20, 20],
    build: () =>
      simple(3, ["N", 1, 20, 20, 20], (t, x) =>
        t.builder.node("Conv", [x, t.random([3, 1, 3, 3, 3])], { kernel_shape: ints([3, 3, 3]) }),
      ),
  },
  "rows of a sample merged into the batch": {
    sample: [6, 4],
    build: () =>
      simple(4, ["N", 6, 4], (t, x) => {
        const rows = t.builder.node("Reshape", [x, t.builder.constant(Tensor.int64([2], [-1, 4]))]);
        return gemm(t, rows, 4, 5);
      }),
  },
};

function simple(
  seed: number,
  shape: readonly (string | number)[],
  body: (test: TestModel, input: string) => string,
): Model {
  const test = testModel(seed);
  test.builder.output(body(test, test.builder.input("input", shape)));
  return test.model;
}

function gemm(t: TestModel, data: string, from: number, to: number): string {
  return t.builder.node("Gemm", [data, t.random([from, to]), t.random([to])], { transB: int(0) });
}

/** Every value a graph makes, and its input. */
export function allValues(graph: Graph): string[] {
  return ["input", ...graph.nodes.flatMap(({ outputs }) => outputs)];
}

/** Samples first … of another dataset, changed by `change`. */
export function changed(
  dataset: Dataset,
  change: (index: number, sample: Float32Array) => void,
  range: readonly [number, number] = [0, dataset.length],
): Dataset {
  const size = dataset.shape.reduce((a, b) => a * b, 1);
  return {
    length: range[1] - range[0],
    shape: dataset.shape,
    id: (index) => `sample ${range[0] + index}`,
    async fill(index, out, offset) {
      await dataset.fill(range[0] + index, out, offset);
      change(range[0] + index, out.subarray(offset, offset + size));
    },
  };
}
