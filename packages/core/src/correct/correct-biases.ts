import { PROBE_SAMPLES } from "../analyze/output-probe.js";
import { spread } from "../data/index.js";
import { throwIfAborted } from "../errors.js";
import { labelOf } from "../graph/index.js";
import { requireData, requireRunner, type Transform, type TransformContext } from "../runtime/index.js";
import { CorrectionRun } from "./correction-run.js";
import { keepIfBetter } from "./hold-out.js";
import { type CorrectBiasesOptions, type CorrectionTask, resolveCorrectOptions } from "./options.js";
import type { BiasCorrectionReport, LayerCorrection } from "./report.js";
import { findTargets } from "./targets.js";

/**
 * Empirical bias correction: b ← b + (E[y_float] − E[y_quantized]) for every output channel of every quantized linear
 * layer, on the pre-activation output y, means over the same samples on both sides (Nagel et al. 2019, §4.2).
 *
 * `sequential` walks the network in topological order, so that each layer is corrected for the noise that its corrected
 * predecessors still make. The float means come from one pass; each step then runs only the part between kept integer
 * values and its layer, every layer twice in all. `parallel` takes all means at once and corrects too much where errors
 * add up along the network.
 *
 * The output SQNR against the float model, on samples that the means have not seen, decides whether the result is kept. Needs `context.data`, of which no labels are read.
 * A throw leaves the model as it was.
 *
 * @throws {OptionsError} an option. @throws {PreconditionError} E4005: no runner, or `model` is not the plan's QDQ model.
 * @throws {RunError} E7001 a mean is NaN or infinite; E6005 cancelled.
 */
export function correctBiases(options: CorrectBiasesOptions): Transform<BiasCorrectionReport> {
  const resolved = resolveCorrectOptions(options);
  return async (model, context) => {
    requireRunner(context, "correctBiases");
    throwIfAborted(context.signal, "correctBiases");
    return correct({ ...resolved, model, dataset: requireData(context, "correctBiases") }, context);
  };
}

async function correct(task: CorrectionTask, context: TransformContext): Promise<BiasCorrectionReport> {
  const { targets, skipped } = findTargets("correctBiases", task);
  const run = new CorrectionRun(task, targets, context);
  const { learned: shifts = [], verdict } = await keepIfBetter(
    {
      ...task,
      checkSamples: PROBE_SAMPLES,
      places: targets.map(({ bias }) => bias),
      nothing: "no layer has a bias to correct",
      learn: (samples) => run.correct(spread(samples, Math.min(task.samples, samples.length))),
    },
    context,
  );
  return {
    transform: "correctBiases",
    modified: verdict.kept,
    skipped,
    method: task.method,
    samples: run.samples,
    layers: targets.map(({ parameters: { layer } }, at) => correction(labelOf(layer.node), layer.opType, shifts[at]!)),
    ...verdict,
    cacheBytes: run.cacheBytes,
  };
}

function correction(layer: string, opType: string, shift: Float64Array): LayerCorrection {
  const sizes = shift.map(Math.abs);
  const sum = sizes.reduce((total, size) => total + size, 0);
  return { layer, opType, maxShift: sizes.reduce((a, b) => Math.max(a, b), 0), meanShift: sum / (sizes.length || 1) };
}
