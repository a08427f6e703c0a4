import { describe, expect, test } from "vitest";
import { type TestModel, testModel } from "../helpers/build.js";
import { int, ints, type Model, Tensor } from "./core.js";
import { countsOf, expectFolded, foldCopy, opTypes } from "./helpers.js";

/** input [N, 3, 5, 5] → Conv to 7 channels → Split → a Sigmoid on the first part. */
function head(build: (t: TestModel, value: string) => string[], { bias = true, outside = false } = {}): Model {
  const t = testModel(7);
  const x = t.builder.input("x", ["N", 3, 5, 5]);
  const inputs = [x, t.random([7, 3, 3, 3]), ...(bias ? [t.random([7])] : [])];
  const conv = t.builder.node("Conv", inputs, { pads: ints([1, 1, 1, 1]), strides: ints([2, 2]) }, { name: "head" });
  if (outside) t.builder.output(conv);
  const [first, ...others] = build(t, conv);
  t.builder.output(t.builder.node("Sigmoid", [first!]));
  for (const other of others) t.builder.output(other);
  return t.model;
}

const split = (t: TestModel, value: string, sizes: number[], axis = 1) =>
  t.builder.nodes(
    "Split",
    [value, t.builder.constant(Tensor.int64([sizes.length], sizes))],
    { axis: int(axis) },
    { outputs: sizes.length },
  ).outputs;

describe("a layer that a Split takes apart at the end", () => {
  test.each([
    ["with a bias", true, [2, 5]],
    ["without", false, [4, 3]],
  ])("becomes one layer a part, %s", async (_, bias, sizes) => {
    const { model, report } = await expectFolded(head((t, value) => split(t, value, sizes), { bias }));
    expect(opTypes(model)).toEqual([...sizes.map(() => "Conv"), "Sigmoid"]);
    expect(report.counts).toEqual(countsOf({ heads: 1 }));
    const channels = model.graph.nodes.flatMap(
      ({ inputs }) => model.graph.initializers.get(inputs[1] ?? "")?.dims[0] ?? [],
    );
    expect(channels).toEqual(sizes);
  });

  test.each<[string, Model]>([
    [
      "a layer follows: its parts are features",
      head((t, value) => {
        const [one, two] = split(t, value, [3, 4]);
        return [t.builder.node("Conv", [one!, t.random([2, 3, 1, 1])]), two!];
      }),
    ],
    ["it is split along another axis", head((t, value) => split(t, value, [1, 2], 2))],
    ["the whole is read besides", head((t, value) => split(t, value, [3, 4]), { outside: true })],
  ])("stays in one piece where %s", async (_, model) => {
    const { report } = await foldCopy(model);
    expect(report.counts.heads).toBe(0);
  });
});
