import { CORRECT_OPTIONS } from "../correct/definition.js";
import { EQUALIZE_OPTIONS } from "../equalize/definition.js";
import { notOneOf, OptionsError } from "../errors.js";
import { ADA_ROUND_OPTIONS, TUNE_BIASES_OPTIONS } from "../learn/definition.js";
import { type OptionsOf, type OptionTable, readOptions } from "../option.js";
import { PRUNE_OPTIONS } from "../prune/definition.js";
import { granularityOf, OLDER_QUANTIZE_KEYS, QUANTIZE_OPTIONS, renewQuantizeOptions } from "../quantize/definition.js";
import { DEAD_CHANNELS_OPTIONS } from "../shrink/definition.js";
import { KEEP, type Keep, type Phase, type StepDefinition, step } from "./definition.js";

/**
 * All steps in the order in which a recipe has them: a new one is a definition here, and what carries it out in `work.ts`. Nothing
 * that carries out a step is imported here, so that a command line is parsed and a form shown without loading it.
 */
export const STEPS = [
  step({
    use: "fold",
    phase: "prepare",
    label: "Fold",
    help: "constants computed, BatchNormalization folded into layers; part of every recipe",
    options: {},
    title: () => undefined,
  }),
  step({
    use: "prune",
    phase: "float",
    label: "Prune",
    help: "weights or channels that matter least are removed",
    options: PRUNE_OPTIONS,
    flag: "method",
    keep: "always",
    title({ granularity = "weights", sparsity = 0.9, method = "synflow" }) {
      const what = granularity === "channels" ? "channels" : "weights";
      const share = granularity.includes(":") ? granularity : `${Math.round(1000 * sparsity) / 10} %`;
      return `prune ${share} of the ${what} (${method})`;
    },
  }),
  step({
    use: "dead-channels",
    phase: "float",
    label: "Remove dead channels",
    help: "channels that never fire leave the graph",
    options: DEAD_CHANNELS_OPTIONS,
    title: () => "dead channels",
  }),
  step({
    use: "equalize",
    phase: "float",
    label: "Equalize",
    help: "channels are scaled, the function unchanged, so that rounding costs less",
    options: EQUALIZE_OPTIONS,
    flag: "method",
    title: ({ method = "optimal" }) => `equalize ${method}`,
  }),
  step({
    use: "quantize",
    phase: "quantize",
    label: "Quantize",
    help: "weights and activations become integers",
    options: QUANTIZE_OPTIONS,
    older: OLDER_QUANTIZE_KEYS,
    renew: renewQuantizeOptions,
    title(options) {
      const { weights, weightBits, activations, target, calibrator, exclude } = options;
      const bits = weightBits ?? Number(/\d+/.exec(weights ?? "int8"));
      const floats = exclude?.length ?? 0;
      const parts = [
        `${weights === "uint8" ? "uint" : "int"}${bits} ${granularityOf(options).replace("-", " ")}`,
        activations,
        target === "ort-cpu" ? undefined : target,
        calibrator === "tail" ? undefined : (calibrator ?? (QUANTIZE_OPTIONS.calibrator.default as string)),
        floats > 0 ? `${floats} in float` : undefined,
      ];
      return parts.filter((part) => part !== undefined).join(" · ");
    },
  }),
  step({
    use: "bias-correct",
    phase: "integer",
    label: "Correct biases",
    help: "the mean shift that rounding leaves in each channel is taken away",
    options: CORRECT_OPTIONS,
    flag: "method",
    correctsBiases: true,
    title: () => "bias",
  }),
  step({
    use: "ada-round",
    phase: "integer",
    label: "AdaRound: learn the rounding",
    help: "learns which weights to round up; pays below 8 bits",
    options: ADA_ROUND_OPTIONS,
    slow: true,
    title: ({ method }) => (method === "gptq" ? "GPTQ" : "AdaRound"),
  }),
  step({
    use: "tune-biases",
    phase: "integer",
    label: "Tune biases",
    help: "moves biases by gradients towards the float network's output",
    options: TUNE_BIASES_OPTIONS,
    slow: true,
    title: () => "tuned biases",
  }),
] as const;

export type StepName = (typeof STEPS)[number]["use"];

/** The definition of the step of one name, with its own options. */
export type DefinitionOf<N extends StepName> = Extract<(typeof STEPS)[number], { readonly use: N }>;

/** The names of the steps of a phase. */
export type StepsOf<P extends Phase> = Extract<(typeof STEPS)[number], { readonly phase: P }>["use"];

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

/** Samples that a step on the quantized network learns from, at most. */
export function learningSamples(step: RecipeStep): number {
  const { phase, options } = definitionOf(step.use);
  const { samples = options.samples?.default } = stepOptions(step);
  return phase === "integer" ? Number(samples ?? 0) : 0;
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
