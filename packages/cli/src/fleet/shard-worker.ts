import { ShardWorker, type Store } from "@equant/cluster";
import { keepSamples, provideRunner } from "@equant/core/lab";
import { loadNative } from "../frame/native.js";
import { type DataPlan, openPlan } from "../options/data-plan.js";

/** A worker with this machine's ONNX Runtime, which opens data as the commands do. */
export async function shardWorker(
  store: Store,
  { threads, maxMemory }: { threads: number; maxMemory: number },
): Promise<ShardWorker> {
  const ort = await loadNative("ONNX Runtime", () => import("onnxruntime-node"));
  const { runner } = await provideRunner(ort, "cpu", { threads, maxValueBytes: maxMemory });
  // The same samples are run by every candidate: they are decoded once.
  return new ShardWorker({ store, runner, openData: async (plan) => keepSamples(await openPlan(plan as DataPlan)) });
}
