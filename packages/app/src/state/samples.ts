import { signal } from "@preact/signals";
import type { ConfusedSamples, SampleComparison } from "../protocol.js";
import { callEngine } from "./jobs.js";
import { currentRun, selectedLayer } from "./store.js";

/** The image that is compared, and of which run. */
export const compared = signal<{ readonly run: string; readonly value: SampleComparison } | null>(null);
/** Images behind a cell of the confusions. */
export const confused = signal<{ readonly run: string; readonly value: ConfusedSamples } | null>(null);

/** Runs one image of the validation through both networks. */
export async function compareImage(id: string): Promise<void> {
  const run = currentRun.value;
  if (!run) return;
  const { bytes, floatBytes } = run.outcome;
  const params = { bytes, floatBytes, id, layer: selectedLayer.value ?? null };
  const value = await callEngine("compareSample", params, { screen: "validate" });
  if (value) compared.value = { run: run.id, value };
}

/** Finds the images of class `truth` that are taken for `answer`. */
export async function showConfused(truth: number, answer: number): Promise<void> {
  const run = currentRun.value;
  if (!run) return;
  const params = { bytes: run.outcome.bytes, truth, answer };
  const value = await callEngine("findConfused", params, { screen: "validate", canPause: true });
  if (value) confused.value = { run: run.id, value };
}
