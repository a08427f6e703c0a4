import { correctBiases } from "../correct/index.js";
import { OptionsError } from "../errors.js";
import type { Model } from "../graph/index.js";
import { adaRound, tuneBiases } from "../learn/index.js";
import type { TransformContext } from "../runtime/index.js";
import { type DefinitionOf, type RecipeStep, type StepName, type StepsOf, stepOptions } from "./book.js";
import { deadChannels } from "./dead-channels.js";
import { equalize } from "./equalize.js";
import { prune } from "./prune.js";
import type { FloatChange, FloatInput, FloatWork, IntegerWork } from "./state.js";

/** What carries out the steps on the float network. */
const FLOAT_WORK: { readonly [N in StepsOf<"float">]: FloatWork<DefinitionOf<N>["options"]> } = {
  prune,
  "dead-channels": deadChannels,
  equalize,
};

/** What carries out the steps on the quantized network. Statistics are the network's before it was quantized: means are collected anew. */
const INTEGER_WORK: { readonly [N in StepsOf<"integer">]: IntegerWork<DefinitionOf<N>["options"]> } = {
  "bias-correct": (options, { calibration: _, ...input }) => correctBiases({ ...input, ...options }),
  "ada-round": (options, input) => adaRound({ ...input, ...options }),
  "tune-biases": (options, { calibration: _, ...input }) => tuneBiases({ ...input, ...options }),
};

// One map for all kinds of steps: what each takes was checked by `readStep`.
const floatWork = new Map(Object.entries(FLOAT_WORK) as [string, unknown][]) as Map<string, FloatWork>;
const integerWork = new Map(Object.entries(INTEGER_WORK) as [string, unknown][]) as Map<string, IntegerWork>;

/** What carries out a step on the float network; undefined for a step of another phase. */
export function floatWorkOf(use: StepName): FloatWork | undefined {
  return floatWork.get(use);
}

/** What carries out a step on the quantized network; undefined for a step of another phase. */
export function integerWorkOf(use: StepName): IntegerWork | undefined {
  return integerWork.get(use);
}

/** Applies a step to the float network, in place and unmeasured. @throws {OptionsError} E2007 a step of another phase. */
export async function applyFloatStep(
  model: Model,
  step: RecipeStep,
  input: FloatInput,
  context: TransformContext,
): Promise<FloatChange> {
  const work = floatWorkOf(step.use);
  if (work) return work.apply(model, stepOptions(step), { keep: step.keep, ...input }, context);
  throw new OptionsError("E2007", `recipe: ${step.use} does not change the float network`, { actual: step.use });
}
