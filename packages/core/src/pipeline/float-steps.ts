import { type ActivationStats, calibrate } from "../calibrate/index.js";
import type { Dataset } from "../data/index.js";
import { type EqualizeMethod, type EqualizeReport, equalize, type Relu6Mode } from "../equalize/index.js";
import type { Model } from "../graph/index.js";
import { type QuantizeOptions, quantizationRequests, resolveQuantizeOptions } from "../quantize/index.js";
import { Feed, type ObservedType, observeShapes, requireRunner, type TransformContext } from "../runtime/index.js";
import {
  type DeadChannelsReport,
  deadChannelValues,
  ORT_CHANNEL_MULTIPLE,
  removeDeadChannels,
} from "../shrink/index.js";
import { type EqualizationInput, equalizationInput } from "./equalization-input.js";
import { applyPruneStep, type PruneStep } from "./prune-step.js";

/** Removes channels that are constant. */
export interface DeadChannelsStep {
  readonly use: "dead-channels";
  /** Whether channels that were constant on all calibration data count. Default: true. */
  readonly observed?: boolean;
}

/** Equalizes channels for the granularity and bits that will be used. */
export interface EqualizeStep {
  readonly use: "equalize";
  readonly method?: EqualizeMethod;
  /** `auto`, the default, lets {@link compress} choose between `exact` and `common` by what they gain; alone it is `exact`. */
  readonly relu6?: Relu6Mode | "auto";
  readonly sMax?: number;
}

/** A step on the float network, before quantization. */
export type FloatStep = DeadChannelsStep | EqualizeStep | PruneStep;

/** What a float step did. */
export interface FloatStepResult {
  readonly modified: boolean;
  readonly note: string;
  readonly report?: unknown;
}

/** What a float step works with. */
export interface FloatStepInput {
  /** How the network will be quantized. */
  readonly quantize: QuantizeOptions;
  readonly dataset: Dataset;
  /** Channel statistics of the model as it is, from the calibration of its last quantization. */
  readonly known: ActivationStats;
  /** Whether biases are corrected after quantization. */
  readonly biasCorrected: boolean;
  /** What equalization reads, where the same network is equalized more than once. Default: collected. */
  readonly equalization?: EqualizationInput;
}

/** Applies a float step in place. */
export async function applyFloatStep(
  model: Model,
  step: FloatStep,
  input: FloatStepInput,
  context: TransformContext,
): Promise<FloatStepResult> {
  if (step.use === "prune") return applyPruneStep(model, step, input.dataset, context);
  if (step.use === "equalize") return equalizeStep(model, step, input, context);
  return deadChannels(model, step, await shapesOf(model, input.dataset, context), input, context);
}

/** Collects what an equalization step reads of a network. */
export async function equalizationOf(
  model: Model,
  { quantize, dataset, biasCorrected }: FloatStepInput,
  context: TransformContext,
): Promise<EqualizationInput> {
  const shapes = await shapesOf(model, dataset, context);
  const quantized = quantizationRequests(model, quantize).map(({ value }) => value);
  return equalizationInput(model, shapes, quantize, dataset, context, { quantized, biasCorrected });
}

async function equalizeStep(
  model: Model,
  { use: _use, ...options }: EqualizeStep & { keep?: "better" | "always" },
  input: FloatStepInput,
  context: TransformContext,
): Promise<FloatStepResult> {
  const { keep, relu6 = "auto", ...chosen } = options;
  // Whoever measures the quantized network judges by that, and wants the method as it is.
  const whole = { ...chosen, keep: keep ?? (chosen.method === undefined ? ("better" as const) : ("always" as const)) };
  const known = input.equalization ?? (await equalizationOf(model, input, context));
  const report = await equalize({ ...whole, relu6: relu6 === "auto" ? "exact" : relu6, ...known })(model, context);
  return { modified: report.modified, note: describeEqualization(report), report };
}

/** How many Clips an equalization gave a bound by channel, which integer kernels do not have. */
export function boundsByChannel(report: unknown): number {
  const { clips = [] } = (report ?? {}) as Partial<EqualizeReport>;
  return clips.filter(({ bound }) => bound === "vector").length;
}

/** By how many dB less noise one equalization promises than another; Infinity where a method predicts none. */
export function promisedDb(report: unknown, other: unknown): number {
  const [own, compared] = [report, other].map((one) => (one as Partial<EqualizeReport> | undefined)?.noise?.after);
  return own && compared ? 10 * Math.log10(compared / own) : Number.POSITIVE_INFINITY;
}

function describeEqualization(report: EqualizeReport): string {
  const { method, classes, noise, proof } = report;
  const vectors = boundsByChannel(report);
  const channels = classes.reduce((sum, own) => sum + own.channels, 0);
  const gain = noise ? `, predicted noise ${(10 * Math.log10(noise.after / noise.before)).toFixed(1)} dB` : "";
  const gap = proof ? `, within ${(100 * proof.gap).toFixed(1)} % of the optimum` : "";
  return `${method}: ${channels} channels in ${classes.length} classes${gain}${gap}${vectors > 0 ? `, ${vectors} with bounds by channel` : ""}`;
}

async function deadChannels(
  model: Model,
  { observed = true }: DeadChannelsStep,
  shapes: ReadonlyMap<string, ObservedType>,
  { quantize, dataset, known }: FloatStepInput,
  context: TransformContext,
): Promise<FloatStepResult> {
  const { target } = resolveQuantizeOptions(quantize);
  // ONNX Runtime's kernels work on blocks of channels: half a block costs as much as a whole one, or more.
  const channelMultiple = target.startsWith("ort") ? ORT_CHANNEL_MULTIPLE : 1;
  const stats = observed ? await silentStats(model, shapes, dataset, known, context) : undefined;
  const report = await removeDeadChannels({ shapes, observed, channelMultiple, ...(stats && { stats }) })(
    model,
    context,
  );
  return { modified: report.modified, note: describeDead(report), report: summaryOf(report) };
}

/** Ranges by channel behind every activation that cuts off: those known from calibration, the others collected. */
async function silentStats(
  model: Model,
  shapes: ReadonlyMap<string, ObservedType>,
  dataset: Dataset,
  known: ActivationStats,
  context: TransformContext,
): Promise<ActivationStats> {
  const missing = deadChannelValues(model, shapes).filter((value) => !known.has(value));
  if (missing.length === 0) return known;
  const requests = missing.map((value) => ({ value, moments: false, exactMinimum: true, histogram: false }));
  const collected = (await calibrate(model, dataset, { requests }, context)).activationStats();
  return new Map([...known, ...collected]);
}

function describeDead(report: DeadChannelsReport): string {
  const removed = report.removed.reduce((sum, { removed }) => sum + removed.length, 0);
  const zeroed = report.zeroed.reduce((sum, { outputs }) => sum + outputs.length, 0);
  if (removed + zeroed === 0) return "no dead channels";
  const saved = 100 * (1 - report.after.macs / report.before.macs);
  return `${removed} dead channels removed, ${zeroed} set to zero, ${saved.toFixed(1)} % of MACs`;
}

/** The report without the shapes, which are working data. */
function summaryOf({ shapes: _shapes, ...report }: DeadChannelsReport): unknown {
  return report;
}

/** Sizes of all values, seen by running one sample. */
async function shapesOf(model: Model, dataset: Dataset, context: TransformContext): Promise<Map<string, ObservedType>> {
  const feed = await Feed.of(model, dataset, context);
  return observeShapes(requireRunner(context, "compress"), model, await feed.first());
}
