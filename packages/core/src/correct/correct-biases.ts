import { OutputProbe, PROBE_SAMPLES } from "../analyze/output-probe.js";
import { type Dataset, spread, subset } from "../data/index.js";
import { ModelError, PreconditionError, throwIfAborted } from "../errors.js";
import { labelOf } from "../graph/index.js";
import { requireRunner, type Skip, type TransformContext } from "../runtime/index.js";
import { CorrectionRun, type Target } from "./correction-run.js";
import { LayerBias } from "./layer-bias.js";
import {
  type CorrectBiasesOptions,
  LITERAL_WEIGHTS,
  type ResolvedCorrectOptions,
  resolveCorrectOptions,
} from "./options.js";
import type { BiasCorrectionReport, LayerCorrection } from "./report.js";

/** From this many samples on, a quarter of them is kept back to check the effect on. */
const HOLD_OUT_FROM = 16;

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
  const { targets, skipped } = findTargets(resolved);
  const { means, check, heldOut } = splitSamples(resolved.dataset);
  const originals = targets.map(({ bias }) => bias.tensor);
  const restore = () => {
    for (const [at, { bias }] of targets.entries()) bias.restore(originals[at]!);
  };
  const probe = await OutputProbe.of(resolved.floatModel, check, context, PROBE_SAMPLES);
  const sqnrDb = async () => finiteDb((await probe.measure(resolved.model, context, LITERAL_WEIGHTS)).sqnrDb);
  const before = await sqnrDb();
  const run = new CorrectionRun(resolved, targets, context);
  let shifts: Float64Array[] = [];
  let after = before;
  try {
    shifts = await run.correct(spread(means, Math.min(resolved.samples, means.length)));
    if (targets.length > 0) after = await sqnrDb();
  } catch (error) {
    restore();
    throw error;
  }
  const verdict = judge(resolved, probe, before, after, heldOut, targets.length);
  if (!verdict.kept) restore();
  return {
    transform: "correctBiases",
    modified: verdict.kept && targets.some(({ bias }, at) => bias.tensor !== originals[at]),
    skipped,
    method: resolved.method,
    samples: run.samples,
    checkSamples: probe.dataset.length,
    heldOut,
    layers: targets.map(({ parameters: { layer } }, at) => correction(labelOf(layer.node), layer.opType, shifts[at]!)),
    sqnrDbBefore: before,
    sqnrDbAfter: after,
    ...verdict,
    cacheBytes: run.cacheBytes,
  };
}

/** Layers of the plan in the order of the quantized graph, with their biases. */
function findTargets({ model, floatModel, plan }: ResolvedCorrectOptions): { targets: Target[]; skipped: Skip[] } {
  const { graph } = model;
  const position = new Map(graph.nodes.map((node, at) => [node, at]));
  const floatNodes = new Map(floatModel.graph.nodes.map((node) => [node.outputs[0]!, node]));
  const targets: Target[] = [];
  const skipped: Skip[] = [];
  for (const parameters of plan.parameters) {
    const { node, opType, output } = parameters.layer;
    if (!position.has(node)) {
      throw new PreconditionError("E4005", `correctBiases: node "${labelOf(node)}" of the plan is not in the model`, {
        node: labelOf(node),
        hint: "pass the very model that applyQdq changed with this plan",
      });
    }
    const floatNode = floatNodes.get(output);
    if (!floatNode) {
      throw new ModelError("E3003", `correctBiases: the float model makes no value "${output}"`, {
        tensor: output,
        hint: "pass a clone of the model taken just before applyQdq",
      });
    }
    const bias = LayerBias.of(graph, parameters);
    if (typeof bias === "string") skipped.push({ node: labelOf(node), opType, reason: bias });
    else targets.push({ parameters, floatNode, bias });
  }
  targets.sort((a, b) => position.get(a.parameters.layer.node)! - position.get(b.parameters.layer.node)!);
  return { targets, skipped };
}

/** Every fourth sample checks, the others make the means: both parts take sorted class folders alike. */
function splitSamples(dataset: Dataset): { means: Dataset; check: Dataset; heldOut: boolean } {
  if (dataset.length < HOLD_OUT_FROM) return { means: dataset, check: dataset, heldOut: false };
  const indices = Array.from({ length: dataset.length }, (_, at) => at);
  const part = (checks: boolean) =>
    subset(
      dataset,
      indices.filter((at) => (at % 4 === 3) === checks),
    );
  return { means: part(false), check: part(true), heldOut: true };
}

function judge(
  { keep }: ResolvedCorrectOptions,
  probe: OutputProbe,
  before: number,
  after: number,
  heldOut: boolean,
  layers: number,
): { kept: boolean; reason: string } {
  if (layers === 0) return { kept: false, reason: "no layer has a bias to correct" };
  const where = `${heldOut ? "on" : "over"} ${probe.dataset.length} ${heldOut ? "other" : "of the same"} samples`;
  const change = `output SQNR ${before.toFixed(2)} → ${after.toFixed(2)} dB ${where}`;
  if (after > before) return { kept: true, reason: change };
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
