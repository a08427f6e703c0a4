import { ModelError } from "@equant/core/errors";
import {
  Calibration,
  calibrate,
  type Dataset,
  type Model,
  type ObservedType,
  planQuantization,
  quantizationRequests,
  quantizeOptionsOf,
  type RecipeStep,
  statisticsTable,
} from "@equant/core/lab";
import { activationHistograms, activationMsb, layerNames, observeActivations } from "@equant/report";
import type { CalibrationSummary, ObservedValues } from "../protocol.js";
import { type CallContext, transformContext } from "./context.js";

/** Samples whose activations are counted by exponent: every one costs its activations in memory traffic. */
const MSB_SAMPLES = 8;
/** A picture that changes more often is not seen. */
const LIVE_MS = 150;

/** What is calibrated: a prepared model, and what is known of the model it was made of. */
export interface Calibrated {
  readonly model: Model;
  readonly sha256: string;
  /** Types of its values, where it was run before. */
  readonly shapes: ReadonlyMap<string, ObservedType> | undefined;
}

/** Ranges of all values over the data, live. */
export async function calibrateModel(
  { model, sha256, shapes }: Calibrated,
  dataset: Dataset,
  steps: readonly RecipeStep[],
  call: CallContext,
): Promise<CalibrationSummary> {
  const context = await transformContext(call);
  const requests = quantizationRequests(model, quantizeOptionsOf(steps));
  let last = 0;
  const onBatch = (soFar: Calibration) => {
    if (performance.now() - last < LIVE_MS) return;
    last = performance.now();
    const ranges = [...soFar.values].map(([name, { min, max }]) => ({ name, min, max }));
    call.onProgress({ phase: "ranges", done: soFar.samples, total: dataset.length, part: ranges });
  };
  const options = { requests, onBatch, ...(shapes && { shapes }) };
  return summarize(model, (await calibrate(model, options, { ...context, data: dataset })).forModel(sha256));
}

/** A calibration file instead of a run. @throws {ModelError} E3003 when it is of another model. */
export function summarizeCalibration(
  { model, sha256 }: Pick<Calibrated, "model" | "sha256">,
  text: string,
): CalibrationSummary {
  const calibration = Calibration.parse(text);
  const made = calibration.fields.model;
  if (made !== undefined && made !== sha256) {
    throw new ModelError("E3003", "calibration.json: these statistics were taken on another model", {
      file: "calibration.json",
      hint: "calibrate again, or open the model they belong to",
    });
  }
  return summarize(model, calibration);
}

function summarize(model: Model, calibration: Calibration): CalibrationSummary {
  const { samples, complete } = calibration;
  return {
    samples,
    complete,
    rows: statisticsTable(model, calibration),
    observed: null,
    convergence: calibration.rangeConvergence() ?? null,
    text: calibration.serialize(),
  };
}

/** Exponents and values, counted on some of the samples, against the types the recipe would give. */
export async function observe(
  model: Model,
  dataset: Dataset,
  text: string,
  steps: readonly RecipeStep[],
  call: CallContext,
): Promise<ObservedValues> {
  const options = quantizeOptionsOf(steps);
  const state = { floatModel: model, plan: planQuantization(model, Calibration.parse(text), options) };
  const context = await transformContext(call);
  const observed = await observeActivations(state, dataset, MSB_SAMPLES, layerNames(model), context);
  return { msb: activationMsb(observed), histograms: activationHistograms(observed, options) };
}
