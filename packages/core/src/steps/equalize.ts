import { EQUALIZE_OPTIONS } from "../equalize/definition.js";
import { type EqualizeReport, equalize as equalizeModel } from "../equalize/index.js";
import type { Model } from "../graph/index.js";
import { quantizationRequests } from "../quantize/index.js";
import type { TransformContext } from "../runtime/index.js";
import { shapesOf } from "./collect.js";
import { type EqualizationInput, equalizationInput } from "./equalization-input.js";
import type { FloatInput, FloatWork } from "./state.js";

/** A step that loses less than this is noise of the probe, not a loss. */
const NOISE_DB = 0.05;
/**
 * What bounds by channel must gain over one bound, or none, to be worth their time: a Min of integers for ONNX Runtime
 * (MobileNetV1 1.1 × the time of its float network on 2 cores, against 0.7 × with one bound), of floats for other targets.
 */
const BOUNDS_DB = 2;

/** Equalizes channels for the granularity and bits that will be used. */
export const equalize: FloatWork<typeof EQUALIZE_OPTIONS> = {
  requiredDb: (report) => (boundsByChannel(report) > 0 ? BOUNDS_DB : -NOISE_DB),
  async apply(model, options, input, context) {
    const collected = (input.collected as EqualizationInput | undefined) ?? (await collect(model, input, context));
    // Whoever measures the quantized network judges by that, and wants the method that was chosen as it is.
    const isChosen = options.method !== undefined && options.method !== EQUALIZE_OPTIONS.method.default;
    const keep = input.keep ?? (isChosen ? "always" : "better");
    const report = await equalizeModel({ ...options, keep, ...collected })(model, context);
    return { modified: report.modified, note: describe(report), report };
  },
  /**
   * `relu6: 'auto'` tries bounds by channel and one bound, and takes what pays. Bounds by channel that do not even promise half
   * of what they must gain are not measured.
   */
  async choose(options, trials, context) {
    if ((options.relu6 ?? "auto") !== "auto") return trials.measure(await trials.apply(options));
    const collected = await collect(trials.model, trials.input, context);
    const exact = await trials.apply({ ...options, relu6: "exact" }, collected);
    if (boundsByChannel(exact.report) === 0) return trials.measure(exact);
    const common = await trials.apply({ ...options, relu6: "common" }, collected);
    if (!common.modified) return trials.measure(exact);
    const one = await trials.measure(common);
    if (promisedDb(exact.report, common.report) < BOUNDS_DB / 2) return one;
    const many = await trials.measure(exact);
    return (await trials.isBetter(many, one, BOUNDS_DB)) ? many : one;
  },
};

/** What an equalization reads of a network. */
async function collect(
  model: Model,
  { quantize, biasCorrected }: FloatInput,
  context: TransformContext,
): Promise<EqualizationInput> {
  const shapes = await shapesOf(model, context);
  const quantized = quantizationRequests(model, quantize).map(({ value }) => value);
  return equalizationInput(model, shapes, quantize, context, { quantized, biasCorrected });
}

/** How many Clips an equalization gave a bound by channel, which integer kernels do not have. */
function boundsByChannel(report: unknown): number {
  const { clips = [] } = (report ?? {}) as Partial<EqualizeReport>;
  return clips.filter(({ bound }) => bound === "vector").length;
}

/** By how many dB less noise one equalization promises than another; Infinity where a method predicts none. */
function promisedDb(report: unknown, other: unknown): number {
  const [own, compared] = [report, other].map((one) => (one as Partial<EqualizeReport> | undefined)?.noise?.after);
  return own && compared ? 10 * Math.log10(compared / own) : Number.POSITIVE_INFINITY;
}

function describe(report: EqualizeReport): string {
  const { method, classes, noise, proof } = report;
  const vectors = boundsByChannel(report);
  const channels = classes.reduce((sum, own) => sum + own.channels, 0);
  const gain = noise ? `, predicted noise ${(10 * Math.log10(noise.after / noise.before)).toFixed(1)} dB` : "";
  const gap = proof ? `, within ${(100 * proof.gap).toFixed(1)} % of the optimum` : "";
  return `${method}: ${channels} channels in ${classes.length} classes${gain}${gap}${vectors > 0 ? `, ${vectors} with bounds by channel` : ""}`;
}
