import type { Dataset, Model, TransformContext } from "@equant/core";
import type { PruningSection } from "@equant/report";

/** Seed 004: ten iterations of both scores. */
const STEPS = 10;
const SPARSITY = 0.95;
/** The iteration whose structure is looked at, as in seed 004. */
const SELECTED = 8;

/** Accuracy against sparsity of both scores of seed 004, measured on `heldOut`, and the structure SynFlow leaves. */
export async function demoPruning(model: Model, heldOut: Dataset, context: TransformContext): Promise<PruningSection> {
  const { measureTop1, prune, wilsonInterval } = await import("@equant/core");
  const evaluate = (pruned: Model) => measureTop1(pruned, heldOut, {}, context);
  const curves: PruningSection["curves"] = [];
  let layers: PruningSection["layers"] = [];
  for (const method of ["magnitude", "synflow"] as const) {
    const { iterations } = await prune(model, { method, sparsity: SPARSITY, steps: STEPS, evaluate }, context);
    curves.push({
      method,
      points: iterations.map(({ sparsity, accuracy }) => {
        const share = accuracy ?? 0;
        return { sparsity, accuracy: share, ...wilsonInterval(Math.round(share * heldOut.length), heldOut.length) };
      }),
    });
    layers = iterations[SELECTED - 1]!.layers.map(({ layer, sparsity, channels, removedChannels }) => ({
      layer,
      sparsity,
      channels,
      removed: removedChannels.length,
    }));
  }
  return { original: await evaluate(model), curves, method: "synflow", layers };
}
