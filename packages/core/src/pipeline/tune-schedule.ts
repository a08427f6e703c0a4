import { presetStep } from "../steps/index.js";
import type { TrialSettings, TuneReport, TuneTrial } from "./tune-report.js";

/** Limits of a search. */
export interface TuneConstraints {
  readonly maxDrop: number;
  readonly maxBytes: number;
}

/** Differences of shares are rounded in the last bits: 1 pp of 1000 samples is ten samples, not nine. */
const ROUNDING = 1e-9;

/** Says the settings; excluded layers by their number, because they come in one order. */
export function trialId({ granularity, equalize, chooser, activationBits, exclude, wide = [] }: TrialSettings): string {
  const parts = [
    granularity === "per-channel" ? "channel" : "tensor",
    equalize ? "eq" : "plain",
    chooser.replaceAll(/[^a-z0-9.]/gi, ""),
    ...(activationBits === 16 ? ["a16"] : []),
    ...(exclude.length > 0 ? [`float${exclude.length}`] : []),
    ...(wide.length > 0 ? [`wide${wide.length}`] : []),
  ];
  return parts.join("-");
}

/** The preset's own first. */
const CHOOSERS = [presetStep("quantize").calibrator!, "minmax", "mse", "percentile:99.99"];

/** The grid, what usually works first: a small budget gets the most of it. */
export function gridSettings(): TrialSettings[] {
  const settings: TrialSettings[] = [];
  for (const chooser of CHOOSERS) {
    for (const equalize of [true, false]) {
      for (const granularity of ["per-tensor", "per-channel"] as const) {
        settings.push({ granularity, equalize, chooser, activationBits: 8, exclude: [] });
      }
    }
  }
  return settings;
}

/** Higher is better; below everything for a recipe that failed. */
export function qualityOf(trial: TuneTrial, metric: TuneReport["metric"]): number {
  switch (metric) {
    case "top-1":
      return trial.top1 ?? Number.NEGATIVE_INFINITY;
    case "agreement":
      return trial.agreement ?? Number.NEGATIVE_INFINITY;
    case "output SQNR":
      return trial.sqnrDb ?? Number.NEGATIVE_INFINITY;
    default:
      // A task's: some are better when lower, a drop never is.
      return trial.drop === null ? Number.NEGATIVE_INFINITY : -trial.drop;
  }
}

/** Better first: by quality, then by the finer measure, then by size. */
export function byQuality(metric: TuneReport["metric"]) {
  return (a: TuneTrial, b: TuneTrial): number =>
    qualityOf(b, metric) - qualityOf(a, metric) ||
    (b.sqnrDb ?? -Infinity) - (a.sqnrDb ?? -Infinity) ||
    (a.bytes ?? Infinity) - (b.bytes ?? Infinity);
}

/** Trials that no other beats in both size and quality, smallest first; of equals the one with the higher SQNR. */
export function tuneFront(trials: readonly TuneTrial[], metric: TuneReport["metric"]): TuneTrial[] {
  const better = byQuality(metric);
  const sorted = trials.filter(({ bytes }) => bytes !== null).sort((a, b) => a.bytes! - b.bytes! || better(a, b));
  const front: TuneTrial[] = [];
  for (const trial of sorted) {
    const last = front.at(-1);
    if (!last || qualityOf(trial, metric) > qualityOf(last, metric)) front.push(trial);
  }
  return front;
}

export function fits({ bytes }: TuneTrial, { maxBytes }: TuneConstraints): boolean {
  return bytes !== null && bytes <= maxBytes;
}

/** Whether a trial keeps all constraints. */
export function satisfies(trial: TuneTrial, constraints: TuneConstraints): boolean {
  return fits(trial, constraints) && trial.drop !== null && trial.drop <= constraints.maxDrop + ROUNDING;
}

/**
 * Numbers of layers to exclude: 1, 2, 4, … until `holds`, then halving the gap, so that the least number is found in about
 * 2·log₂ trials. `holds(n)` measures a trial; `undefined` ends the search.
 */
export async function leastExcluded(
  layers: number,
  holds: (count: number) => Promise<boolean | undefined>,
): Promise<void> {
  let failing = 0;
  for (let count = 1; failing < layers; count = Math.min(layers, 2 * count)) {
    const good = await holds(count);
    if (good === undefined) return;
    if (!good) {
      failing = count;
      continue;
    }
    let passing = count;
    while (passing - failing > 1) {
      const middle = (passing + failing) >> 1;
      const also = await holds(middle);
      if (also === undefined) return;
      if (also) passing = middle;
      else failing = middle;
    }
    return;
  }
}
