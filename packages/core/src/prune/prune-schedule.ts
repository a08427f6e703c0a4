import { OptionsError, requireOneOf } from "../errors.js";

/** How sparsity grows from one iteration to the next. */
export type PruneSchedule = "linear" | "exponential";

/**
 * Target sparsity of every iteration, 0–1.
 *
 * - `linear`, MathWorks' `linspace(0, s, n)`: s·k/(n − 1) for k = 0 … n − 1; the first iteration prunes nothing.
 * - `exponential`, the SynFlow paper's: what is kept shrinks by the same factor every time, 1 − (1 − s)^(k/n) for k = 1 … n.
 *
 * One step is one shot in both: the target at once.
 * @throws {OptionsError} E2002 sparsity not in [0, 1), or steps no whole number from 1; E2004 another schedule.
 */
export function pruneSchedule(schedule: PruneSchedule, sparsity: number, steps: number): number[] {
  requireOneOf("prune", "schedule", schedule, ["linear", "exponential"]);
  if (!(sparsity >= 0 && sparsity < 1)) {
    throw new OptionsError("E2002", `prune: invalid sparsity ${sparsity}, expected 0 or more and below 1`, {
      actual: sparsity,
      hint: "sparsity is the share that is removed: 0.9 removes nine of ten",
    });
  }
  if (!Number.isInteger(steps) || steps < 1) {
    throw new OptionsError("E2002", `prune: invalid steps ${steps}, expected a whole number from 1`, { actual: steps });
  }
  if (steps === 1) return [sparsity];
  const targets =
    schedule === "linear"
      ? Array.from({ length: steps }, (_, k) => (sparsity * k) / (steps - 1))
      : Array.from({ length: steps }, (_, k) => 1 - (1 - sparsity) ** ((k + 1) / steps));
  // The last is what was asked for, to the last bit.
  targets[steps - 1] = sparsity;
  return targets;
}
