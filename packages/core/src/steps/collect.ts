import { type ActivationStats, calibrate } from "../calibrate/index.js";
import type { Model } from "../graph/index.js";
import {
  Feed,
  type ObservedType,
  observeShapes,
  requireData,
  requireRunner,
  type TransformContext,
} from "../runtime/index.js";

/** Sizes of all values, seen by running one sample. */
export async function shapesOf(model: Model, context: TransformContext): Promise<Map<string, ObservedType>> {
  const feed = await Feed.of(model, requireData(context, "compress"), context);
  return observeShapes(model, await feed.first(), { runner: requireRunner(context, "compress") });
}

/** Ranges by channel of these values: those known from calibration, the others collected. */
export async function statsBehind(
  model: Model,
  values: readonly string[],
  known: ActivationStats,
  context: TransformContext,
): Promise<ActivationStats> {
  const missing = values.filter((value) => !known.has(value));
  if (missing.length === 0) return known;
  const requests = missing.map((value) => ({ value, moments: false, exactMinimum: true, histogram: false }));
  const collected = (await calibrate(model, { requests }, context)).activationStats();
  return new Map([...known, ...collected]);
}
