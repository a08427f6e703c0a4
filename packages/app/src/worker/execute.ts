import {
  applyQdq,
  Calibration,
  type CompressResult,
  cloneModel,
  compress,
  type Dataset,
  describeFold,
  OutputProbe,
  planQuantization,
  prepareModel,
  quantizationDetails,
  type RecipeStep,
  resolveQuantizeOptions,
  serializeModel,
  verifyBytes,
} from "@equant/core/web";
import type { RunOutcome } from "../protocol.js";
import { type CallContext, phases, transformContext } from "./context.js";
import type { OpenModel } from "./open-model.js";
import { quantizeOptionsOf } from "./steps.js";

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
      : await compress(open.model, dataset, { steps, phase: phases(call) }, await transformContext(call));
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

/** The same calls as `equant quantize --calibration`, so the same bytes. */
async function quantizeOnly(
  { model }: OpenModel,
  dataset: Dataset,
  steps: readonly RecipeStep[],
  calibration: Calibration,
  call: CallContext,
): Promise<CompressResult> {
  const context = await transformContext(call);
  const phase = phases(call);
  const floatModel = cloneModel(model);
  await phase(
    "fold",
    () => prepareModel(floatModel, context),
    ({ fold }) => describeFold(fold),
  );
  const probe = await phase("float model", () => OutputProbe.of(model, dataset, context));
  const options = quantizeOptionsOf(steps);
  const quantized = cloneModel(floatModel);
  const describe = ({ parameters, placement }: CompressResult["plan"]) =>
    `${parameters.length} layers, ${placement.skipped.length} in float`;
  const plan = await phase(
    "quantize",
    async () => {
      const made = planQuantization(quantized, calibration, options);
      applyQdq(quantized, made);
      if (calibration.random) quantized.metadata.set("equant.data", "random");
      return made;
    },
    describe,
  );
  const bytes = serializeModel(quantized);
  const verification = await phase(
    "verify",
    () => verifyBytes(bytes, probe, context),
    ({ samples }) => `re-opened, ran ${samples} samples`,
  );
  return {
    bytes,
    model: quantized,
    floatModel,
    steps: [{ step: "quantize", kept: true, error: verification.runtime, note: describe(plan) }],
    calibration,
    details: quantizationDetails(plan, resolveQuantizeOptions(options).target),
    verification,
    plan,
    before: { floatModel, plan },
  };
}
