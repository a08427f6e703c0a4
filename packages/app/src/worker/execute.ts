import {
  Calibration,
  cloneModel,
  compress,
  type Dataset,
  describeFold,
  OutputProbe,
  prepareModel,
  quantize,
  type RecipeStep,
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
): Promise<RunOutcome> {
  const started = performance.now();
  const isPlain = steps.every(({ use }) => use === "fold" || use === "quantize");
  const outcome =
    isPlain && calibration !== null
      ? await quantizeOnly(open, dataset, steps, Calibration.parse(calibration), call)
      : await wholeRecipe(open, dataset, steps, call);
  return { ...outcome, ms: performance.now() - started };
}

type Outcome = Omit<RunOutcome, "ms">;

async function wholeRecipe(
  { model, sha256 }: OpenModel,
  dataset: Dataset,
  steps: readonly RecipeStep[],
  call: CallContext,
): Promise<Outcome> {
  const context = await transformContext(call);
  const result = await compress(model, dataset, { steps, phase: phases(call) }, context);
  const { calibration, details, verification } = result;
  return {
    bytes: result.bytes as Uint8Array<ArrayBuffer>,
    floatBytes: serializeModel(result.floatModel) as Uint8Array<ArrayBuffer>,
    steps: result.steps,
    details,
    verification,
    calibration: calibration.forModel(sha256).serialize(),
    stableAfter: calibration.rangeConvergence()?.stableAfter ?? null,
    samples: calibration.samples,
  };
}

async function quantizeOnly(
  { model, sha256 }: OpenModel,
  dataset: Dataset,
  steps: readonly RecipeStep[],
  calibration: Calibration,
  call: CallContext,
): Promise<Outcome> {
  const context = await transformContext(call);
  const phase = phases(call);
  const prepared = cloneModel(model);
  await phase(
    "fold",
    () => prepareModel(prepared, context),
    ({ fold }) => describeFold(fold),
  );
  const floatBytes = serializeModel(prepared) as Uint8Array<ArrayBuffer>;
  const probe = await phase("float model", () => OutputProbe.of(model, dataset, context));
  const report = await phase(
    "quantize",
    async () => quantize(calibration, quantizeOptionsOf(steps))(prepared, context),
    ({ details, skipped }) => `${details.learnables.length} learnables, ${skipped.length} layers in float`,
  );
  const bytes = serializeModel(prepared) as Uint8Array<ArrayBuffer>;
  const verification = await phase(
    "verify",
    () => verifyBytes(bytes, probe, context),
    ({ samples }) => `re-opened, ran ${samples} samples`,
  );
  return {
    bytes,
    floatBytes,
    steps: [{ step: "quantize", kept: true, error: verification.runtime, note: "" }],
    details: report.details,
    verification,
    calibration: calibration.forModel(sha256).serialize(),
    stableAfter: calibration.rangeConvergence()?.stableAfter ?? null,
    samples: calibration.samples,
  };
}
