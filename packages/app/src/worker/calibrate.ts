import { ModelError } from "@equant/core/errors";
import {
  Calibration,
  calibrate,
  type Dataset,
  type Model,
  msbHistogram,
  quantizationRequests,
  type RecipeStep,
  spread,
  statisticsTable,
} from "@equant/core/web";
import type { CalibrationSummary } from "../protocol.js";
import { canonical } from "../recipe/recipe.js";
import { type CallContext, transformContext } from "./context.js";
import { quantizeOptionsOf } from "./steps.js";

/** Samples whose activations are counted by exponent: every one costs its activations in memory traffic. */
const MSB_SAMPLES = 8;

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
    // A picture that changes more often is not seen.
    if (performance.now() - last < 150) return;
    last = performance.now();
    const ranges = [...soFar.values].map(([name, { min, max }]) => ({ name, min, max }));
    call.onProgress({ phase: "ranges", done: soFar.samples, total: dataset.length, part: ranges });
  };
  const calibration = (await calibrate(model, dataset, { requests, onBatch }, context)).forModel(sha256);
  const msb =
    options.chooser && options.chooser !== "minmax" ? calibration : await sampled(model, dataset, requests, call);
  return summary(model, calibration, msb, options);
}

/** A calibration file instead of a run. @throws {ModelError} E3003 when it is of another model. */
export async function summarizeCalibration(
  model: Model,
  text: string,
  sha256: string,
  steps: readonly RecipeStep[],
): Promise<CalibrationSummary> {
  const calibration = Calibration.parse(text);
  const made = calibration.fields.model;
  if (made !== undefined && made !== sha256) {
    throw new ModelError("E3003", "calibration.json: these statistics were taken on another model", {
      file: "calibration.json",
      hint: "calibrate again, or open the model they belong to",
    });
  }
  return summary(model, calibration, calibration, quantizeOptionsOf(steps));
}

async function sampled(
  model: Model,
  dataset: Dataset,
  requests: ReturnType<typeof quantizationRequests>,
  call: CallContext,
): Promise<Calibration> {
  const context = await transformContext(call);
  const withHistograms = requests.map((request) => ({ ...request, histogram: true }));
  return calibrate(
    model,
    spread(dataset, MSB_SAMPLES),
    { requests: withHistograms },
    { ...context, onProgress: ({ done, total }) => call.onProgress({ phase: "exponents", done, total }) },
  );
}

function summary(model: Model, calibration: Calibration, histograms: Calibration, options: object): CalibrationSummary {
  const { samples, complete } = calibration;
  return {
    samples,
    complete,
    rows: statisticsTable(model, calibration),
    msb: [...histograms.values].flatMap(([name, { histogram }]) =>
      histogram ? [{ name, counts: msbHistogram(histogram) }] : [],
    ),
    convergence: calibration.rangeConvergence() ?? null,
    text: calibration.serialize(),
    settingsKey: canonical(options),
  };
}
