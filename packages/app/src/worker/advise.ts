import {
  type AdviceReport,
  advise,
  type CompressResult,
  type Dataset,
  measureSqnr,
  type QuantizeOptions,
  spread,
} from "@equant/core/web";
import { type CallContext, transformContext } from "./context.js";

const SAMPLES = 8;

/** Which layers of a run harm the output most, why, and what helps. */
export async function adviseRun(
  { floatModel: model, calibration, plan }: CompressResult,
  quantize: QuantizeOptions,
  dataset: Dataset,
  call: CallContext,
): Promise<AdviceReport> {
  const context = await transformContext(call);
  const quiet = { runner: context.runner, signal: context.signal };
  const sqnr = await measureSqnr(model, plan, spread(dataset, SAMPLES), quiet, { cumulative: false });
  return advise({ model, calibration, plan, quantize, sqnr, dataset }, context, { samples: SAMPLES });
}
