import { isGain, type OutputError } from "../analyze/output-error.js";
import { OutputProbe, PROBE_SAMPLES } from "../analyze/output-probe.js";
import { spread } from "../data/index.js";
import { throwIfAborted } from "../errors.js";
import { labelOf } from "../graph/index.js";
import { requireRunner, type TransformContext } from "../runtime/index.js";
import { CorrectionRun } from "./correction-run.js";
import { splitSamples } from "./hold-out.js";
import {
  type CorrectBiasesOptions,
  LITERAL_WEIGHTS,
  type ResolvedCorrectOptions,
  resolveCorrectOptions,
} from "./options.js";
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
 * The output SQNR against the float model, on samples that the means have not seen, decides whether the result is kept.
 * A throw leaves the model as it was.
 *
 * @throws {OptionsError} an option. @throws {PreconditionError} E4005: no runner, or `model` is not the plan's QDQ model.
 * @throws {RunError} E7001 a mean is NaN or infinite; E6005 cancelled.
 */
export async function correctBiases(
  options: CorrectBiasesOptions,
  context: TransformContext,
): Promise<BiasCorrectionReport> {
  const resolved = resolveCorrectOptions(options);
  requireRunner(context, "correctBiases");
  throwIfAborted(context.signal, "correctBiases");
  const { targets, skipped } = findTargets("correctBiases", resolved);
  const { learn, check, heldOut } = splitSamples(resolved.dataset);
  const originals = targets.map(({ bias }) => bias.state);
  const restore = () => {
    for (const [at, { bias }] of targets.entries()) bias.restore(originals[at]!);
  };
  const probe = await OutputProbe.of(resolved.floatModel, check, context, PROBE_SAMPLES);
  const measured = () => probe.measure(resolved.model, context, LITERAL_WEIGHTS);
  const before = await measured();
  const run = new CorrectionRun(resolved, targets, context);
  let shifts: Float64Array[] = [];
  let after = before;
  try {
    shifts = await run.correct(spread(learn, Math.min(resolved.samples, learn.length)));
    if (targets.length > 0) after = await measured();
  } catch (error) {
    restore();
    throw error;
  }
  const verdict = judge(resolved, probe, before, after, heldOut, targets.length);
  if (!verdict.kept) restore();
  return {
    transform: "correctBiases",
    modified: verdict.kept && targets.some(({ bias }, at) => bias.state.stored !== originals[at]!.stored),
    skipped,
    method: resolved.method,
    samples: run.samples,
    checkSamples: probe.dataset.length,
    heldOut,
    layers: targets.map(({ parameters: { layer } }, at) => correction(labelOf(layer.node), layer.opType, shifts[at]!)),
    sqnrDbBefore: finiteDb(before.sqnrDb),
    sqnrDbAfter: finiteDb(after.sqnrDb),
    ...verdict,
    cacheBytes: run.cacheBytes,
  };
}

function judge(
  { keep }: ResolvedCorrectOptions,
  probe: OutputProbe,
  before: OutputError,
  after: OutputError,
  heldOut: boolean,
  layers: number,
): { kept: boolean; reason: string } {
  if (layers === 0) return { kept: false, reason: "no layer has a bias to correct" };
  const where = `${heldOut ? "on" : "over"} ${probe.dataset.length} ${heldOut ? "other" : "of the same"} samples`;
  const change = `output SQNR ${finiteDb(before.sqnrDb).toFixed(2)} → ${finiteDb(after.sqnrDb).toFixed(2)} dB ${where}`;
  if (isGain(before, after)) return { kept: true, reason: change };
  if (keep === "always") return { kept: true, reason: `${change}: not better, kept as asked` };
  return { kept: false, reason: `${change}: not better, undone` };
}

function correction(layer: string, opType: string, shift: Float64Array): LayerCorrection {
  const sizes = shift.map(Math.abs);
  const sum = sizes.reduce((total, size) => total + size, 0);
  return { layer, opType, maxShift: sizes.reduce((a, b) => Math.max(a, b), 0), meanShift: sum / (sizes.length || 1) };
}

/** JSON has no infinity. */
function finiteDb(db: number): number {
  return Math.min(300, db);
}
