import * as ort from "onnxruntime-web";
import { describe, expect, it } from "vitest";
import { createRunner, differentiate, observeBatchShapes } from "../../src/lab.js";
import { centralDifferences, lossModel, relativeError } from "./case.js";
import { ELEMENTWISE_CASES } from "./elementwise-cases.js";
import { LAYER_CASES } from "./layer-cases.js";
import { STRUCTURE_CASES } from "./structure-cases.js";

/** Cases whose gradients together use every operator that rules append; all 175 passed when they were run (1.30.0). */
const CHOSEN = new Set([
  ...["Relu", "Clip", "Gelu tanh", "Max three", "Pow", "PRelu", "Conv", "Conv strides", "Conv depthwise strided"],
  ...["Conv large kernel", "ConvTranspose strides", "Gemm transA", "MatMul rows", "MaxPool", "MaxPool odd"],
  ...["MaxPool overlapping", "AveragePool ceil", "GlobalMaxPool", "BatchNormalization training", "Slice steps"],
  ...["Concat", "Pad reflect", "Gather", "ReduceProd", "Resize linear", "cross-entropy", "KL divergence"],
]);

describe("gradients in the browser's runtime, WebAssembly", () => {
  ort.env.wasm.numThreads = 1;
  const web = createRunner(ort as never, { providers: ["wasm"] });
  const cases = [...ELEMENTWISE_CASES, ...LAYER_CASES, ...STRUCTURE_CASES].filter(({ name }) => CHOSEN.has(name));

  it("finds every chosen case", () => {
    expect(cases.map(({ name }) => name).sort()).toEqual([...CHOSEN].sort());
  });

  it.each(cases)("$name", async (testCase) => {
    const { model, wrt, feeds } = lossModel(testCase, "fixed");
    const shapes = await observeBatchShapes(web, model);
    const derived = differentiate(model, { loss: model.graph.outputs[0]!.name, wrt, shapes });
    const results = await web.using(derived, (session) => session.run(feeds));
    const expected = centralDifferences(testCase);
    derived.graph.outputs.slice(1).forEach(({ name }, i) => {
      expect(relativeError(results[name]!.data as Float32Array, expected[i]!)).toBeLessThan(2e-5);
    });
  });
});
