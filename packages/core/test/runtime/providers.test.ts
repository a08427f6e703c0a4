import * as ort from "onnxruntime-node";
import { expect, it } from "vitest";
import { type OrtModule, PROVIDER_CHOICES, provideRunner } from "../../src/runtime/index.js";
import { NETWORKS } from "../helpers/networks.js";

const node = ort as unknown as OrtModule;

it("the processor is taken when it is asked for, and nothing is said", async () => {
  const { provider, refused, runner } = await provideRunner(node, "cpu", { threads: 1 });
  expect({ provider, refused }).toEqual({ provider: "cpu", refused: [] });
  expect(runner.options).toEqual({ threads: 1 });
});

it("what cannot be had is said with its reason, and the work goes on on the processor", async () => {
  const { InferenceSession } = ort;
  const without = {
    ...node,
    InferenceSession: {
      create: (model: Uint8Array, options: { executionProviders: string[] }) => {
        if (options.executionProviders[0] !== "cpu") throw new Error("no such device\nat somewhere");
        return InferenceSession.create(model, options);
      },
    } as unknown as OrtModule["InferenceSession"],
  };
  const one = await provideRunner(without, "cuda");
  expect(one).toMatchObject({ provider: "cpu", refused: [{ provider: "cuda", reason: "no such device" }] });
  const any = await provideRunner(without, "auto");
  expect(any.provider).toBe("cpu");
  expect(any.refused.map(({ provider }) => provider)).toEqual(["cuda", "coreml", "dml", "webgpu"]);
  const session = await any.runner.open(NETWORKS.chain!());
  expect(session.outputNames).toHaveLength(1);
  await session.dispose();
});

it("a provider that computes is taken, with the processor behind it for what it does not have", async () => {
  const { InferenceSession } = ort;
  const asked: string[][] = [];
  const everywhere = {
    ...node,
    InferenceSession: {
      create: (model: Uint8Array, options: { executionProviders: string[] }) => {
        asked.push(options.executionProviders);
        return InferenceSession.create(model, { ...options, executionProviders: ["cpu"] });
      },
    } as unknown as OrtModule["InferenceSession"],
  };
  const { provider, refused, runner } = await provideRunner(everywhere, "auto");
  expect({ provider, refused }).toEqual({ provider: "cuda", refused: [] });
  expect(runner.options.providers).toEqual(["cuda", "cpu"]);
  expect(asked).toEqual([["cuda"]]);
});

it.each(PROVIDER_CHOICES)("%s: there is always a runner", async (asked) => {
  const { provider, refused } = await provideRunner(node, asked);
  if (provider !== asked && asked !== "auto") {
    expect(refused[0]!.provider).toBe(asked);
    expect(refused[0]!.reason.length).toBeGreaterThan(5);
  }
});
