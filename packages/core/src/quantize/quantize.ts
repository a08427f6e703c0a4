import { type Calibration, calibrate, type StatisticsRequest } from "../calibrate/index.js";
import { ModelError, PreconditionError } from "../errors.js";
import { indexGraph, labelOf, type Model } from "../graph/index.js";
import type { Encoding } from "../math/index.js";
import type { LinearLayer } from "../operators/index.js";
import type { Transform, TransformReport } from "../runtime/index.js";
import { applyEmulation } from "./apply-emulation.js";
import { applyQdq, type QuantizationPlan } from "./apply-qdq.js";
import { quantizeConstants } from "./constants.js";
import type { QuantizeOptions } from "./definition.js";
import { type QuantizationDetails, quantizationDetails } from "./details.js";
import { keepHeadsApart } from "./detection-heads.js";
import { activationEncodings } from "./encodings.js";
import { resolveExclusions, settingsByNode } from "./exclude.js";
import { assertNotQuantized } from "./float-model.js";
import { DROWNED_REASON, drownedValues, INFINITE_REASON, infiniteValues, nodesAround } from "./huge-values.js";
import type { LayerSettings } from "./layer-bits.js";
import { type ResolvedQuantizeOptions, resolveQuantizeOptions } from "./options.js";
import { quantizeParameters } from "./parameters.js";
import { type FloatReasons, type Placement, planPlacement } from "./placement.js";
import { sharedEncodings } from "./shared-weights.js";
import { inputMaxima } from "./sources.js";

/** What {@link quantize} did. */
export interface QuantizeReport extends TransformReport {
  readonly transform: "quantize";
  readonly details: QuantizationDetails;
  /** Encoding by value name: scale in real units a step, zero point in the stored type. */
  readonly encodings: Readonly<Record<string, { scale: number; zeroPoint: number; dtype: string }>>;
  /** Layers whose weight scales were raised so that the bias fits in 32 bits, with the channels. */
  readonly raisedScales: readonly { layer: string; channels: readonly number[] }[];
}

/**
 * What to calibrate for {@link quantize} with the same options: the values that get an encoding, with histograms
 * when a chooser needs them.
 */
export function quantizationRequests(model: Model, options: QuantizeOptions = {}): StatisticsRequest[] {
  const resolved = resolveQuantizeOptions(options);
  const tail = resolved.calibrator === "tail";
  const histogram = resolved.calibrator !== "minmax" && !tail;
  return placementOf(model, resolved)
    .groups.flatMap(({ rangeFrom }) => rangeFrom)
    .filter((value) => !model.graph.initializers.has(value))
    .map((value) => ({ value, moments: false, exactMinimum: false, histogram, ...(tail && { tail }) }));
}

/** Decides everything about a quantization without changing the model: placement, encodings, integer parameters. */
export function planQuantization(
  model: Model,
  calibration: Calibration,
  options: QuantizeOptions = {},
): QuantizationPlan {
  const resolved = resolveQuantizeOptions(options);
  requireFloatModel(model);
  const first = placementOf(model, resolved);
  const float = new Map([
    ...keepHeadsApart(model.graph, first, calibration),
    ...nodesAround(model.graph, drownedValues(model.graph, calibration), DROWNED_REASON),
  ]);
  const placement = float.size > 0 ? placementOf(model, resolved, float) : first;
  const settings = settingsByNode(model.graph, resolved.layers);
  const activations = activationEncodings(model.graph, placement.groups, calibration, resolved, settings);
  const index = indexGraph(model.graph);
  const parametersOf = (layer: LinearLayer, shared?: Encoding) =>
    quantizeParameters(
      model.graph,
      layer,
      inputEncoding(activations, layer.input),
      { ...resolved, ...weightSettings(settings.get(layer.node)) },
      inputMaxima(index, calibration, layer),
      shared,
    );
  const alone = placement.layers.map((layer) => parametersOf(layer));
  const shared = sharedEncodings(alone);
  const parameters = alone.map((own) => {
    const encoding = shared.get(own);
    return encoding ? { ...parametersOf(own.layer, encoding), raisedChannels: own.raisedChannels } : own;
  });
  const constants = quantizeConstants(model.graph, placement, activations);
  return { target: resolved.target, placement, activations, parameters, constants };
}

