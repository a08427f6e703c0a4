import { singleInput } from "../calibrate/index.js";
import { batches, type Dataset, spread } from "../data/index.js";
import { OptionsError, rejectUnknownOptions } from "../errors.js";
import { cloneModel, GraphBuilder, type Model, removeDead, sizeOf, sortNodes } from "../graph/index.js";
import { sqnrOfPowers, toDb } from "../math/index.js";
import type { QuantizationPlan } from "../quantize/index.js";
import {
  type HostTensor,
  type ObservedType,
  observeShapes,
  requireRunner,
  type TransformContext,
} from "../runtime/index.js";
import { type Cut, singleCuts, subModel } from "./cuts.js";
import { measureSqnr } from "./sqnr.js";
import { type MeasuredLayer, measuredLayers } from "./sqnr-layers.js";
import { DequantizedParameters, QuantizedNetwork } from "./sqnr-networks.js";
import { DB_LIMIT, type SqnrReport } from "./sqnr-report.js";

/** Name and version of the report's format. A field is never removed within a major version. */
export const SENSITIVITY_SCHEMA = "equant.sensitivity/1";

/** Options for {@link sensitivity}. */
export interface SensitivityOptions {
  /** Samples, spread over the dataset. Default: 16. */
  samples?: number;
  /** Only this many layers, those with the lowest local SQNR. Default: all. */
  top?: number | undefined;
  /** Where local SQNRs are known already; measured without the cumulative networks otherwise. */
  report?: SqnrReport | undefined;
}

export const SENSITIVITY_DEFAULTS = { samples: 16 } as const satisfies SensitivityOptions;

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
  plan: QuantizationPlan,
  dataset: Dataset,
  context: TransformContext,
  options: SensitivityOptions = {},
): Promise<SensitivityReport> {
  rejectUnknownOptions("sensitivity", options, ["samples", "top", "report"]);
  const { samples, top, report } = { ...SENSITIVITY_DEFAULTS, ...options };
  for (const [name, value] of Object.entries({ samples, top })) {
    if (value === undefined || (Number.isInteger(value) && value >= 1)) continue;
    throw new OptionsError("E2002", `sensitivity: invalid ${name} ${value}, expected a whole number from 1`, {
      expected: "an integer, 1 or more",
      actual: value,
    });
  }
  const chosen = spread(dataset, samples);
  const all = measuredLayers(model.graph, plan).layers;
  const layers = top === undefined ? all : await worst(all, top, report, model, plan, chosen, context);
  const study = await Study.of(model, plan, all, chosen, context);
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
  const { culprits } = report ?? (await measureSqnr(model, plan, dataset, context, { cumulative: false }));
  const names = new Set(culprits.slice(0, top).map(({ layer }) => layer));
  return layers.filter(({ name }) => names.has(name));
}

/** A quantized variant of the whole model in its own graph. */
interface Variant {
  readonly model: Model;
  readonly network: QuantizedNetwork;
}

/** The model with the parameters and activations of `plan` quantized; its outputs keep their order. */
function variant(model: Model, plan: QuantizationPlan): Variant {
  const copy = cloneModel(model);
  const builder = new GraphBuilder(copy.graph);
  const network = new QuantizedNetwork(builder, plan, new DequantizedParameters(builder, plan), true);
  network.emit(model.graph);
  copy.graph.outputs = model.graph.outputs.map((info) => ({ ...info, name: network.value(info.name) }));
  sortNodes(copy.graph);
  removeDead(copy.graph);
  return { model: copy, network };
}

/** The values at one cut, batch by batch, of a network that is walked from cut to cut. */
class Prefix {
  #at: Cut;
  #values: HostTensor[];

  constructor(
    readonly variant: Variant,
    start: Cut,
    values: HostTensor[],
  ) {
    this.#at = start;
    this.#values = values;
  }

