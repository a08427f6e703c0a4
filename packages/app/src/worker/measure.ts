import {
  Calibration,
  type Dataset,
  measureSqnr,
  parseModel,
  planQuantization,
  type SqnrReport,
  type ValidationReport,
  validateModels,
} from "@equant/core/web";
import type { Params } from "../protocol.js";
import { type CallContext, transformContext } from "./context.js";
import type { OpenModel } from "./open-model.js";
import { quantizeOptionsOf } from "./steps.js";

/** Signal-to-noise ratios of all layers of a run, on a few samples. */
export async function measure(
  dataset: Dataset,
  { floatBytes, calibration, steps, samples }: Params<"measure">,
  call: CallContext,
): Promise<SqnrReport> {
  const model = parseModel(floatBytes, { file: "float model" });
  const plan = planQuantization(model, Calibration.parse(calibration), quantizeOptionsOf(steps));
  return measureSqnr(model, plan, dataset, await transformContext(call), { samples });
}

/** A result against the original, on the samples kept apart. */
export async function validate(
  { model, fileBytes }: OpenModel,
  dataset: Dataset,
  bytes: Uint8Array<ArrayBuffer>,
  call: CallContext,
): Promise<ValidationReport> {
  return validateModels(
    {
      candidate: parseModel(bytes, { file: "result" }),
      baseline: model,
      dataset,
      bytes: { candidate: bytes.length, baseline: fileBytes },
    },
    await transformContext(call),
  );
}
