import { isGain, type OutputError } from "../analyze/output-error.js";
import { OutputProbe } from "../analyze/output-probe.js";
import { judge, type Verdict } from "../analyze/verdict.js";
import type { Calibration } from "../calibrate/index.js";
import type { SampleSplit, TrialCorrection } from "../correct/index.js";
import { cloneModel, type Model } from "../graph/index.js";
import { applyQdq, planQuantization, type QuantizeOptions } from "../quantize/index.js";
import type { TransformContext } from "../runtime/index.js";
import { orLost } from "./lost-candidate.js";

/** The plain way: ranges end where calibration did. */
export const PLAIN_RANGES = "minmax";

/** A float network and its statistics on the samples that steps learn from. */
export interface FloatState {
  readonly model: Model;
  readonly calibration: Calibration;
}

/** What {@link chooseResult} compares. */
export interface ResultQuestion {
  /** The network before the recipe, whose outputs are the measure. */
  readonly original: Model;
  /** The float network after the recipe's steps. */
  readonly recipe: FloatState;
  /** The folded network, with no step but those that stay whatever they cost. */
  readonly plain: FloatState;
  readonly samples: SampleSplit;
  readonly quantize: QuantizeOptions;
  /** Present where biases will be corrected: the recipe's network is then compared after a quick correction. */
  readonly trial?: TrialCorrection | undefined;
}

/** What a recipe's network was compared with, and what is taken. */
export interface ResultChoice {
  /** `recipe`: network and ranges of the recipe; `minmax`: its network with plain ranges; `plain`: what `quantize` alone gives. */
  readonly taken: "recipe" | "minmax" | "plain";
  /** The recipe's chooser of ranges. */
  readonly calibrator: string;
  /** Samples that decided, and whether no step had seen them. */
  readonly samples: number;
  readonly heldOut: boolean;
  /** Output SQNR in dB; undefined where it is the recipe's own way, or the runtime does not run it. */
  readonly sqnrDb: { readonly recipe?: number; readonly minmax?: number; readonly plain?: number };
  /** The recipe against the plain way: undone where it is worse. */
  readonly verdict: Verdict;
}

/**
 * Holds the recipe against the plain way, on samples that no step has seen: its network with its ranges, the same with `minmax`, and
 * the folded network as plain quantization writes it, at the same granularity and bits. Leaving room for unseen samples helps where they
 * go further and costs a part of every step where they do not; equalization and dead channels may have learned what does not hold
 * elsewhere. Never returns what is worse than plain. All three use statistics that are there.
 *
 * Too few samples to hold any back: plain ranges, which end where these very samples do, then only stand in where the recipe is worse
 * than plain. Undefined where there is nothing to compare.
 */
export async function chooseResult(
  question: ResultQuestion,
  context: TransformContext,
): Promise<ResultChoice | undefined> {
  const { original, recipe, plain, samples, quantize, trial } = question;
  const { check, heldOut } = samples;
  const plainRanges = { ...quantize, calibrator: PLAIN_RANGES };
  const hasRanges = (quantize.calibrator ?? PLAIN_RANGES) !== PLAIN_RANGES;
  if (recipe.model === plain.model && !hasRanges && !trial) return undefined;
  const probe = await OutputProbe.of(original, check, context);
  const errorOf = ({ model, calibration }: FloatState, options: QuantizeOptions, correction?: TrialCorrection) =>
    orLost(async () => {
      const quantized = cloneModel(model);
      const plan = planQuantization(quantized, calibration, options);
      applyQdq(quantized, plan);
      await correction?.correct({ floatModel: model, model: quantized, plan });
      return probe.measure(quantized, context);
    });
  const errors = {
    recipe: await errorOf(recipe, quantize, trial),
    minmax: hasRanges ? await errorOf(recipe, plainRanges, trial) : undefined,
    plain: await errorOf(plain, plainRanges),
  };
  const taken = choose(errors, heldOut);
  const where = `on ${probe.dataset.length} ${heldOut ? "held-out" : "of the same"} samples, plain quantize → this recipe`;
  const before = errors.plain ?? errors[taken];
  if (!before) return undefined;
  const after = errors[taken === "plain" ? "recipe" : taken] ?? before;
  return {
    taken,
    calibrator: quantize.calibrator ?? PLAIN_RANGES,
    samples: probe.dataset.length,
    heldOut,
    sqnrDb: Object.fromEntries(Object.entries(errors).flatMap(([way, error]) => (error ? [[way, error.sqnrDb]] : []))),
    verdict: judge({ before, after, where, requiredDb: 0, keep: "better" }),
  };
}

type Way = ResultChoice["taken"];

function choose(errors: Readonly<Record<Way, OutputError | undefined>>, heldOut: boolean): Way {
  const beats = (way: Way, other: Way) =>
    errors[way] !== undefined && (errors[other] === undefined || isGain(errors[other], errors[way]));
  const best = heldOut && beats("minmax", "recipe") ? "minmax" : "recipe";
  if (!beats("plain", best)) return best;
  return beats("minmax", "plain") ? "minmax" : "plain";
}

/** `on 25 held-out samples: tail 40.2 dB, minmax 39.9 dB, plain quantize 37.1 dB: tail taken`. */
export function describeChoice({ taken, calibrator, samples, heldOut, sqnrDb }: ResultChoice): string {
  const names = { recipe: calibrator, minmax: PLAIN_RANGES, plain: "plain quantize" };
  const ways = (["recipe", "minmax", "plain"] as const).flatMap((way) =>
    sqnrDb[way] === undefined ? [] : [`${names[way]} ${sqnrDb[way].toFixed(1)} dB`],
  );
  return `on ${samples} ${heldOut ? "held-out" : "of the same"} samples: ${ways.join(", ")}: ${names[taken]} taken`;
}