  async advance(to: Cut, study: Study): Promise<readonly HostTensor[]> {
    if (to.value !== this.#at.value) {
      const { network, model } = this.variant;
      const target = network.value(to.value);
      const part = study.from(model, network.value(this.#at.value), this.#at.value, target);
      this.#values = await study.run(part, this.#values);
      this.#at = to;
    }
    return this.#values;
  }
}

class Study {
  private constructor(
    readonly source: Model,
    readonly plan: QuantizationPlan,
    readonly layers: readonly MeasuredLayer[],
    readonly context: TransformContext,
    readonly types: ReadonlyMap<string, ObservedType>,
    readonly cuts: readonly Cut[],
    readonly inputs: readonly HostTensor[],
    /** Outputs of the float network. */
    readonly expected: readonly HostTensor[],
    readonly quantized: Prefix,
    readonly float: Prefix,
  ) {}

  static async of(
    model: Model,
    plan: QuantizationPlan,
    layers: readonly MeasuredLayer[],
    dataset: Dataset,
    context: TransformContext,
  ): Promise<Study> {
    const runner = requireRunner(context, "sensitivity");
    const input = singleInput(model);
    const inputs: HostTensor[] = [];
    for await (const { data, dims } of batches(dataset, {
      batchSize: 8,
      ...(context.signal && { signal: context.signal }),
    })) {
      inputs.push({ dtype: "float32", dims, data });
    }
    const first = inputs[0]!;
    const one = (first.data as Float32Array).subarray(0, sizeOf(dataset.shape));
    const types = await observeShapes(runner, model, { [input]: { ...first, dims: [1, ...dataset.shape], data: one } });
    // Only values with the batch in front can be cut at, whatever the batch size.
    const cuts = singleCuts(model.graph).filter(({ value }) => types.get(value)?.dims[0] === 1);
    const start = { value: input, after: 0 };
    const quantized = variant(model, plan);
    const none = variant(model, { ...plan, parameters: [], activations: new Map() });
    const study = new Study(
      model,
      plan,
      layers,
      context,
      types,
      [start, ...cuts.filter(({ value }) => value !== input)],
      inputs,
      [],
      new Prefix(quantized, start, inputs),
      new Prefix(none, start, inputs),
    );
    const expected = await study.run(study.from(none.model, input, input), inputs);
    return Object.assign(study, { expected });
  }

  /** Output SQNR with everything quantized. */
  whole(): Promise<number> {
    const [start] = this.cuts;
    return this.#sqnrDb(this.quantized.variant, start!, this.inputs);
  }

  async layer(measured: MeasuredLayer): Promise<{ aloneDb: number; withoutDb: number }> {
    const position = this.source.graph.nodes.indexOf(measured.layer.node);
    const cut = this.cuts.findLast(({ after }) => after <= position)!;
    const alone = variant(this.source, this.#only(measured));
    const without = variant(this.source, this.#except(measured));
    return {
      aloneDb: await this.#sqnrDb(alone, cut, await this.float.advance(cut, this)),
      withoutDb: await this.#sqnrDb(without, cut, await this.quantized.advance(cut, this)),
    };
  }

  /** The layer's parameters and output. The input of the network belongs to no layer and stays float. */
  #only({ layer, value, encoding }: MeasuredLayer): QuantizationPlan {
    const parameters = this.plan.parameters.filter((other) => other.layer.output === layer.output);
    return { ...this.plan, parameters, activations: new Map(encoding && [[value, encoding]]) };
  }

  #except({ layer, value }: MeasuredLayer): QuantizationPlan {
    const parameters = this.plan.parameters.filter((other) => other.layer.output !== layer.output);
    const activations = new Map([...this.plan.activations].filter(([name]) => name !== value));
    return { ...this.plan, parameters, activations };
  }

  async #sqnrDb({ model, network }: Variant, cut: Cut, values: readonly HostTensor[]): Promise<number> {
    const outputs = await this.run(this.from(model, network.value(cut.value), cut.value), values);
    let signal = 0;
    let noise = 0;
    for (const [batch, { data }] of this.expected.entries()) {
      const actual = outputs[batch]!.data as Float32Array;
      (data as Float32Array).forEach((value, at) => {
        signal += value * value;
        noise += (value - actual[at]!) ** 2;
      });
    }
    return Math.max(-DB_LIMIT, Math.min(DB_LIMIT, toDb(sqnrOfPowers(signal, noise))));
  }

  /** The part of a variant behind a cut, up to `output` or the network's first output. */
  from(model: Model, input: string, cut: string, output = model.graph.outputs[0]!.name): Model {
    return subModel(model, input, this.types.get(cut)!, [output]);
  }

  /** Runs a model with one input and one output over batches. */
  run(model: Model, values: readonly HostTensor[]): Promise<HostTensor[]> {
    const { signal } = this.context;
    return requireRunner(this.context, "sensitivity").using(
      model,
      async (session) => {
        const results: HostTensor[] = [];
        for (const value of values) {
          const fetched = await session.run({ [session.inputNames[0]!]: value }, { signal });
          results.push(fetched[session.outputNames[0]!]!);
        }
        return results;
      },
      { purpose: "sensitivity" },
    );
  }
}
