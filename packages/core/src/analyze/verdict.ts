import { DECIBEL_LIMIT, isGain, type OutputError } from "./output-error.js";

/** How a change of a network was judged. */
export interface Verdict {
  readonly kept: boolean;
  /** Whether it gained what it had to; one that did not may be kept all the same. */
  readonly better: boolean;
  /** Output SQNR against the float model in dB, before and after; 300 stands for no difference at all. */
  readonly sqnrDbBefore: number;
  readonly sqnrDbAfter: number;
  /** One sentence: what was measured, where, and what follows. */
  readonly reason: string;
}

/** What a verdict is made from. */
export interface Judged {
  readonly before: OutputError;
  readonly after: OutputError;
  /** Where both were measured: `on 32 other samples`, `after a trial bias correction`. */
  readonly where: string;
  /** What must be gained; below 0: what may be lost. Default: anything more than nothing. */
  readonly requiredDb?: number;
  readonly keep: "better" | "always";
}

/** Whether a change stays, and the sentence that says why: the one verdict of all steps. */
export function judge({ before, after, where, requiredDb, keep }: Judged): Verdict {
  const better = requiredDb === undefined ? isGain(before, after) : isGain(before, after, -requiredDb);
  const [sqnrDbBefore, sqnrDbAfter] = [before, after].map(({ sqnrDb }) => Math.min(DECIBEL_LIMIT, sqnrDb)) as [
    number,
    number,
  ];
  const change = `output SQNR ${sqnrDbBefore.toFixed(2)} → ${sqnrDbAfter.toFixed(2)} dB ${where}`;
  const kept = better || keep === "always";
  const lack =
    requiredDb !== undefined && requiredDb > 0 ? `less than the ${requiredDb} dB it must gain` : "not better";
  const reason = better ? change : `${change}: ${lack}, ${kept ? "kept as asked" : "undone"}`;
  return { kept, better, sqnrDbBefore, sqnrDbAfter, reason };
}
