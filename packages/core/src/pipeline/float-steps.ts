import type { Dataset } from "../data/index.js";
import { OptionsError } from "../errors.js";
import type { Model } from "../graph/index.js";
import type { QuantizeOptions } from "../quantize/index.js";
import type { TransformContext } from "../runtime/index.js";

export interface FloatStep {
  readonly use: "dead-channels" | "equalize";
  readonly method?: string;
  readonly relu6?: string;
}
export async function applyFloatStep(
  _m: Model,
  step: FloatStep,
  _q: QuantizeOptions,
  _d: Dataset,
  _c: TransformContext,
): Promise<{ modified: boolean; note: string; report?: unknown }> {
  throw new OptionsError("E2004", `compress: step ${step.use} is not built yet`);
}
