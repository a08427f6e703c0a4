import { type Dataset, spread } from "../data/index.js";
import { OptionsError, rejectUnknownOptions } from "../errors.js";
import type { Model } from "../graph/index.js";
import type { QuantizationPlan } from "../quantize/index.js";
import { requireData, type TransformContext } from "../runtime/index.js";
import { SensitivityStudy } from "./sensitivity-study.js";
import { measureSqnr } from "./sqnr.js";
import { type MeasuredLayer, measuredLayers } from "./sqnr-layers.js";
import type { SqnrReport } from "./sqnr-report.js";

/** Name and version of the report's format. A field is never removed within a major version. */
const SENSITIVITY_SCHEMA = "equant.sensitivity/1";

/** Options for {@link sensitivity}. */
export interface SensitivityOptions {
  /** A plan for this very model. */
  plan: QuantizationPlan;
  /** Samples, spread over the dataset. Default: 16. */
  samples?: number;
  /** Only this many layers, those with the lowest local SQNR. Default: all. */
  top?: number | undefined;
  /** Where local SQNRs are known already; measured without the cumulative networks otherwise. */
  report?: SqnrReport | undefined;
}

const SENSITIVITY_DEFAULTS = { samples: 16 } as const satisfies Partial<SensitivityOptions>;

/** What one layer costs the network's output, in dB of output SQNR (300: no noise). */
export interface LayerSensitivity {
  readonly layer: string;
  readonly opType: string;
  /** Output SQNR with this layer alone quantized: its weights and bias, and its output. */
  readonly aloneDb: number;
  /** Output SQNR with everything but this layer quantized. */
  readonly withoutDb: number;
  /** `withoutDb` less the output SQNR of the whole quantized network: what keeping the layer in float would gain. */
  readonly gainDb: number;
}

export interface SensitivityReport {
  readonly schema: typeof SENSITIVITY_SCHEMA;
  readonly samples: number;
  /** Output SQNR with everything quantized. */
  readonly allDb: number;
  /** The layer whose float would gain most first. */
  readonly layers: readonly LayerSensitivity[];
}

/**
 * Quantizes one layer at a time, and all but one, and compares the output with the float network's. Emulated in float
 * operators, so that any bit width and target can be asked.
 *
 * Runs two networks a layer, each from the last cut before the layer on: what lies before it is the same for all later
 * layers and is kept (float32, one value a sample). In a chain this is about half of 2 × layers whole networks.
 */
export async function sensitivity(
  model: Model,
  options: SensitivityOptions,
  context: TransformContext,
): Promise<SensitivityReport> {
  rejectUnknownOptions("sensitivity", options, ["plan", "samples", "top", "report"]);
  const { plan, samples, top, report } = { ...SENSITIVITY_DEFAULTS, ...options };
  for (const [name, value] of Object.entries({ samples, top })) {
    if (value === undefined || (Number.isInteger(value) && value >= 1)) continue;
    throw new OptionsError("E2002", `sensitivity: invalid ${name} ${value}, expected a whole number from 1`, {
      expected: "an integer, 1 or more",
      actual: value,
    });
  }
  const chosen = spread(requireData(context, "sensitivity"), samples);
  const all = measuredLayers(model.graph, plan).layers;
  const layers = top === undefined ? all : await worst(all, top, report, model, plan, chosen, context);
  const study = await SensitivityStudy.of(model, plan, chosen, context);
  const allDb = await study.whole();
  const results: LayerSensitivity[] = [];
  for (const [at, layer] of layers.entries()) {
    const { aloneDb, withoutDb } = await study.layer(layer);
    results.push({ layer: layer.name, opType: layer.layer.opType, aloneDb, withoutDb, gainDb: withoutDb - allDb });
    context.onProgress?.({ phase: "sensitivity", done: at + 1, total: layers.length });
  }
  results.sort((a, b) => b.gainDb - a.gainDb);
  return { schema: SENSITIVITY_SCHEMA, samples: chosen.length, allDb, layers: results };
}

/** The layers with the lowest local SQNR, in graph order. */
async function worst(
  layers: readonly MeasuredLayer[],
  top: number,
  report: SqnrReport | undefined,
  model: Model,
  plan: QuantizationPlan,
  dataset: Dataset,
  context: TransformContext,
): Promise<MeasuredLayer[]> {
  const { culprits } = report ?? (await measureSqnr(model, { plan, cumulative: false }, { ...context, data: dataset }));
  const names = new Set(culprits.slice(0, top).map(({ layer }) => layer));
  return layers.filter(({ name }) => names.has(name));
}
