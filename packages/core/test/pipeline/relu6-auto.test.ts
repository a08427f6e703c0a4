import { expect, test } from "vitest";
import { randomDataset } from "../../src/data/index.js";
import type { EqualizeReport } from "../../src/equalize/index.js";
import { int, ints, type Model, Tensor } from "../../src/graph/index.js";
import { type CompressResult, compress } from "../../src/pipeline/index.js";
import type { RecipeStep } from "../../src/steps/index.js";
import { testModel } from "../helpers/build.js";
import { runner } from "../helpers/quantized.js";

const DATA = randomDataset([3, 8, 8], 24, 7, { min: -1, max: 1 });
const CHANNELS = 8;

/**
 * Conv, ReLU6, depthwise Conv, ReLU6, Conv. `gain` sets how far the first Conv drives its channels into the bound; `spread`, how much larger
 * the depthwise weights of each channel are than those of the one before, which per tensor only scaling can make up for.
 */
function network(gain: number, spread: number): Model {
  const t = testModel(11);
  const { builder, model } = t;
  const scaled = (dims: number[], name: string, scale: number, factor: (channel: number) => number) => {
    const tensor = model.graph.initializers.get(t.random(dims, `${name}.random`, scale))!;
    const each = tensor.numbers().length / dims[0]!;
    const values = Float32Array.from(tensor.numbers(), (value, k) => value * factor(Math.floor(k / each)));
    model.graph.initializers.delete(`${name}.random`);
    return builder.constant(Tensor.float32(dims, values), name);
  };
  const attributes = { kernel_shape: ints([3, 3]), pads: ints([1, 1, 1, 1]) };
  const bounds = [builder.constant(0, "low"), builder.constant(6, "high")];
  const x = builder.input("input", ["N", 3, 8, 8]);
  const first = scaled([CHANNELS, 3, 3, 3], "first.weight", gain, () => 1);
  const clipped = builder.node("Clip", [builder.node("Conv", [x, first], attributes, { name: "first" }), ...bounds]);
  const deep = scaled([CHANNELS, 1, 3, 3], "deep.weight", 1, (channel) => spread ** channel);
  const depthwise = { ...attributes, group: int(CHANNELS) };
  const second = builder.node("Conv", [clipped, deep], depthwise, { name: "deep" });
  const last = t.random([4, CHANNELS, 1, 1], "last.weight");
  const bounded = builder.node("Clip", [second, ...bounds]);
  builder.output(builder.node("Conv", [bounded, last], { kernel_shape: ints([1, 1]) }, { name: "last" }));
  return model;
}

function run(model: Model, relu6?: "exact"): Promise<CompressResult> {
  const equalize = { use: "equalize", ...(relu6 && { relu6 }) } as const;
  const steps: RecipeStep[] = [
    { use: "fold" },
    equalize,
    { use: "quantize", granularity: "per-tensor" },
    { use: "bias-correct" },
  ];
  return compress(model, { steps }, { runner, data: DATA });
}

const reportOf = ({ steps }: CompressResult) => steps.find(({ step }) => step === "equalize")!.report as EqualizeReport;
const count = ({ model }: CompressResult, op: string) => model.graph.nodes.filter(({ opType }) => opType === op).length;

test("one bound is kept where bounds by channel gain nothing", async () => {
  const model = network(0.2, 1.2);
  const [auto, exact] = [await run(model), await run(model, "exact")];
  expect([reportOf(auto).relu6, count(auto, "Min")]).toEqual(["common", 0]);
  expect(reportOf(exact).relu6).toBe("exact");
  expect(reportOf(auto).modified).toBe(true);
});

test("bounds by channel stay where they gain much, and the effect says so", async () => {
  const result = await run(network(20, 2));
  expect([reportOf(result).relu6, count(result, "Min")]).toEqual(["exact", 2]);
  const step = result.steps.find((own) => own.step === "equalize")!;
  expect(step.kept).toBe(true);
  expect(step.note).toContain("2 with bounds by channel");
});
