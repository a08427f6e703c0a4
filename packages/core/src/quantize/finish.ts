import type { Calibration } from "../calibrate/index.js";
import type { Model } from "../graph/index.js";
import { moveClampsToIntegers } from "./integer-clamps.js";
import { type TargetName, targetSpec } from "./targets.js";

/** What a quantized file gets at its end: bounds by channel on integers where the target has Min for them, and the mark of random input. */
export function finishQdq(model: Model, target: TargetName, { random }: Pick<Calibration, "random">): void {
  if (random) model.metadata.set("equant.data", "random");
  if (targetSpec(target).integerMin) moveClampsToIntegers(model);
}
