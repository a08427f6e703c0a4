import { isOp } from "../graph/index.js";
import { absorb } from "./absorb-affine.js";
import { batchNormAffine } from "./channel-affine.js";
import type { FoldScope } from "./fold-scope.js";

/**
 * Folds BatchNormalization (inference) into the linear layer before it: W' = W·γ/√(σ² + ε), b' = (b − μ)·γ/√(σ² + ε) + β
 * (Jacob et al. 2018, eq. (14), with the bias), or into the layers behind it where that is exact.
 */
export function foldBatchNorm(scope: FoldScope): void {
  for (const node of scope.graph.nodes) {
    if (!isOp(node, "BatchNormalization")) continue;
    const affine = batchNormAffine(scope, node);
    const reason = typeof affine === "string" ? affine : absorb(scope, affine);
    if (reason !== undefined) scope.skip(node, reason);
  }
}
