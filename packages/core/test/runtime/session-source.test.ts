import * as ort from "onnxruntime-node";
import { describe, expect, test } from "vitest";
import { parseModel, serializeModel, Tensor } from "../../src/graph/index.js";
import { createRunner } from "../../src/runtime/index.js";
import { sessionSource } from "../../src/runtime/session-source.js";
import { convReluConv, testModel } from "../helpers/build.js";
import { runner } from "../helpers/runner.js";

/** x · W with a W of 256 kB; `offset` makes W a view into a larger buffer, as weights of a file are. */
function wide(offset: number) {
  const { builder, model } = testModel(1);
  const buffer = new Float32Array(256 * 256 + offset).map((_, i) => ((i * 7919) % 1000) / 1000);
  const values = buffer.subarray(offset);
  const weight = builder.constant(Tensor.float32([256, 256], values), "weight");
  const shared = builder.constant(model.graph.initializers.get(weight)!, "shared");
  const first = builder.node("MatMul", [builder.input("x", [1, 256]), weight]);
  builder.output(builder.node("MatMul", [first, shared]), "float32", [1, 256]);
  const data = Float32Array.from({ length: 256 }, (_, i) => Math.sin(i));
  return { model, feeds: { x: { dtype: "float32" as const, dims: [1, 256], data } } };
}

describe("a model over the limit", () => {
  test("is handed over with its large weights beside it, each once", () => {
    const { model } = wide(0);
    const { bytes, externalData } = sessionSource(model, 1000);
    expect(bytes.length).toBeLessThan(1000);
    expect(externalData.map(({ path, data }) => [path, data.byteLength])).toEqual([["tensor-0", 256 * 256 * 4]]);
    const { initializers } = parseModel(bytes).graph;
    for (const name of ["weight", "shared"]) expect(initializers.get(name)!.external?.location).toBe("tensor-0");
  });

  test.each([0, 1, 1000])(
    "runs the same in onnxruntime-node, weights at element %i of their buffer",
    async (offset) => {
      const { model, feeds } = wide(offset);
      const parts = createRunner(ort as never, { threads: 1, maxEmbeddedBytes: 1000 });
      const expected = await runner.using(model, (session) => session.run(feeds));
      const session = await parts.open(model);
      // Nothing here holds the weights any more: the session must have its own.
      model.graph.initializers.clear();
      for (let i = 0; i < 3; i++) expect(await session.run(feeds)).toEqual(expected);
      await session.dispose();
    },
  );
});

test("a model below it is one file, and bytes are taken as they are", () => {
  const model = convReluConv();
  expect(sessionSource(model)).toEqual({ bytes: serializeModel(model), externalData: [] });
  const bytes = Uint8Array.of(1, 2);
  expect(sessionSource(bytes).bytes).toBe(bytes);
});
