import { isGain, type OutputError } from "../analyze/output-error.js";
import { OutputProbe } from "../analyze/output-probe.js";
import { calibrate } from "../calibrate/index.js";
import { correctBiases, splitSamples } from "../correct/index.js";
import type { Dataset } from "../data/index.js";
import { cloneModel, type Model } from "../graph/index.js";
import { applyQdq, planQuantization, type QuantizeOptions, quantizationRequests } from "../quantize/index.js";
import type { TransformContext } from "../runtime/index.js";

/** The plain way: ranges end where calibration did. */
const PLAIN = "minmax";

/** Samples for the bias correction that only helps to decide. */
const TRIAL_SAMPLES = 16;

/** A chooser of ranges, beside the plain one, on samples that neither has seen. */
export interface RangeChoice {
  readonly calibrator: string;
  readonly errors: { readonly own: OutputError; readonly plain: OutputError };
}

/** What {@link chooseRanges} compares. */
export interface RangeQuestion {
  /** The network before the recipe, whose outputs are the measure. */
  readonly original: Model;
  /** The float network to be quantized. */
  readonly model: Model;
  readonly dataset: Dataset;
  readonly quantize: QuantizeOptions;
  /** Whether biases will be corrected: then both are compared after a quick correction. */
  readonly corrects: boolean;
}

/**
 * Judges the range chooser of the options like any other step: both it and `minmax` calibrate on three quarters of the samples, and the
 * outputs on the fourth decide. Leaving room helps where unseen samples go further, and costs a part of every step where they do
 * not. Undefined where there is nothing to compare: `minmax` itself, or too few samples to hold any back.
 */
export async function chooseRanges(
  question: RangeQuestion,
  context: TransformContext,
): Promise<RangeChoice | undefined> {
  const { original, model, dataset, quantize, corrects } = question;
  const { calibrator = PLAIN } = quantize;
  const { learn, check, heldOut } = splitSamples(dataset);
  if (calibrator === PLAIN || !heldOut) return undefined;
  const probe = await OutputProbe.of(original, check, context);
  const calibration = await calibrate(model, learn, { requests: quantizationRequests(model, quantize) }, context);
  const errorOf = async (options: QuantizeOptions): Promise<OutputError> => {
    const quantized = cloneModel(model);
    const plan = planQuantization(quantized, calibration, options);
    applyQdq(quantized, plan);
    if (corrects) {
      const trial = { floatModel: model, model: quantized, plan, dataset: learn, samples: TRIAL_SAMPLES } as const;
      await correctBiases({ ...trial, keep: "always" }, context);
    }
    return probe.measure(quantized, context);
  };
  const errors = { own: await errorOf(quantize), plain: await errorOf({ ...quantize, calibrator: PLAIN }) };
  return { calibrator: isGain(errors.own, errors.plain) ? PLAIN : calibrator, errors };
}
