import { OutputProbe } from "../analyze/output-probe.js";
import { judge, type Verdict } from "../analyze/verdict.js";
import { type Dataset, subset } from "../data/index.js";
import type { Model } from "../graph/index.js";
import { type TransformContext, uncancelled } from "../runtime/index.js";
import { LITERAL_WEIGHTS } from "./options.js";

/** From this many samples on, a quarter of them is kept back to check the effect on. */
const HOLD_OUT_FROM = 16;

/** Samples to learn from and others that check what was learned; the same ones where there are too few. */
export interface SampleSplit {
  readonly learn: Dataset;
  readonly check: Dataset;
  readonly heldOut: boolean;
}

/** Every fourth sample checks, the others are learned from: both parts take sorted class folders alike. */
export function splitSamples(dataset: Dataset): SampleSplit {
  if (dataset.length < HOLD_OUT_FROM) return { learn: dataset, check: dataset, heldOut: false };
  const indices = Array.from({ length: dataset.length }, (_, at) => at);
  const part = (checks: boolean) =>
    subset(
      dataset,
      indices.filter((at) => (at % 4 === 3) === checks),
    );
  return { learn: part(false), check: part(true), heldOut: true };
}

/** How something learned was judged: on samples it was not learned from, where there are enough. */
export interface HeldOutVerdict extends Verdict {
  /** Samples the effect was checked on. */
  readonly checkSamples: number;
  /** True when no sample of the check was learned from. */
  readonly heldOut: boolean;
}

/** Something of the model that can be put back. */
export interface Place<S> {
  readonly state: S;
  restore(state: S): void;
}

export interface Lesson<S, T> {
  readonly floatModel: Model;
  /** The quantized model that `learn` changes in place. */
  readonly model: Model;
  readonly dataset: Dataset;
  readonly keep: "better" | "always";
  /** Most samples of the check. */
  readonly checkSamples: number;
  /** What `learn` changes. Without any, nothing is learned. */
  readonly places: readonly Place<S>[];
  /** Said where there is nothing to change. */
  readonly nothing: string;
  learn(samples: Dataset, check: Dataset): Promise<T>;
}

/**
 * Probe, learn, probe, keep or put back. A throw leaves the model as it was. `learned` is undefined where nothing could be. What was
 * learned until it was cancelled, if `learn` returns it, is still judged.
 */
export async function keepIfBetter<S, T>(
  { floatModel, model, dataset, keep, checkSamples, places, nothing, learn }: Lesson<S, T>,
  context: TransformContext,
): Promise<{ readonly learned: T | undefined; readonly verdict: HeldOutVerdict }> {
  const { learn: samples, check, heldOut } = splitSamples(dataset);
  const probe = await OutputProbe.of(floatModel, check, context, checkSamples);
  const measured = (here: TransformContext) => probe.measure(model, here, LITERAL_WEIGHTS);
  const before = await measured(context);
  const states = places.map(({ state }) => state);
  const restore = () => {
    for (const [at, place] of places.entries()) place.restore(states[at]!);
  };
  const checked = { checkSamples: probe.dataset.length, heldOut };
  if (places.length === 0) {
    const verdict = {
      ...judge({ before, after: before, where: "", keep: "better" }),
      kept: false,
      better: false,
      reason: nothing,
    };
    return { learned: undefined, verdict: { ...verdict, ...checked } };
  }
  try {
    const learned = await learn(samples, check);
    const where = `${heldOut ? "on" : "over"} ${checked.checkSamples} ${heldOut ? "other" : "of the same"} samples`;
    const verdict = { ...judge({ before, after: await measured(uncancelled(context)), where, keep }), ...checked };
    if (!verdict.kept) restore();
    return { learned, verdict };
  } catch (error) {
    restore();
    throw error;
  }
}