/** Options of {@link quantize}. */
export interface QuantizeTransformOptions extends QuantizeOptions {
  /** Statistics of this very model, of {@link calibrate}. Default: collected over `context.data`. */
  readonly calibration?: Calibration | undefined;
}

/**
 * Quantizes a folded float model to integers (affine: q = clamp(round(x/scale) + zeroPoint, qmin, qmax)).
 * Requires: BatchNormalization folded, opset ≥ 13.
 * @throws {OptionsError} an option; E2103 an exclusion that matches nothing.
 * @throws {ModelError} E4003 already quantized; E3006 NaN weights; E4002 opset below 13.
 * @throws {DataError} E5003 a value without statistics. @throws {PreconditionError} E4005 a chooser without histograms; neither statistics nor samples.
 */
export function quantize({ calibration, ...options }: QuantizeTransformOptions = {}): Transform<QuantizeReport> {
  resolveQuantizeOptions(options);
  return async (model, context) => {
    const statistics =
      calibration ?? (await calibrate(model, { requests: quantizationRequests(model, options) }, context));
    return applyPlan(model, planQuantization(model, statistics, options), statistics, options);
  };
}

/** Writes a plan into the model that it was made for, in the format of the options. */
export function applyPlan(
  model: Model,
  plan: QuantizationPlan,
  { random }: Pick<Calibration, "random">,
  options: QuantizeOptions,
): QuantizeReport {
  const { format, rounding, target } = resolveQuantizeOptions(options);
  if (format === "qdq") applyQdq(model, plan);
  else applyEmulation(model, plan, rounding);
  if (random) model.metadata.set("equant.data", "random");
  return {
    transform: "quantize",
    modified: plan.parameters.length > 0 || plan.activations.size > 0,
    skipped: plan.placement.skipped,
    details: quantizationDetails(plan, target),
    encodings: Object.fromEntries([...plan.activations].map(([value, encoding]) => [value, summary(encoding)])),
    raisedScales: plan.parameters
      .filter(({ raisedChannels }) => raisedChannels.length > 0)
      .map(({ layer, raisedChannels }) => ({ layer: labelOf(layer.node), channels: raisedChannels })),
  };
}

function weightSettings(own: Partial<LayerSettings> = {}): Pick<LayerSettings, "weightBits" | "granularity"> {
  const { weightBits, granularity } = own;
  return { ...(weightBits !== undefined && { weightBits }), ...(granularity !== undefined && { granularity }) };
}

function placementOf({ graph }: Model, options: ResolvedQuantizeOptions, more: FloatReasons = new Map()): Placement {
  const float = new Map([...nodesAround(graph, infiniteValues(graph), INFINITE_REASON), ...more]);
  return planPlacement(graph, options.spec, resolveExclusions(graph, options.exclude), float);
}

function inputEncoding(activations: ReadonlyMap<string, Encoding>, input: string): Encoding {
  const encoding = activations.get(input);
  if (!encoding) throw new PreconditionError("E9001", `quantize: no encoding for value "${input}"`, { tensor: input });
  return encoding;
}

function summary(encoding: Encoding): { scale: number; zeroPoint: number; dtype: string } {
  return { scale: encoding.scale[0]!, zeroPoint: encoding.zeroPoint[0]!, dtype: encoding.dtype };
}

function requireFloatModel(model: Model): void {
  assertNotQuantized(model);
  const opset = model.opsets.get("") ?? 0;
  if (opset < 13) {
    throw new ModelError("E4002", `quantize: opset ${opset}, expected 13 or newer`, {
      actual: opset,
      hint: "upgrade the model first: upgradeOpset()",
    });
  }
}
