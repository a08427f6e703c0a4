import { ModelError } from "@equant/core/errors";
import {
  Calibration,
  calibrate,
  type Dataset,
  type Model,
  planQuantization,
  type QuantizeOptions,
  quantizationRequests,
  type RecipeStep,
  statisticsTable,
  type TransformContext,
} from "@equant/core/web";
import { activationHistograms, activationMsb, layerNames, observeActivations } from "@equant/report";
import type { CalibrationSummary } from "../protocol.js";
import { type CallContext, transformContext } from "./context.js";
import { quantizeOptionsOf } from "./steps.js";

/** Samples whose activations are counted by exponent: every one costs its activations in memory traffic. */
const MSB_SAMPLES = 8;
/** A picture that changes more often is not seen. */
const LIVE_MS = 150;

/** Ranges of all values over the data, live, and the distribution of exponents over some of it. */
export async function calibrateModel(
  model: Model,
  dataset: Dataset,
  sha256: string,
  steps: readonly RecipeStep[],
  call: CallContext,
): Promise<CalibrationSummary> {
  const context = await transformContext(call);
  const options = quantizeOptionsOf(steps);
  const requests = quantizationRequests(model, options);
  let last = 0;
  const onBatch = (soFar: Calibration) => {
    if (performance.now() - last < LIVE_MS) return;
    last = performance.now();
    const ranges = [...soFar.values].map(([name, { min, max }]) => ({ name, min, max }));
    call.onProgress({ phase: "ranges", done: soFar.samples, total: dataset.length, part: ranges });
  };
  const calibration = (await calibrate(model, dataset, { requests, onBatch }, context)).forModel(sha256);
  return summarize({ model, calibration, options, dataset, context });
}

/** A calibration file instead of a run. @throws {ModelError} E3003 when it is of another model. */
export async function summarizeCalibration(
  model: Model,
  dataset: Dataset,
  text: string,
  sha256: string,
  steps: readonly RecipeStep[],
  call: CallContext,
): Promise<CalibrationSummary> {
  const calibration = Calibration.parse(text);
  const made = calibration.fields.model;
  if (made !== undefined && made !== sha256) {
    throw new ModelError("E3003", "calibration.json: these statistics were taken on another model", {
      file: "calibration.json",
      hint: "calibrate again, or open the model they belong to",
    });
  }
  const options = quantizeOptionsOf(steps);
  return summarize({ model, calibration, options, dataset, context: await transformContext(call) });
}

interface Calibrated {
  readonly model: Model;
  readonly calibration: Calibration;
  readonly options: QuantizeOptions;
  readonly dataset: Dataset;
  readonly context: TransformContext;
}

/** Statistics as they are shown; exponents are counted on some of the samples, against the types the recipe would give. */
async function summarize(calibrated: Calibrated): Promise<CalibrationSummary> {
  const { model, calibration, options, dataset, context } = calibrated;
  const { samples, complete } = calibration;
  const state = { floatModel: model, plan: planQuantization(model, calibration, options) };
  const observed = await observeActivations(state, dataset, MSB_SAMPLES, layerNames(model), context);
  return {
    samples,
    complete,
    rows: statisticsTable(model, calibration),
    msb: activationMsb(observed),
    histograms: activationHistograms(observed, options),
    convergence: calibration.rangeConvergence() ?? null,
    text: calibration.serialize(),
  };
}
