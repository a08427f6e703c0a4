import { OptionsError } from "../errors.js";

/** How the learning rate changes over training. */
export type Schedule =
  | { readonly type: "constant" }
  /** Multiplied by `factor` after every `epochs` epochs (PyTorch StepLR). */
  | { readonly type: "step"; readonly epochs: number; readonly factor: number }
  /** Half a cosine from the rate down to `floor` times the rate (Loshchilov, Hutter 2017, without restarts). */
  | { readonly type: "cosine"; readonly floor?: number };

/** When a step happens: `step` counts optimizer steps from 0 over all epochs. */
export interface ScheduleTime {
  readonly step: number;
  readonly stepsPerEpoch: number;
  readonly epochs: number;
}

/**
 * Learning rate of a step. With warm-up it first rises linearly, (step + 1) / warmupSteps of the schedule's rate.
 * `step` changes between epochs, `cosine` at every step: ½(1 + cos(π·step / steps)).
 */
export function learningRate(rate: number, schedule: Schedule, warmupSteps: number, time: ScheduleTime): number {
  const { step, stepsPerEpoch, epochs } = time;
  const warm = step < warmupSteps ? (step + 1) / warmupSteps : 1;
  switch (schedule.type) {
    case "constant":
      return warm * rate;
    case "step":
      return warm * rate * schedule.factor ** Math.floor(Math.floor(step / stepsPerEpoch) / schedule.epochs);
    case "cosine": {
      const floor = schedule.floor ?? 0;
      const share = step / (stepsPerEpoch * epochs);
      return warm * rate * (floor + (1 - floor) * 0.5 * (1 + Math.cos(Math.PI * share)));
    }
  }
}

/** @throws {OptionsError} E2002 or E2004 for a schedule that makes no sense. */
export function checkSchedule(schedule: Schedule): void {
  const fail = (what: string) => {
    throw new OptionsError("E2002", `train: invalid schedule, ${what}`, { actual: schedule });
  };
  if (schedule.type === "step") {
    if (!(Number.isInteger(schedule.epochs) && schedule.epochs >= 1)) fail("epochs must be an integer, 1 or more");
    if (!(schedule.factor > 0)) fail("factor must be positive");
  } else if (schedule.type === "cosine") {
    const floor = schedule.floor ?? 0;
    if (!(floor >= 0 && floor <= 1)) fail("floor must be 0-1");
  } else if (schedule.type !== "constant") {
    const actual = String((schedule as { type: unknown }).type);
    throw new OptionsError("E2004", `train: schedule '${actual}' is not one of constant, step, cosine`, { actual });
  }
}
