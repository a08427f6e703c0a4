import {
  countedPart,
  type FedBatch,
  firstSample,
  fixedBatchOf,
  modelBatches,
  singleInput,
} from "../calibrate/index.js";
import type { Dataset } from "../data/index.js";
import { cloneModel, GraphBuilder, type Model, removeDead, sortNodes } from "../graph/index.js";
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
import type { MeasuredLayer } from "./sqnr-layers.js";
import { DequantizedParameters, QuantizedNetwork } from "./sqnr-networks.js";
import { DB_LIMIT } from "./sqnr-report.js";

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

/** The network that a plan describes, in float operators; reads what the model reads. */
export function emulatedNetwork(model: Model, plan: QuantizationPlan): Model {
  return variant(model, plan).model;
}

/** Cuts variants in parts and runs them. */
class Parts {
  constructor(
    readonly types: ReadonlyMap<string, ObservedType>,
    readonly context: TransformContext,
  ) {}

  /** Runs a variant from the values of a cut to another cut, or to its first output. */
  run({ model, network }: Variant, from: Cut, values: readonly HostTensor[], to?: Cut): Promise<HostTensor[]> {
    const output = to ? network.value(to.value) : model.graph.outputs[0]!.name;
    const part = subModel(model, network.value(from.value), this.types.get(from.value)!, [output]);
    const { signal } = this.context;
    return requireRunner(this.context, "sensitivity").using(
      part,
      async (session) => {
        const results: HostTensor[] = [];
        for (const value of values) {
          const fetched = await session.run({ [session.inputNames[0]!]: value }, { signal });
          results.push(fetched[output]!);
        }
        return results;
      },
      { purpose: "sensitivity" },
    );
  }
}

/** The values at one cut, batch by batch, of a network that is walked from cut to cut. */
class Prefix {
  #at: Cut;
  #values: readonly HostTensor[];

  constructor(
    readonly parts: Parts,
    readonly variant: Variant,
    start: Cut,
    values: readonly HostTensor[],
  ) {
    this.#at = start;
    this.#values = values;
  }

  async advance(to: Cut): Promise<readonly HostTensor[]> {
    if (to.value !== this.#at.value) {
      this.#values = await this.parts.run(this.variant, this.#at, this.#values, to);
      this.#at = to;
    }
    return this.#values;
  }
}

/** How many of a batch's samples count. */
type Span = Pick<FedBatch, "fed" | "count">;

/** Runs variants of one model over the same samples and compares their outputs with the float network's. */
export class SensitivityStudy {
  readonly #float: Prefix;
  readonly #quantized: Prefix;

  private constructor(
    readonly source: Model,
    readonly plan: QuantizationPlan,
    readonly parts: Parts,
    readonly cuts: readonly Cut[],
    readonly inputs: readonly HostTensor[],
    readonly spans: readonly Span[],
    /** Outputs of the float network. */
    readonly expected: readonly HostTensor[],
    float: Variant,
  ) {
    const [start] = cuts;
    this.#float = new Prefix(parts, float, start!, inputs);
    this.#quantized = new Prefix(parts, variant(source, plan), start!, inputs);
  }

  static async of(
    model: Model,
    plan: QuantizationPlan,
    dataset: Dataset,
    context: TransformContext,
  ): Promise<SensitivityStudy> {
    const runner = requireRunner(context, "sensitivity");
    const input = singleInput(model);
    const inputs: HostTensor[] = [];
    const spans: Span[] = [];
    const fixed = fixedBatchOf(model);
    const reading = { ...(context.signal && { signal: context.signal }) };
    for await (const { data, dims, fed, count } of modelBatches(dataset, fixed, reading)) {
      inputs.push({ dtype: "float32", dims, data });
      spans.push({ fed, count });
    }
    const types = await observeShapes(runner, model, { [input]: await firstSample(dataset, fixed) });
    const start = { value: input, after: 0 };
    // Only a value with the batch in front can be cut at, whatever the batch size.
    const cuts = singleCuts(model.graph).filter(
      ({ value }) => value !== input && types.get(value)?.dims[0] === (fixed ?? 1),
    );
    const parts = new Parts(types, context);
    const float = variant(model, { ...plan, parameters: [], activations: new Map() });
    const expected = await parts.run(float, start, inputs);
    return new SensitivityStudy(model, plan, parts, [start, ...cuts], inputs, spans, expected, float);
  }

  /** Output SQNR with everything quantized. */
  whole(): Promise<number> {
    return this.#sqnrDb(variant(this.source, this.plan), this.cuts[0]!, this.inputs);
  }

  /** Output SQNR with another plan for the same model. */
  withPlan(plan: QuantizationPlan): Promise<number> {
    return this.#sqnrDb(variant(this.source, plan), this.cuts[0]!, this.inputs);
  }

  /** Layers must be asked for in graph order: prefixes only move forward. */
  async layer(measured: MeasuredLayer): Promise<{ aloneDb: number; withoutDb: number }> {
    const position = this.source.graph.nodes.indexOf(measured.layer.node);
    const cut = this.cuts.findLast(({ after }) => after <= position)!;
    const alone = variant(this.source, this.#only(measured));
    const without = variant(this.source, this.#except(measured));
    return {
      aloneDb: await this.#sqnrDb(alone, cut, await this.#float.advance(cut)),
      withoutDb: await this.#sqnrDb(without, cut, await this.#quantized.advance(cut)),
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

  async #sqnrDb(quantized: Variant, cut: Cut, values: readonly HostTensor[]): Promise<number> {
    const outputs = await this.parts.run(quantized, cut, values);
    let signal = 0;
    let noise = 0;
    for (const [batch, { data }] of this.expected.entries()) {
      const actual = outputs[batch]!.data as Float32Array;
      countedPart(data as Float32Array, this.spans[batch]!).forEach((value, at) => {
        signal += value * value;
        noise += (value - actual[at]!) ** 2;
      });
    }
    return Math.max(-DB_LIMIT, Math.min(DB_LIMIT, toDb(sqnrOfPowers(signal, noise))));
  }
}
