import {
  Calibration,
  type CompressResult,
  compress,
  type Dataset,
  quantizeModel,
  quantizeOptionsOf,
  type RecipeStep,
  serializeModel,
} from "@equant/core/lab";
import type { RunOutcome } from "../protocol.js";
import { type CallContext, phases, transformContext } from "./context.js";
import type { OpenModel } from "./open-model.js";

/** Runs a recipe. With a calibration at hand and no step that changes the network, it is used as it is, as `--calibration` of the command. */
export async function execute(
  open: OpenModel,
  dataset: Dataset,
  steps: readonly RecipeStep[],
  calibration: string | null,
  call: CallContext,
): Promise<{ outcome: RunOutcome; result: CompressResult }> {
  const started = performance.now();
  const isPlain = steps.every(({ use }) => use === "fold" || use === "quantize");
  const result =
    isPlain && calibration !== null
      ? await quantizeOnly(open, dataset, steps, Calibration.parse(calibration), call)
      : await compress(
          open.model,
          { steps, phase: phases(call) },
          { ...(await transformContext(call)), data: dataset },
        );
  const { details, verification } = result;
  const outcome: RunOutcome = {
    bytes: result.bytes as Uint8Array<ArrayBuffer>,
    floatBytes: serializeModel(result.floatModel) as Uint8Array<ArrayBuffer>,
    // Reports of steps hold working data that nobody reads here.
    steps: result.steps.map(({ report: _report, ...step }) => step),
    details,
    verification,
    calibration: result.calibration.forModel(open.sha256).serialize(),
    stableAfter: result.calibration.rangeConvergence()?.stableAfter ?? null,
    samples: result.calibration.samples,
    ms: performance.now() - started,
  };
  return { outcome, result };
}

/** What `equant quantize --calibration` does, so the same bytes. */
async function quantizeOnly(
  { model }: OpenModel,
  dataset: Dataset,
  steps: readonly RecipeStep[],
  calibration: Calibration,
  call: CallContext,
): Promise<CompressResult> {
  const options = quantizeOptionsOf(steps);
  const input = { model, dataset, options, calibration: async () => calibration, phase: phases(call) };
  const {
    model: quantized,
    floatModel,
    plan,
    report,
    verification,
  } = await quantizeModel(input, await transformContext(call));
  const { details, skipped } = report;
  const note = `${plan.parameters.length} layers, ${skipped.length} in float`;
  return {
    bytes: serializeModel(quantized),
    model: quantized,
    floatModel,
    steps: [{ step: "quantize", kept: true, error: verification.runtime, note }],
    quantize: options,
    calibration,
    details,
    verification,
    plan,
    before: { floatModel, plan },
  };
}
