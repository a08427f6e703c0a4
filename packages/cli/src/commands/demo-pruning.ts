import type { Dataset, Model, TransformContext } from "@equant/core";
import type { PruningSection } from "@equant/report";

/** MathWorks' pruning page: ten iterations of both scores. */
const STEPS = 10;
const SPARSITY = 0.95;
/** The iteration whose structure is looked at, as in MathWorks' pruning page. */
const SELECTED = 8;

/**
 * Accuracy against sparsity of both scores of MathWorks' pruning page, measured on `heldOut`, the structure SynFlow leaves, and which
 * classes pay for it.
 */
export async function demoPruning(model: Model, heldOut: Dataset, context: TransformContext): Promise<PruningSection> {
  const [{ measureTop1, prune, validateModels }, { collectValidation, prunedStructure, pruningCurve }] =
    await Promise.all([import("@equant/core/lab"), import("@equant/report")]);
  const curves: PruningSection["curves"] = [];
  let layers: PruningSection["layers"] = [];
  let chosen = model;
  for (const method of ["magnitude", "synflow"] as const) {
    let iteration = 0;
    const evaluate = (pruned: Model) => {
      iteration++;
      if (iteration === SELECTED) chosen = pruned;
      return measureTop1(pruned, {}, { ...context, data: heldOut });
    };
    const { iterations } = await prune(model, { method, sparsity: SPARSITY, steps: STEPS, evaluate }, context);
    curves.push(pruningCurve(method, iterations, heldOut.length));
    layers = prunedStructure(iterations[SELECTED - 1]!);
  }
  const compared = await validateModels(chosen, { baseline: model, latency: false }, { ...context, data: heldOut });
  const validation = collectValidation(compared);
  return { original: compared.baseline!.top1, curves, method: "synflow", validation, layers };
}
