import type { Dataset, Model, Runner, TransformContext } from "@equant/core/lab";

/** Most time that one file is timed for, in one runtime. */
const BUDGET_MS = 600;

/** Median times of one run, the float model's and the variant's, in turn. */
export interface PairOfTimes {
  readonly floatMs: number;
  readonly ms: number;
}

/** Times a variant beside the float model on its first sample. */
export async function timesOf(
  original: Model,
  variant: Model,
  dataset: Dataset,
  context: TransformContext,
): Promise<PairOfTimes> {
  const { measureLatency, modelUnderTest } = await import("@equant/core/lab");
  const timed = [];
  for (const [role, model] of [
    ["baseline", original],
    ["candidate", variant],
  ] as const) {
    const under = await modelUnderTest(model, role, dataset, context);
    timed.push({ under, feeds: await under.feed.first() });
  }
  const options = { rounds: 30, warmup: 2, budgetMs: BUDGET_MS };
  const { models } = await measureLatency(timed, options, { ...context, onProgress: undefined });
  return { floatMs: models[0]!.medianMs, ms: models[1]!.medianMs };
}

/** ONNX Runtime for browsers, where it is installed: it runs in Node too, with WASM. */
export async function webRunner(): Promise<Runner | undefined> {
  const name = "onnxruntime-web";
  try {
    const [web, { createRunner }] = await Promise.all([import(name), import("@equant/core/lab")]);
    web.env.wasm.numThreads = 1;
    return createRunner(web);
  } catch {
    return undefined;
  }
}
