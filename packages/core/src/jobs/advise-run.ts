import { measureSqnr } from "../analyze/sqnr.js";
import type { Dataset } from "../data/index.js";
import type { AdviceReport } from "../pipeline/advice-report.js";
import { ADVISE_DEFAULTS, advise } from "../pipeline/advise.js";
import type { CompressResult } from "../pipeline/compress.js";
import type { TransformContext } from "../runtime/index.js";

/**
 * Which layers of a run harm the output most, why, and what helps: {@link advise} on the ratios of some calibration samples.
 * @throws {RunError} E6005 cancelled.
 */
export async function adviseRun(
  { floatModel: model, calibration, plan, quantize }: CompressResult,
  dataset: Dataset,
  context: TransformContext,
): Promise<AdviceReport> {
  const { onProgress: _onProgress, ...quiet } = context;
  const { samples } = ADVISE_DEFAULTS;
  const sqnr = await measureSqnr(model, { plan, samples, cumulative: false }, { ...quiet, data: dataset });
  return advise(model, { calibration, plan, quantize, sqnr }, { ...context, data: dataset });
}
