import { describe, expect, it } from "vitest";
import { ensureBiases } from "../../src/correct/index.js";
import { float, int, type Model, parseModel, serializeModel, Tensor } from "../../src/graph/index.js";
import { planPlacement, targetSpec } from "../../src/quantize/index.js";
import { convReluConv, testModel } from "../helpers/build.js";
import { runner } from "../helpers/quantized.js";

async function run(model: Model, dims: number[]): Promise<number[]> {
  const data = Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, i) => Math.fround(Math.sin(i * 1.7)));
  const feeds = { input: { dtype: "float32", dims, data } as const };
  const output = await runner.using(model, (session) => session.run(feeds), { optimization: "disabled" });
  return [...(Object.values(output)[0]!.data as Float32Array)];
}

/** Conv, ConvTranspose, Gemm with beta 0.5 and MatMul, all without bias. */
function unbiased(): Model {
  const t = testModel(9);
  const { builder } = t;
  const input = builder.input("input", ["N", 2, 3, 3]);
  const conv = builder.node("Conv", [input, t.random([4, 2, 1, 1]), ""], {}, { name: "conv" });
  const up = builder.node("ConvTranspose", [conv, t.random([4, 3, 1, 1])], { group: int(2) }, { name: "up" });
  const gemm = builder.node(
    "Gemm",
    [builder.node("Flatten", [up]), t.random([5, 54])],
    { transB: int(1), beta: float(0.5) },
    { name: "gemm" },
  );
  builder.output(builder.node("MatMul", [gemm, t.random([5, 4])], {}, { name: "matmul" }), "float32");
  return t.model;
}

describe("ensureBiases", () => {
  it("does nothing where every layer has a bias", () => {
    const model = convReluConv();
    const before = serializeModel(model);
    expect(ensureBiases(model)).toEqual({ transform: "ensureBiases", modified: false, skipped: [], layers: [] });
    expect(serializeModel(model)).toEqual(before);
  });

  it("adds zeros of the right length and keeps the function exactly", async () => {
    const model = unbiased();
    const before = await run(model, [2, 2, 3, 3]);
    const report = ensureBiases(model);
    expect(report).toEqual({
      transform: "ensureBiases",
      modified: true,
      layers: ["conv", "up", "gemm"],
      skipped: [{ node: "matmul", opType: "MatMul", reason: "MatMul has no bias input" }],
    });
    const lengths = model.graph.nodes.flatMap(({ inputs }) =>
      inputs[2] ? model.graph.initializers.get(inputs[2])!.numbers().length : [],
    );
    expect(lengths).toEqual([4, 6, 5]);
    expect(await run(parseModel(serializeModel(model)), [2, 2, 3, 3])).toEqual(before);
    expect(ensureBiases(model).modified).toBe(false);
  });

  it("leaves a Gemm that integers take: beta went with the bias it did not have", () => {
    const model = unbiased();
    ensureBiases(model);
    const { layers, skipped } = planPlacement(model.graph, targetSpec("ort-cpu"));
    expect(layers.map(({ node }) => node.name)).toEqual(["conv", "up", "gemm", "matmul"]);
    expect(skipped).toEqual([]);
  });

  it("skips weights of another type", () => {
    const model = convReluConv({ channels: 1 });
    const node = model.graph.nodes[0]!;
    node.inputs = node.inputs.slice(0, 2);
    model.graph.initializers.set(node.inputs[1]!, Tensor.of("float16", [1, 1, 3, 3], new Uint16Array(9)));
    expect(ensureBiases(model).skipped).toEqual([
      { node: "conv1", opType: "Conv", reason: "weight is float16, not float32" },
    ]);
  });
});
