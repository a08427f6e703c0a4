import { calibrate, singleInput } from "../calibrate/index.js";
import type { Dataset } from "../data/index.js";
import { PreconditionError } from "../errors.js";
import type { Model } from "../graph/index.js";
import { type DeadChannelsReport, deadChannelValues, removeDeadChannels } from "../prune/index.js";
import type { QuantizeOptions } from "../quantize/index.js";
import { type ObservedType, observeShapes, requireRunner, type TransformContext } from "../runtime/index.js";

/** Removes channels that are constant. */
export interface DeadChannelsStep {
  readonly use: "dead-channels";
  /** Whether channels that were constant on all calibration data count. Default: true. */
  readonly observed?: boolean;
}

/** Equalizes channels for the granularity and bits that will be used. */
export interface EqualizeStep {
  readonly use: "equalize";
  readonly method?: "optimal" | "dfq" | "one-step" | "two-step";
  readonly relu6?: "exact" | "common" | "paper" | "replace";
  readonly sMax?: number;
}

/** A step on the float network, before quantization. */
export type FloatStep = DeadChannelsStep | EqualizeStep;

/** What a float step did. */
export interface FloatStepResult {
  readonly modified: boolean;
  readonly note: string;
  readonly report?: unknown;
}

/** Applies a float step in place. */
export async function applyFloatStep(
  model: Model,
  step: FloatStep,
  _quantize: QuantizeOptions,
  dataset: Dataset,
  context: TransformContext,
): Promise<FloatStepResult> {
  const shapes = await shapesOf(model, dataset, context);
  if (step.use === "equalize") throw new PreconditionError("E9001", "equalize: not connected");
  return deadChannels(model, step, shapes, dataset, context);
}

async function deadChannels(
  model: Model,
  { observed = true }: DeadChannelsStep,
  shapes: ReadonlyMap<string, ObservedType>,
  dataset: Dataset,
  context: TransformContext,
): Promise<FloatStepResult> {
  const values = observed ? deadChannelValues(model, shapes) : [];
  const requests = values.map((value) => ({ value, moments: false, exactMinimum: true, histogram: false }));
  const stats = observed ? (await calibrate(model, dataset, { requests }, context)).activationStats() : undefined;
  const report = await removeDeadChannels({ shapes, observed, ...(stats && { stats }) })(model, context);
  return { modified: report.modified, note: describeDead(report), report: summaryOf(report) };
}

function describeDead(report: DeadChannelsReport): string {
  const count = report.removed.reduce((sum, { removed }) => sum + removed.length, 0);
  if (count === 0) return "no dead channels";
  const saved = 100 * (1 - report.after.macs / report.before.macs);
  return `${count} dead channels removed, ${saved.toFixed(1)} % of MACs`;
}

/** The report without the shapes, which are working data. */
function summaryOf({ shapes: _shapes, ...report }: DeadChannelsReport): unknown {
  return report;
}

/** Sizes of all values, seen by running one sample. */
async function shapesOf(model: Model, dataset: Dataset, context: TransformContext): Promise<Map<string, ObservedType>> {
  const data = new Float32Array(dataset.shape.reduce((product, size) => product * size, 1));
  await dataset.fill(0, data, 0);
  const feed = { dtype: "float32" as const, dims: [1, ...dataset.shape], data };
  return observeShapes(requireRunner(context, "compress"), model, { [singleInput(model)]: feed });
}
