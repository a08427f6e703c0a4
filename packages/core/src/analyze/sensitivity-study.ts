import type { Dataset } from "../data/index.js";
import { cloneModel, GraphBuilder, type Model, removeDead, sortNodes } from "../graph/index.js";
import { tensorOutputs } from "../operators/tensor-values.js";
import type { QuantizationPlan } from "../quantize/index.js";
import {
  exposeValues,
  type FedBatch,
  Feed,
  type Feeds,
  type ObservedType,
  observeShapes,
  requireRunner,
  type TransformContext,
} from "../runtime/index.js";
import { type Cut, singleCuts, subModel } from "./cuts.js";
import { OutputComparison } from "./output-error.js";
import type { MeasuredLayer } from "./sqnr-layers.js";
import { DequantizedParameters, QuantizedNetwork } from "./sqnr-networks.js";
import { DB_LIMIT } from "./sqnr-report.js";

/** A quantized variant of the whole model in its own graph. */
interface Variant {
  readonly model: Model;
  readonly network: QuantizedNetwork;
  /** Names of the source's outputs, in the order of this model's. */
  readonly names: readonly string[];
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
  return { model: copy, network, names: model.graph.outputs.map(({ name }) => name) };
}

/** The network that a plan describes, in float operators; reads what the model reads. */
export function emulatedNetwork(model: Model, plan: QuantizationPlan): Model {
  return variant(model, plan).model;
}

/** Where a part begins: at a cut, or, without `value`, at the inputs. */
interface Start {
  readonly value?: string;
  readonly after: number;
}

/** Cuts variants in parts and runs them. */
class Parts {
  constructor(
    readonly types: ReadonlyMap<string, ObservedType>,
    /** Outputs of the source that are tensors, by position. */
    readonly outputs: readonly number[],
    readonly context: TransformContext,
  ) {}

  /** Runs a variant from the values of a cut to another cut, or to its outputs, which come under the names of the source's. */
  run(
    { model, network, names }: Variant,
    from: Start,
    values: readonly Readonly<Feeds>[],
    to?: Cut,
  ): Promise<Readonly<Feeds>[]> {
    const wanted = to
      ? new Map([[to.value, network.value(to.value)]])
      : new Map(this.outputs.map((at) => [names[at]!, model.graph.outputs[at]!.name]));
    const ends = [...new Set(wanted.values())];
    const start = from.value;
    const part =
      start === undefined
        ? exposeValues(model, ends)
        : subModel(model, network.value(start), this.types.get(start)!, ends);
    removeDead(part.graph);
    const { signal } = this.context;
    return requireRunner(this.context, "sensitivity").using(
      part,
      async (session) => {
        const results: Readonly<Feeds>[] = [];
        for (const value of values) {
          const feeds = start === undefined ? value : { [network.value(start)]: value[start]! };
          const fetched = await session.run(feeds, { signal });
          results.push(Object.fromEntries([...wanted].map(([name, own]) => [name, fetched[own]!])));
        }
        return results;
      },
      { purpose: "sensitivity" },
    );
  }
}

/** The values at one cut, batch by batch, of a network that is walked from cut to cut. */
class Prefix {
  #at: Start;
  #values: readonly Readonly<Feeds>[];

  constructor(
    readonly parts: Parts,
    readonly variant: Variant,
    start: Start,
    values: readonly Readonly<Feeds>[],
  ) {
    this.#at = start;
    this.#values = values;
  }

  async advance(to: Start): Promise<readonly Readonly<Feeds>[]> {
    if (to.value !== undefined && to.value !== this.#at.value) {
      this.#values = await this.parts.run(this.variant, this.#at, this.#values, { value: to.value, after: to.after });
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
    readonly cuts: readonly Start[],
    readonly inputs: readonly Readonly<Feeds>[],
    readonly spans: readonly Span[],
    /** Outputs of the float network. */
    readonly expected: readonly Readonly<Feeds>[],
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
    const feed = await Feed.of(model, dataset, context);
    const inputs: Readonly<Feeds>[] = [];
    const spans: Span[] = [];
    for await (const { feeds, fed, count } of feed.batches({ ...(context.signal && { signal: context.signal }) })) {
      inputs.push(feeds);
      spans.push({ fed, count });
    }
    const types = await observeShapes(model, await feed.first(), { runner });
    const start: Start = { after: 0 };
    // Only a value with the batch in front can be cut at, whatever the batch size.
    const cuts = singleCuts(model.graph).filter(
      ({ value }) => !feed.names.includes(value) && types.get(value)?.dims[0] === (feed.fixed ?? 1),
    );
    const fetched = new Set(tensorOutputs(model));
    const outputs = model.graph.outputs.flatMap(({ name }, at) => (fetched.has(name) ? [at] : []));
    const parts = new Parts(types, outputs, context);
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

  async #sqnrDb(quantized: Variant, cut: Start, values: readonly Readonly<Feeds>[]): Promise<number> {
    const outputs = await this.parts.run(quantized, cut, values);
    const comparison = new OutputComparison();
    for (const [at, expected] of this.expected.entries()) comparison.add(expected, outputs[at]!, this.spans[at]!);
    return Math.max(-DB_LIMIT, Math.min(DB_LIMIT, comparison.error().sqnrDb));
  }
}
