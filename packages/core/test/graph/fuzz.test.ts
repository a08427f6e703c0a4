import { expect, test } from "vitest";
import { createNode, float, GraphBuilder, ints, serializeModel, Tensor } from "../../src/graph/index.js";
import { convReluConv } from "../helpers/build.js";
import { expectRobust, fuzz } from "./fuzz.js";
import { kitchenSink } from "./kitchen-sink.js";

/** A few hundred small nodes in a line, so that most bytes are structure. */
function longChain(): Uint8Array {
  const { model, builder } = GraphBuilder.model("chain");
  let value = builder.input("x", ["N", 4]);
  const weight = builder.constant(Tensor.float32([4, 4], new Float32Array(16).fill(0.5)), "w");
  for (let i = 0; i < 150; i++)
    value = builder.node(i % 3 === 0 ? "Gemm" : "LeakyRelu", i % 3 === 0 ? [value, weight] : [value], {
      alpha: float(0.5),
    });
  builder.output(value, "float32", ["N", 4]);
  return serializeModel(model);
}

/** A Loop that holds an If, with captured values. */
function nested(): Uint8Array {
  const { model, builder } = GraphBuilder.model("nested");
  builder.output(builder.node("Relu", [builder.input("x", [2])], { axes: ints([0]) }, { name: "relu" }));
  let inner = GraphBuilder.model("deepest").model.graph;
  for (let depth = 0; depth < 5; depth++) {
    const body = { type: "graph", value: inner } as const;
    inner = GraphBuilder.model(`level${depth}`).model.graph;
    inner.initializers.set(`c${depth}`, Tensor.scalar(depth));
    const inputs = ["x", `c${depth}`];
    inner.nodes.push(createNode({ opType: "Loop", inputs, outputs: [`v${depth}`], attributes: { body, other: body } }));
    inner.outputs.push({ name: `v${depth}`, dtype: "float32", shape: [2] });
  }
  model.graph.nodes.push(...inner.nodes);
  return serializeModel(model);
}

test("damaged files give typed errors, in time, in little memory", { timeout: 600_000 }, async () => {
  const cases = Number(process.env.EQUANT_FUZZ ?? 2000);
  const files = { sink: kitchenSink(), conv: serializeModel(convReluConv()), chain: longChain(), nested: nested() };
  const report = await fuzz(files, cases, 1);
  expectRobust(report, cases);
  // The mutations reach every stage: some files stay sound, some fail in the encoding, the graph, and the tensors.
  for (const outcome of ["accepted", "E3002", "E3003", "E3004"]) {
    expect(report.outcomes[outcome] ?? 0, outcome).toBeGreaterThan(cases / 100);
  }
});
