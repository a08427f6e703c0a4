import { calibrate } from "../calibrate/index.js";
import { type Dataset, spread } from "../data/index.js";
import { OptionsError, rejectUnknownOptions } from "../errors.js";
import type { Model } from "../graph/index.js";
import {
  planQuantization,
  type QuantizationPlan,
  type QuantizeOptions,
  quantizationRequests,
} from "../quantize/index.js";
import { requireData, requireRunner, type TransformContext } from "../runtime/index.js";
import { measuredLayers } from "./sqnr-layers.js";
import type { SqnrReport } from "./sqnr-report.js";
import { runSqnr } from "./sqnr-run.js";
import { summarize } from "./sqnr-summary.js";

/** Options for {@link measureSqnr}. */
export interface MeasureSqnrOptions {
  /** A plan for this very model, or options to make one from a calibration over the same data. */
  plan: QuantizationPlan | QuantizeOptions;
  /** Samples, spread over the dataset. Default: 32. */
  samples?: number;
  /** Also behind the network quantized so far: three more networks in the graph. Default: true. */
  cumulative?: boolean;
  /** Adds ratios by output channel to the report. Default: false. */
  perChannel?: boolean;
  /** Most samples a run. The result does not depend on it. Default: 8. */
  batchSize?: number;
  /** Bound on the values of one run, were none of them freed early; smaller batches and then several graphs keep it. Default: 536870912 (512 MiB). */
  memoryBytes?: number;
}

const SQNR_DEFAULTS = {
  samples: 32,
  cumulative: true,
  perChannel: false,
  batchSize: 8,
  memoryBytes: 512 * 1024 * 1024,
} as const satisfies Required<Omit<MeasureSqnrOptions, "plan">>;

/**
 * Signal-to-quantization-noise ratio of every quantized layer, E[Y²]/E[(Y − Ŷ)²] (Meller et al. 2019, eq. (8)), for
 * weights, activations and both: predicted (eqs. (5), (6), and refined), measured with float inputs (`local`) and behind
 * the network quantized so far (`cumulative`). One generated graph and one pass over the data measure all layers.
 *
 * The model is not changed.
 *
 * @throws {OptionsError} E2001 unknown key, E2002 a number out of range. @throws {PreconditionError} E4005 without a runner.
 * @throws {RunError} E7001 NaN or Inf; E6005 cancelled.
 */
export async function measureSqnr(
  model: Model,
  options: MeasureSqnrOptions,
  context: TransformContext,
): Promise<SqnrReport> {
  rejectUnknownOptions("measureSqnr", options, ["plan", ...Object.keys(SQNR_DEFAULTS)]);
  const { plan } = options;
  const dataset = requireData(context, "measureSqnr");
  const resolved = { ...SQNR_DEFAULTS, ...options };
  for (const key of ["samples", "batchSize", "memoryBytes"] as const) {
    if (Number.isInteger(resolved[key]) && resolved[key] >= 1) continue;
    throw new OptionsError("E2002", `measureSqnr: invalid ${key} ${resolved[key]}, expected a whole number from 1`, {
      expected: "an integer, 1 or more",
      actual: resolved[key],
    });
  }
  requireRunner(context, "measureSqnr");
  const ready = "placement" in plan ? plan : await planFor(model, plan, dataset, context);
  const chosen = spread(dataset, resolved.samples);
  const { layers, skipped } = measuredLayers(model.graph, ready);
  const powers = layers.length === 0 ? [] : await runSqnr(model, ready, layers, chosen, resolved, context);
  return summarize(powers, {
    samples: chosen.length,
    random: chosen.random === true,
    perChannel: resolved.perChannel,
    skipped,
  });
}

async function planFor(
  model: Model,
  options: QuantizeOptions,
  dataset: Dataset,
  context: TransformContext,
): Promise<QuantizationPlan> {
  const requests = quantizationRequests(model, options);
  return planQuantization(model, await calibrate(model, { requests }, { ...context, data: dataset }), options);
}
