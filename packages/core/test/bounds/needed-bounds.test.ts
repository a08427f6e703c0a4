import { describe, expect, test } from "vitest";
import { neededBounds } from "../../src/bounds/index.js";
import { float, indexGraph, int, type Model, Tensor } from "../../src/graph/index.js";
import { createRandom } from "../../src/math/index.js";
import { type TestModel, testModel } from "../helpers/build.js";
import { runner } from "../helpers/runner.js";

const CHANNELS = 3;
const DIMS = [2, CHANNELS, 16, 16];

/** What reads x [N, 3, H, W], as the network's outputs. */
function reading(build: (t: TestModel, x: string) => string[]): Model {
  const t = testModel(3);
  for (const output of build(t, t.builder.input("x", ["N", CHANNELS, "H", "W"]))) t.builder.output(output);
  return t.model;
}

const bound = (t: TestModel, value: number) => t.builder.constant(Tensor.scalar(value));
const clipped = (t: TestModel, line: string) => t.builder.node("Clip", [line, bound(t, 0), bound(t, 6)]);
const product = (t: TestModel, x: string, gate: string) => t.builder.node("Mul", [gate, x]);

const READERS: Readonly<Record<string, (t: TestModel, x: string) => string[]>> = {
  HardSwish: (t, x) => [t.builder.node("HardSwish", [x])],
  HardSigmoid: (t, x) => [t.builder.node("HardSigmoid", [x], { alpha: float(0.25), beta: float(0.4) })],
  "a gate by HardSigmoid": (t, x) => [product(t, x, t.builder.node("HardSigmoid", [x]))],
  "a gate written out": (t, x) => [product(t, x, clipped(t, t.builder.node("Add", [x, bound(t, 3)])))],
  "a gate with a line by channel": (t, x) => {
    const slope = t.builder.constant(Tensor.float32([CHANNELS, 1, 1, 1], [0.01, 0.5, 2]));
    const offset = t.builder.constant(Tensor.float32([CHANNELS], [3, 2, 1]));
    return [product(t, x, clipped(t, t.builder.node("Conv", [x, slope, offset], { group: int(CHANNELS) })))];
  },
  "a HardSigmoid and a HardSwish": (t, x) => [t.builder.node("HardSigmoid", [x]), t.builder.node("HardSwish", [x])],
};

const boundsOf = ({ graph }: Model) => neededBounds(graph, indexGraph(graph), "x");
const by = (limit: number | Float64Array, channel: number) => (typeof limit === "number" ? limit : limit[channel]!);

describe("what reads a value tells elements apart within its bounds only", () => {
  test.each(Object.entries(READERS))("%s", async (_, build) => {
    const model = reading(build);
    const { low, high } = boundsOf(model);
    const random = createRandom(5);
    const size = DIMS.reduce((a, b) => a * b, 1);
    const wide = Float32Array.from({ length: size }, () => 500 * random.normal() * random.uniform() ** 4);
    const channel = (at: number) => Math.floor(at / (16 * 16)) % CHANNELS;
    const within = wide.map((x, at) => Math.min(by(high, channel(at)), Math.max(by(low, channel(at)), x)));
    expect(wide.filter((x, at) => x !== within[at]).length).toBeGreaterThan(size / 20);
    const run = (data: Float32Array) =>
      runner.using(model, (session) => session.run({ x: { dtype: "float32", dims: DIMS, data } }));
    const [expected, actual] = [await run(wide), await run(within)];
    for (const [name, { data }] of Object.entries(expected)) {
      const other = actual[name]!.data as Float32Array;
      // −offset/slope is rounded to float32: a gate there is 0 to within one rounding of its terms.
      (data as Float32Array).forEach((y, at) => void expect(Math.abs(y - other[at]!)).toBeLessThan(1e-3));
    }
  });

  test.each<[string, (t: TestModel, x: string) => string[]]>([
    ["is put out", (t, x) => [t.builder.node("HardSwish", [x]), x]],
    [
      "is multiplied by more than its gate",
      (t, x) => [...READERS["a gate written out"]!(t, x), product(t, x, bound(t, 2))],
    ],
    ["is read by a layer", (t, x) => [t.builder.node("Conv", [x, t.random([2, CHANNELS, 1, 1])])]],
    [
      "has a gate that is not 0 at its lower end",
      (t, x) => {
        const gate = t.builder.node("Clip", [t.builder.node("Add", [x, bound(t, 3)]), bound(t, 1), bound(t, 6)]);
        return [product(t, x, gate)];
      },
    ],
  ])("all of a value counts that %s", (_, build) => {
    expect(boundsOf(reading(build))).toEqual({ low: Number.NEGATIVE_INFINITY, high: Number.POSITIVE_INFINITY });
  });
});
