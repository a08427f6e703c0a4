import * as ort from "onnxruntime-node";
import { expect, test } from "vitest";
import { openFiles, spread } from "../../src/data/index.js";
import { GraphBuilder, type HostTensor, type Model, signatureOf } from "../../src/graph/index.js";
import { createRunner, Feed, followStates, forEachBatch } from "../../src/runtime/index.js";
import { filesOf } from "../data/helpers.js";

const context = { runner: createRunner(ort as never, { threads: 1 }) };

/** hn = h/2 + x, y = hn + 1. */
function accumulator(): Model {
  const { model, builder } = GraphBuilder.model("state");
  const [x, h] = [builder.input("x", ["N", 1]), builder.input("h", [1, 1])];
  const hn = builder.node("Add", [builder.node("Mul", [h, builder.constant(0.5)]), x], {}, { name: "hn" });
  builder.output(builder.node("Add", [hn, builder.constant(1)]));
  builder.output(hn);
  return model;
}

const lines = (values: number[]) => values.map((x) => JSON.stringify({ x: [x] })).join("\n");
const open = (model: Model) =>
  openFiles(filesOf({ "a.jsonl": lines([1, 2, 4, 8]), "b.jsonl": lines([16, 32]) }), { signature: signatureOf(model) });

test("a state goes on within a file and begins anew in the next one", async () => {
  const model = accumulator();
  const followed = await followStates(model, await open(model), { [model.graph.outputs[1]!.name]: "h" }, context);
  const states = await Promise.all(
    Array.from({ length: followed.length }, async (_, index) => (await followed.record!(index)).h!.data[0]),
  );
  // h of a sample is half of the one before, plus its number.
  const expected = [0, 1, 2.5, 5.25, 0, 16];
  expect(states).toEqual(expected);
});

test("samples chosen afterwards keep the state they had in their place, in every run", async () => {
  const model = accumulator();
  const followed = await followStates(model, await open(model), { [model.graph.outputs[1]!.name]: "h" }, context);
  const some = spread(followed, 3);
  const values: number[] = [];
  const feed = await Feed.of(model, some, context);
  await context.runner.using(model, (session) =>
    forEachBatch(session, feed, {}, context, (results) => {
      values.push(...Array.from(results[model.graph.outputs[0]!.name]!.data as Float32Array));
    }),
  );
  // Samples 0, 2 and 4: half their state, plus their number, plus 1.
  expect(values).toEqual([2, 2.5 / 2 + 4 + 1, 17]);
});

test("names that the model does not have, and states of another shape, are refused", async () => {
  const model = accumulator();
  const data = await open(model);
  const output = model.graph.outputs[1]!.name;
  await expect(followStates(model, data, { nothing: "h" }, context)).rejects.toMatchObject({ code: "E2103" });
  await expect(followStates(model, data, { [output]: "k" }, context)).rejects.toMatchObject({ code: "E2103" });
  const wide: HostTensor = { dtype: "float32", dims: [1, 2], data: new Float32Array(2) };
  const other = { ...data, record: async (index: number) => ({ ...(await data.record!(index)), h: wide }) };
  const { model: free, builder } = GraphBuilder.model("free");
  const sum = builder.node("ReduceSum", [builder.input("h", ["N", "K"])]);
  builder.input("x", ["N", 1]);
  builder.output(sum);
  await expect(followStates(free, other, { [sum]: "h" }, context)).rejects.toMatchObject({ code: "E5003" });
});
