import { OptionsError, rejectUnknownOptions, requireOneOf } from "../errors.js";
import type { Transform, TransformReport } from "../runtime/index.js";
import { foldAffine } from "./fold-affine.js";
import { foldBatchNorm } from "./fold-batch-norm.js";
import { foldConstants } from "./fold-constants.js";
import { FOLD_KINDS, type FoldedNode, type FoldKind, type FoldPass, runFold } from "./fold-scope.js";
import { mergePad } from "./merge-pad.js";
import { removeIdentity } from "./remove-identity.js";
import { splitHeads } from "./split-heads.js";

/** Options for {@link fold}. */
export interface FoldOptions {
  /** What to fold; always done in this order. Default: all: constants, identities, pads, affine, batchNorms, heads. */
  kinds?: readonly FoldKind[];
  /** Bytes by which a computed constant may exceed the constants it is computed from; larger ones stay nodes. Default: 1 MiB. */
  maxGrowthBytes?: number;
  /** Treats initializers that are graph inputs as constants and drops those inputs. Default: false (always done before IR version 4). */
  inputDefaults?: boolean;
}

export const FOLD_DEFAULTS = {
  kinds: FOLD_KINDS,
  maxGrowthBytes: 1024 * 1024,
  inputDefaults: false,
} as const satisfies Required<FoldOptions>;

/** What {@link fold} did. */
export interface FoldReport extends TransformReport {
  readonly transform: "fold";
  /** Nodes folded away, by kind. */
  readonly counts: Readonly<Record<FoldKind, number>>;
  readonly folded: readonly FoldedNode[];
  /** Nodes of the model, subgraphs included. */
  readonly nodesBefore: number;
  readonly nodesAfter: number;
}

/**
 * Brings a model into the form every later step expects: constants computed, identities gone, zero padding and constant
 * factors inside the layers, no BatchNormalization left, what a Split takes apart at the end made by layers of its own. The function is unchanged up to float32 rounding; parameters are
 * computed in float64. Runs to a fixed point, over subgraphs as well.
 * Skips, with a reason: what is shared, visible from outside, computed, random, quantized, or not exact.
 * Without a runner in the context, constants that have to be computed are left as they are and reported.
 * @throws {OptionsError} E2001 unknown key, E2002 `maxGrowthBytes` below 0, E2004 an unknown kind.
 * @throws {RunError} E6005 when cancelled.
 * @example const [report] = await transform(model, [fold()], { runner });
 */
export function fold(options: FoldOptions = {}): Transform<FoldReport> {
  rejectUnknownOptions("fold", options, Object.keys(FOLD_DEFAULTS));
  const { kinds, maxGrowthBytes, inputDefaults } = { ...FOLD_DEFAULTS, ...options };
  for (const kind of kinds) requireOneOf("fold", "kinds", kind, FOLD_KINDS);
  if (!(maxGrowthBytes >= 0)) {
    throw new OptionsError("E2002", `fold: invalid maxGrowthBytes ${maxGrowthBytes}, expected 0 or more`, {
      actual: maxGrowthBytes,
      expected: ">= 0",
    });
  }
  const all: Record<FoldKind, FoldPass> = {
    constants: (scope) => foldConstants(scope, maxGrowthBytes),
    identities: removeIdentity,
    pads: mergePad,
    affine: foldAffine,
    batchNorms: foldBatchNorm,
    heads: splitHeads,
  };
  const passes = new Map(FOLD_KINDS.filter((kind) => kinds.includes(kind)).map((kind) => [kind, all[kind]]));
  return async (model, context) => {
    const outcome = await runFold(model, { name: "fold", passes, inputDefaults }, context);
    const counts = Object.fromEntries(FOLD_KINDS.map((kind) => [kind, 0])) as Record<FoldKind, number>;
    for (const { kind } of outcome.folded) counts[kind]++;
    return { transform: "fold", counts, ...outcome };
  };
}
