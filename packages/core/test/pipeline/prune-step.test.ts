import { expect, it } from "vitest";
import {
  buildDigitNetwork,
  compress,
  digitDataset,
  linearLayers,
  type Model,
  parseModel,
  type StepOf,
} from "../../src/lab.js";
import { runner } from "../helpers/runner.js";

const context = { runner };
const data = digitDataset({ seed: 0, count: 40 });

/** Integers that quantized layers multiply by, as distance from their zero point. */
function integers({ graph }: Model): number[] {
  const made = new Map(graph.nodes.map((node) => [node.outputs[0], node]));
  return graph.nodes.flatMap(({ opType, inputs }) => {
    const source = opType === "Conv" || opType === "Gemm" ? made.get(inputs[1]!) : undefined;
    if (source?.opType !== "DequantizeLinear") return [];
    const [values, , zero] = source.inputs.map((name) => graph.initializers.get(name)?.array() ?? []);
    return Array.from(values as ArrayLike<number>, (value) => value - Number(zero?.[0] ?? 0));
  });
}

const run = (prune: StepOf<"prune">) =>
  compress(
    buildDigitNetwork(2),
    { steps: [{ use: "fold" }, prune, { use: "quantize" }, { use: "bias-correct" }] },
    { ...context, data },
  );

it("a recipe prunes, keeps it although outputs got worse, and quantizes zeros to zeros", async () => {
  const result = await run({ use: "prune", method: "magnitude", sparsity: 0.7, steps: 2 });
  const step = result.steps.find((effect) => effect.step === "prune")!;
  expect(step.kept).toBe(true);
  expect(step.note).toContain("70.0 % of the parameters are 0");
  const float = linearLayers(result.floatModel.graph).flatMap(({ tensor }) => [...(tensor.array() as Float32Array)]);
  const quantized = integers(parseModel(result.bytes));
  expect(quantized).toHaveLength(21512);
  expect(float.filter((value) => value === 0)).toHaveLength(Math.round(0.7 * 21512));
  expect(float.every((value, i) => value !== 0 || quantized[i] === 0)).toBe(true);
});

it("channels leave the graph before it is quantized; a quantized network that is worse can be refused", async () => {
  const channels = { use: "prune", granularity: "channels", count: "macs", sparsity: 0.4, steps: 2 } as const;
  const result = await run({ ...channels, method: "taylor" });
  expect(result.steps.find((effect) => effect.step === "prune")!.note).toMatch(
    /\d+ channels and \d+\.\d % of MACs left/,
  );
  expect(integers(parseModel(result.bytes)).length).toBeLessThan(0.8 * 21512);
  const steps = [{ use: "fold" }, { ...channels, method: "magnitude", keep: "better" }, { use: "quantize" }] as const;
  const undone = await compress(buildDigitNetwork(2), { steps }, { ...context, data });
  expect(undone.steps.find((effect) => effect.step === "prune")!.kept).toBe(false);
  expect(integers(parseModel(undone.bytes))).toHaveLength(21512);
});
