import type { ValidationReport } from "@equant/core";
import type { LatencySection, ValidationSection } from "../schema.js";
import { finiteDb } from "./rounding.js";

/** The validation as JSON can hold it: ratios without noise are 300 dB. */
export function collectValidation(report: ValidationReport): ValidationSection {
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
