import {
  type CompressResult,
  type Dataset,
  OutputProbe,
  type SampleError,
  type TransformContext,
  type ValidationReport,
} from "@equant/core/lab";
import type { LatencySection, SampleErrorsSection, ValidationSection } from "../schema.js";
import { finiteDb, shortNumber } from "./rounding.js";

/** The validation as JSON can hold it: ratios without noise are 300 dB. */
export function collectValidation({ sampleErrors: _, ...report }: ValidationReport): ValidationSection {
  const json = JSON.stringify(report, (key, value) =>
    typeof value === "number" && /sqnrDb$/i.test(key) ? finiteDb(value) : value,
  );
  return JSON.parse(json);
}

/** Times of both models, when they were measured. */
export function collectLatency({ latency, baseline, candidate }: ValidationReport): LatencySection | undefined {
  if (!latency || candidate.latencyMs === null || candidate.latencyMinMs === null) return undefined;
  const rows = [{ name: "after", medianMs: candidate.latencyMs, minMs: candidate.latencyMinMs }];
  if (baseline && baseline.latencyMs !== null && baseline.latencyMinMs !== null) {
    rows.unshift({ name: "before", medianMs: baseline.latencyMs, minMs: baseline.latencyMinMs });
  }
  return { runtime: latency.runtime, threads: latency.threads, rows };
}

/** Samples that are run for {@link measureSampleErrors}. */
const SAMPLES = 32;

/** Error of every validated sample; undefined without a baseline. */
export function validatedErrors({ sampleErrors, samples }: ValidationReport): SampleErrorsSection | undefined {
  return sampleErrors.length === 0 ? undefined : { source: "validation", total: samples, rows: rowsOf(sampleErrors) };
}

/** The same on a few samples of the calibration data, for a run that was not validated. */
export async function measureSampleErrors(
  { floatModel, model }: Pick<CompressResult, "floatModel" | "model">,
  dataset: Dataset,
  context: TransformContext,
): Promise<SampleErrorsSection> {
  const probe = await OutputProbe.of(floatModel, dataset, context, SAMPLES);
  const rows = rowsOf(await probe.measureSamples(model, context));
  return { source: "calibration", total: rows.length, rows };
}

function rowsOf(errors: readonly SampleError[]): SampleErrorsSection["rows"] {
  return errors.map(({ sqnrDb, ...error }) => ({ ...error, sqnrDb: shortNumber(finiteDb(sqnrDb)) }));
}
