import { OutputProbe, PROBE_SAMPLES } from "../analyze/output-probe.js";
import type { Calibration } from "../calibrate/index.js";
import type { Dataset } from "../data/index.js";
import { cloneModel, type Model } from "../graph/index.js";
import { runnableForm } from "../operators/index.js";
import type { PhaseRunner } from "../pipeline/compress.js";
import { type Verification, verifyModel } from "../pipeline/verify.js";
import {
  applyPlan,
  planQuantization,
  type QuantizationPlan,
  type QuantizeOptions,
  type QuantizeReport,
  resolveQuantizeOptions,
} from "../quantize/index.js";
import { observeShapes, requireRunner, type TransformContext, zeroFeeds } from "../runtime/index.js";
import { describeFold, prepareModel } from "../steps/index.js";

/** What {@link quantizeModel} works on. */
export interface QuantizeModelInput {
  /** Not changed. */
  readonly model: Model;
  /** Samples that the result is verified on. Default: none; the result is then only opened and run on zeros. */
  readonly dataset?: Dataset;
  readonly options: QuantizeOptions;
  /** Samples a run of the verification. Default: 8. */
  readonly batchSize?: number | undefined;
  /** Statistics of the folded model: from a file, or collected now. */
  readonly calibration: (folded: Model) => Promise<Calibration>;
  /** Called around every phase. Default: only runs it. */
  readonly phase?: PhaseRunner;
}

/** Result of {@link quantizeModel}. */
export interface QuantizedModel {
  readonly model: Model;
  /** The folded network that was quantized. */
  readonly floatModel: Model;
  readonly calibration: Calibration;
  readonly plan: QuantizationPlan;
  readonly report: QuantizeReport;
  /** Undefined without samples. */
  readonly verification: Verification | undefined;
}

/**
 * Quantization and nothing else: fold → calibrate → quantize → verify. Where {@link compress} improves the network first, this gives
 * what the options say.
 * @throws {ModelError} as `prepareModel`. @throws {OptionsError} as `planQuantization`. @throws {RunError} as `verifyModel`.
 */
export async function quantizeModel(
  input: QuantizeModelInput & { readonly dataset: Dataset },
  context: TransformContext,
): Promise<QuantizedModel & { readonly verification: Verification }>;
export async function quantizeModel(input: QuantizeModelInput, context: TransformContext): Promise<QuantizedModel>;
export async function quantizeModel(input: QuantizeModelInput, context: TransformContext): Promise<QuantizedModel> {
  const { options, dataset, phase = (_name, work) => work() } = input;
  resolveQuantizeOptions(options);
  const original = runnableForm(input.model);
  const floatModel = cloneModel(original);
  // Folding checks the model first, with errors that say more than ONNX Runtime's.
  await phase(
    "fold",
    () => prepareModel(floatModel, context),
    ({ fold }) => describeFold(fold),
  );
  const probe =
    dataset &&
    (await phase("float model", () => OutputProbe.of(original, dataset, context, PROBE_SAMPLES, input.batchSize)));
  const calibration = await input.calibration(floatModel);
  const model = cloneModel(floatModel);
  const { plan, report } = await phase(
    "quantize",
    async () => {
      const plan = planQuantization(model, calibration, options);
      return { plan, report: applyPlan(model, plan, calibration, options) };
    },
    ({ report: { details, skipped } }) => `${details.learnables.length} learnables, ${skipped.length} layers in float`,
  );
  const verification = await phase(
    "verify",
    async () => {
      if (probe) return verifyModel(model, probe, context);
      await observeShapes(model, zeroFeeds(model), { runner: requireRunner(context, "quantize") });
      return undefined;
    },
    (verified) => (verified ? `re-opened, ran ${verified.samples} samples` : "re-opened, ran on zeros"),
  );
  return { model, floatModel, calibration, plan, report, verification };
}
