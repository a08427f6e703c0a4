import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { createRunner, type OrtModule } from "@equant/core";
import { parseModel } from "@equant/core/lab";
import * as ort from "onnxruntime-node";
import { expect, test } from "vitest";
import { provide } from "../../src/worker/provider.js";

const node = ort as unknown as OrtModule;
const processor = async () => createRunner(node, { threads: 1 });
const card = { requestAdapter: async () => ({}) };
const never = () => Promise.reject(new Error("the runtime is fetched only where there is a card"));
const file = (name: string) => parseModel(readFileSync(fileURLToPath(new URL(name, import.meta.url))));

/** ONNX Runtime that says who was asked, or that there is no such card. */
function runtime(asked: string[][], fails = false): OrtModule {
  const { InferenceSession } = ort;
  return {
    ...node,
    InferenceSession: {
      create: (model: Uint8Array, options: { executionProviders: string[] }) => {
        if (fails) throw new Error("no device of this kind");
        asked.push([...options.executionProviders]);
        return InferenceSession.create(model, { ...options, executionProviders: ["cpu"] });
      },
    } as unknown as OrtModule["InferenceSession"],
  };
}

test("the processor is taken when it is asked for", async () => {
  expect(await provide("wasm", processor, { gpu: card, load: never })).toMatchObject({
    provider: "wasm",
    refused: null,
  });
});

test.each([
  ["no WebGPU", undefined, never, "this browser has no WebGPU"],
  ["no adapter", { requestAdapter: async () => null }, never, "the browser gives no graphics card"],
  [
    "a refusal",
    { requestAdapter: () => Promise.reject(new Error("lost")) },
    never,
    "the browser gives no graphics card",
  ],
  ["a runtime that cannot be fetched", card, never, "the runtime is fetched only where there is a card"],
  ["a card that does not compute", card, async () => runtime([], true), "no device of this kind"],
])("%s: said, and networks run on the processor", async (_, gpu, load, refused) => {
  const { runner, ...said } = await provide("webgpu", processor, { gpu, load });
  expect(said).toEqual({ provider: "wasm", refused });
  const session = await runner.open(file("../../../cli/assets/digits.onnx"));
  expect(session.outputNames).toHaveLength(1);
  await session.dispose();
});

test("float networks go to the card, integers to the processor", async () => {
  const asked: string[][] = [];
  const given = await provide("webgpu", processor, { gpu: card, load: async () => runtime(asked) });
  expect([given.provider, given.refused]).toEqual(["webgpu", null]);
  asked.length = 0;
  await (await given.runner.open(file("../../../cli/assets/digits.onnx"))).dispose();
  expect(asked).toEqual([["webgpu", "cpu"]]);
  asked.length = 0;
  const integers = file("../../../../fixtures/quantized/ort-tensor-uint8.onnx");
  await (await given.runner.open(integers)).dispose();
  expect(asked).toEqual([]);
});
