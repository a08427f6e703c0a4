import type { Dataset } from "../data/index.js";
import { applyForms, type FormsReport, toFloat16 } from "../forms/index.js";
import { cloneModel, type Model } from "../graph/index.js";
import type { TransformContext } from "../runtime/index.js";
import { blockRounding } from "./block-rounding.js";
import type { HubWay } from "./dtypes.js";

/** A model in another dtype. */
export interface HubVariant {
  readonly model: Model;
  readonly forms: FormsReport;
  /** Constants that float16 cut off. */
  readonly cut: readonly string[];
}

/**
 * Makes a variant of a folded float32 model. `calibration` says what layers are fed, by which blocks of 4 bits are rounded.
 * The weights that stay are shared with the original.
 */
export async function makeVariant(
  original: Model,
  way: HubWay,
  calibration: Dataset | undefined,
  context: TransformContext,
): Promise<HubVariant> {
  const model = cloneModel(original);
  const rounds = way.rules.some(({ form }) => form === "blocks-4");
  const round = calibration && rounds ? await blockRounding(model, calibration, context) : undefined;
  const forms = await applyForms({ rules: way.rules, ...(round && { round }) })(model, context);
  const cut = way.float16 ? toFloat16(model).cut : [];
  return { model, forms, cut };
}

