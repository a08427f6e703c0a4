import { expect } from "vitest";
import type { Model } from "../../src/graph/index.js";
import type { Processor, TargetName } from "../../src/quantize/index.js";

/** Types of a layer's learnables as they stand in a file: of the integers behind DequantizeLinear, or of the float tensor. */
export interface LearnableTypes {
  readonly layer: string;
  readonly weight: string;
  readonly zeroPoints: readonly number[];
  readonly bias: string | undefined;
}

const LAYERS = ["Conv", "ConvTranspose", "Gemm", "MatMul"];

/** Reads every layer whose weight is stored as integers; nothing but the file is asked. */
export function learnableTypes({ graph }: Model): LearnableTypes[] {
  const producers = new Map(graph.nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)));
  const stored = (value: string) => {
    const node = producers.get(value);
    return graph.initializers.get(node?.opType === "DequantizeLinear" ? node.inputs[0]! : value);
  };
  return graph.nodes.flatMap((node) => {
    if (!LAYERS.includes(node.opType)) return [];
    const producer = producers.get(node.inputs[1]!);
    const weight = stored(node.inputs[1]!);
    if (producer?.opType !== "DequantizeLinear" || !weight) return [];
    const zeroPoints = graph.initializers.get(producer.inputs[2]!)!.numbers();
    const bias = node.inputs[2] ? stored(node.inputs[2]) : undefined;
    return [{ layer: node.name, weight: weight.dtype, zeroPoints, bias: bias?.dtype }];
  });
}

/** What a target takes for a weight and a bias when nothing else is asked; `avx2` stands for processors that add in pairs. */
const ROWS: Readonly<Record<TargetName, { weights: readonly string[]; bias: string }>> = {
  "ort-cpu": { weights: ["int8"], bias: "int32" },
  "ort-web": { weights: ["int8"], bias: "int32" },
  tensorrt: { weights: ["int8"], bias: "float32" },
  hailo: { weights: ["int8"], bias: "int16" },
  fpga: { weights: ["int8"], bias: "int32" },
};

/** Fails unless every weight and bias of the file is of the target's types; returns how many layers there are by weight type. */
export function expectTypes(file: Model, target: TargetName, processor: Processor): Record<string, number> {
  const rows = learnableTypes(file);
  expect(rows.length).toBeGreaterThan(0);
  const workaround = target === "ort-cpu" && processor === "avx2";
  const counts: Record<string, number> = {};
  for (const { layer, weight, zeroPoints, bias } of rows) {
    expect(workaround ? [...ROWS[target].weights, "uint8"] : ROWS[target].weights, layer).toContain(weight);
    expect(zeroPoints, layer).toEqual(zeroPoints.map(() => (weight === "uint8" ? 128 : 0)));
    if (bias !== undefined) expect(bias, layer).toBe(ROWS[target].bias);
    counts[weight] = (counts[weight] ?? 0) + 1;
  }
  return counts;
}
