import type { Calibration } from "../calibrate/index.js";
import { type CorrectionMethod, correctBiases } from "../correct/index.js";
import type { Dataset } from "../data/index.js";
import type { Model } from "../graph/index.js";
import { adaRound, tuneBiases } from "../learn/index.js";
import type { QuantizationPlan } from "../quantize/index.js";
import type { TransformContext } from "../runtime/index.js";

/** Corrects biases of the quantized network. */
export interface BiasCorrectStep {
  readonly use: "bias-correct";
  readonly method?: CorrectionMethod;
  readonly samples?: number;
}

/** Learns which weights to round up, layer by layer; corrects biases on the way. */
export interface AdaRoundStep {
  readonly use: "ada-round";
  readonly samples?: number;
  /** Gradient steps a layer; 0: only the descent over single weights. */
  readonly iterations?: number;
  readonly seed?: number;
}

/** Moves biases by gradients until the quantized network's output comes closest to the float network's. */
export interface TuneBiasesStep {
  readonly use: "tune-biases";
  readonly samples?: number;
  readonly epochs?: number;
  readonly rate?: number;
  readonly seed?: number;
}

/** A step on the quantized network; it checks itself on samples that it did not learn from. */
export type LateStep = BiasCorrectStep | AdaRoundStep | TuneBiasesStep;

/** What a late step works with: `model` is changed in place. */
export interface LateStepInput {
  readonly floatModel: Model;
  readonly model: Model;
  readonly plan: QuantizationPlan;
  readonly calibration: Calibration;
  readonly dataset: Dataset;
}

/** Applies a step to the quantized network. */
export async function applyLateStep(
  step: LateStep & { readonly keep?: "better" | "always" },
  { calibration, ...input }: LateStepInput,
  context: TransformContext,
): Promise<{ readonly kept: boolean; readonly reason: string }> {
  switch (step.use) {
    case "bias-correct": {
      const { use: _use, ...options } = step;
      return correctBiases({ ...input, ...options }, context);
    }
    case "ada-round": {
      const { use: _use, ...options } = step;
      return adaRound({ ...input, calibration, ...options }, context);
    }
    case "tune-biases": {
      const { use: _use, ...options } = step;
      return tuneBiases({ ...input, ...options }, context);
    }
  }
}
