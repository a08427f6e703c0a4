import { type FoldReport, fold, type UpgradeReport, upgradeOpset } from "../fold/index.js";
import type { Model } from "../graph/index.js";
import { assertValid } from "../graph/index.js";
import { assertFiniteWeights } from "../operators/finite-weights.js";
import { toFloat32 } from "../operators/index.js";
import { assertNotQuantized, FOLDED_KEY } from "../quantize/index.js";
import { type TransformContext, transform } from "../runtime/index.js";

/** What {@link prepareModel} did. */
export interface PrepareReport {
  readonly upgrade: UpgradeReport;
  readonly fold: FoldReport;
}

/**
 * Brings a model into the form every later step expects: valid, float32, finite weights, opset 13 or newer, constants
 * computed, BatchNormalization folded. The function is preserved. In place. First of all steps: its errors say more than
 * ONNX Runtime's.
 * @throws {ModelError} E3003 invalid; E3006 NaN or Inf in weights; E4002 an opset without upgrade; E4003 already quantized.
 */
export async function prepareModel(model: Model, context: TransformContext): Promise<PrepareReport> {
  assertValid(model);
  assertNotQuantized(model);
  assertFiniteWeights(model);
  toFloat32(model);
  const [upgrade, folded] = await transform(model, [upgradeOpset(), fold()], context);
  nameFolded(model, folded);
  return { upgrade, fold: folded };
}

/** Leaves in the file which BatchNormalizations each layer has taken in: they are quantized with it. */
function nameFolded({ metadata }: Model, { folded }: FoldReport): void {
  const into: Record<string, string[]> = {};
  for (const { kind, node, into: layers = [] } of folded) {
    if (kind === "batchNorms") for (const layer of layers) into[layer] = [...(into[layer] ?? []), node];
  }
  if (Object.keys(into).length > 0 && !metadata.has(FOLDED_KEY)) metadata.set(FOLDED_KEY, JSON.stringify(into));
}

const KINDS = {
  constants: "constants",
  identities: "identities",
  pads: "pads",
  affine: "affine",
  batchNorms: "batch-norms",
  heads: "heads split",
} as const;

/** One line for people: `52 batch-norms, 3 constants folded`. */
export function describeFold(report: FoldReport): string {
  const parts = Object.entries(report.counts)
    .filter(([, count]) => count > 0)
    .map(([kind, count]) => `${count} ${KINDS[kind as keyof typeof KINDS]}`);
  return parts.length > 0 ? `${parts.join(", ")} folded` : "nothing to fold";
}
