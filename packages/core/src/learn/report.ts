import { isGain, type OutputError } from "../analyze/output-error.js";
import type { TransformReport } from "../runtime/index.js";
import type { RoundedLayer } from "./round-layer.js";

/** Samples the effect is checked on, at most. */
export const CHECK_SAMPLES = 64;

/** How a tuning was judged. */
export interface TuningVerdict {
  /** Output SQNR against the float model before and after, in dB; 300 stands for no difference at all. */
  readonly sqnrDbBefore: number;
  readonly sqnrDbAfter: number;
  /** Samples that were learned from, and those the effect was checked on. */
  readonly samples: number;
  readonly checkSamples: number;
  /** True when no sample of the check was learned from. */
  readonly heldOut: boolean;
  /** False when the model is as it was. */
  readonly kept: boolean;
  /** One sentence that says why it was kept or undone. */
  readonly reason: string;
}

/** What `tuneBiases` did. */
export interface TuneBiasesReport extends TransformReport, TuningVerdict {
  readonly transform: "tuneBiases";
  /** Rate at the end and mean loss of every epoch. */
  readonly epochs: readonly { readonly rate: number; readonly loss: number }[];
  /** Largest move of each layer's bias, and the root mean square of the bias it moved from, in units of the layer's output. */
  readonly layers: readonly {
    readonly layer: string;
    readonly opType: string;
    readonly maxShift: number;
    readonly rmsBias: number;
  }[];
}

/** What `adaRound` did. */
export interface AdaRoundReport extends TransformReport, TuningVerdict {
  readonly transform: "adaRound";
  /** In topological order. */
  readonly layers: readonly RoundedLayer[];
}

/** JSON has no infinity. */
export function finiteDb(db: number): number {
  return Math.min(300, db);
}

/** Whether a tuning stays, and the sentence that says why. */
export function verdictOf(
  {
    keep,
    before,
    after,
    checked,
    heldOut,
  }: {
    readonly keep: "better" | "always";
    readonly before: OutputError;
    readonly after: OutputError;
    readonly checked: number;
    readonly heldOut: boolean;
  },
  layers: readonly unknown[],
): { kept: boolean; reason: string } {
  if (layers.length === 0) return { kept: false, reason: "no layer to tune" };
  const where = `${heldOut ? "on" : "over"} ${checked} ${heldOut ? "other" : "of the same"} samples`;
  const change = `output SQNR ${finiteDb(before.sqnrDb).toFixed(2)} → ${finiteDb(after.sqnrDb).toFixed(2)} dB ${where}`;
  if (isGain(before, after)) return { kept: true, reason: change };
  if (keep === "always") return { kept: true, reason: `${change}: not better, kept as asked` };
  return { kept: false, reason: `${change}: not better, undone` };
}
