import { notOneOf, OptionsError } from "../errors.js";
import type { Model } from "../graph/index.js";
import { type OptionsOf, type OptionTable, readOptions } from "../option.js";
import type { TransformContext } from "../runtime/index.js";
import { adaRound } from "./ada-round.js";
import { biasCorrect } from "./bias-correct.js";
import { deadChannels } from "./dead-channels.js";
import { equalize } from "./equalize.js";
import { fold } from "./fold.js";
import { prune } from "./prune.js";
import { quantize } from "./quantize.js";
import { type FloatChange, type FloatInput, isFloat, KEEP, type Keep, type StepDefinition } from "./state.js";
import { tuneBiases } from "./tune-biases.js";

/** All steps in the order in which a recipe has them. A new step is its file and a line here. */
export const STEPS = [fold, prune, deadChannels, equalize, quantize, biasCorrect, adaRound, tuneBiases] as const;

export type StepName = (typeof STEPS)[number]["use"];

type StepFor<D> = D extends { readonly use: infer U; readonly options: infer T extends OptionTable }
  ? { readonly use: U; readonly keep?: Keep } & Readonly<OptionsOf<T>>
  : never;

/** One step of a recipe with its options. Every step is measured; `keep: 'always'` keeps it even where it makes the outputs worse. */
export type RecipeStep = StepFor<(typeof STEPS)[number]>;

/** The step of one name. */
export type StepOf<N extends StepName> = Extract<RecipeStep, { readonly use: N }>;

// One map for all kinds of steps: what each takes is checked by `readStep`.
const byName = new Map(STEPS.map((step) => [step.use as string, step as unknown as StepDefinition]));

export const STEP_NAMES: readonly StepName[] = STEPS.map(({ use }) => use);

export function definitionOf(use: StepName): StepDefinition {
  return byName.get(use)!;
}

/** The options of a step, without its name and what decides whether it stays. */
export function stepOptions({ use: _use, keep: _keep, ...options }: RecipeStep): OptionsOf<OptionTable> {
  return options;
}

/** Applies a step to the float network, in place and unmeasured. @throws {OptionsError} E2007 a step of another phase. */
export async function applyFloatStep(
  model: Model,
  step: RecipeStep,
  input: FloatInput,
  context: TransformContext,
): Promise<FloatChange> {
  const definition = definitionOf(step.use);
  if (isFloat(definition)) return definition.apply(model, stepOptions(step), { keep: step.keep, ...input }, context);
  throw new OptionsError("E2007", `recipe: ${step.use} does not change the float network`, { actual: step.use });
}

/**
 * The preset. Order and reasons:
 *
 * 1. fold: later steps see layers without BatchNormalization, whose constants would hide in the weights' ranges;
 * 2. dead channels: their large, meaningless weights set the range of every layer they touch, and equalizing around them cannot work;
 * 3. equalize: on the channels that remain, for the granularity that will be used;
 * 4. quantize: ranges of the final float network, with room for what unseen samples reach (`tail`): equalization made every channel end
 *    where its layer's range ends, so that any of them may exceed it;
 * 5. correct biases: the mean shift that rounding leaves in each channel, in the network as it will run.
 *
 * Two steps may follow that are not in it, for they cost more than all before: `ada-round`, which corrects biases on its way
 * and so must be compared with a network whose biases are correct, and `tune-biases`, which starts from what there is then.
 */
export const COMPRESS_RECIPE: readonly RecipeStep[] = [
  { use: "fold" },
  { use: "dead-channels" },
  { use: "equalize" },
  { use: "quantize", calibrator: "tail" },
  { use: "bias-correct" },
];

/** A step as the preset has it. @throws {OptionsError} E2007 one that the preset does not have. */
export function presetStep<N extends StepName>(use: N): StepOf<N> {
  const step = COMPRESS_RECIPE.find((own) => own.use === use);
  if (!step) throw new OptionsError("E2007", `recipe: the preset has no step ${use}`, { actual: use });
  return step as StepOf<N>;
}

/**
 * A step as anybody wrote it, in names of today and checked. `where` is its place: `steps[1]`.
 * @throws {OptionsError} E2004 no step of this name, E2001 an option it does not have, E2002, E2004 a value.
 */
export function readStep(given: unknown, where: string): RecipeStep {
  const { use, keep, ...options } = (given ?? {}) as Record<string, unknown>;
  const step = typeof use === "string" ? byName.get(use) : undefined;
  if (!step) throw notOneOf(`${where}.use:`, use, STEP_NAMES);
  const name = `${where} (${step.use})`;
  const read = readOptions(name, { ...step.options, keep: KEEP }, { ...(step.renew?.(options) ?? options), keep });
  return { use: step.use, ...read } as RecipeStep;
}

/**
 * All steps of a recipe, read and in an order that works.
 * @throws {OptionsError} as {@link readStep}; E2007 not exactly one quantize, or a step where it cannot work.
 */
export function readSteps(given: unknown): RecipeStep[] {
  if (!Array.isArray(given)) throw new OptionsError("E2007", "recipe: steps is not a list of steps", { actual: given });
  const steps = given.map((step, index) => readStep(step, `steps[${index}]`));
  const at = steps.findIndex(({ use }) => use === "quantize");
  if (at < 0 || steps.slice(at + 1).some(({ use }) => use === "quantize")) {
    throw new OptionsError("E2007", "recipe: steps need exactly one quantize", {
      hint: 'for example "steps": [{"use": "fold"}, {"use": "quantize"}]',
    });
  }
  for (const [index, { use }] of steps.entries()) {
    const behind = definitionOf(use).phase === "integer";
    if (index === at || behind === index > at) continue;
    throw new OptionsError("E2007", `recipe: ${use} must stand ${behind ? "behind" : "before"} quantize`, {
      actual: use,
    });
  }
  return steps;
}

/** Steps that draw random numbers with this seed, where they have none of their own. */
export function seededSteps(steps: readonly RecipeStep[], seed: number): RecipeStep[] {
  return steps.map((step) => ("seed" in definitionOf(step.use).options ? { seed, ...step } : step));
}
