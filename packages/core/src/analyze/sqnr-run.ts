import type { Dataset } from "../data/index.js";
import { RunError } from "../errors.js";
import { byteLengthOf, type Model, sizeOf } from "../graph/index.js";
import type { QuantizationPlan } from "../quantize/index.js";
import {
  countedPart,
  Feed,
  forEachBatch,
  type HostTensor,
  type ObservedType,
  observeShapes,
  type RunBatch,
  requireRunner,
  type TransformContext,
} from "../runtime/index.js";
import { buildSqnrGraph, type LayerOutputs } from "./sqnr-graph.js";
import type { MeasuredLayer } from "./sqnr-layers.js";

/** Results of one layer by the names in {@link LayerOutputs}: means, and maxima for `top` and `bottom`. */
export interface LayerPowers {
  readonly outputs: LayerOutputs;
  readonly types: ReadonlyMap<string, ObservedType>;
  of(output: string): Float64Array;
}

/** How to run. */
export interface SqnrRunOptions {
  readonly cumulative: boolean;
  readonly batchSize: number;
  readonly memoryBytes: number;
}

/**
 * Runs the generated graph over the data. Every value of a network exists in up to six versions; the batch is made
 * smaller where they would exceed `memoryBytes` together, and at batch 1 the layers are split over several graphs, each
 * of which repeats the networks up to its last layer.
 */
export async function runSqnr(
  model: Model,
  plan: QuantizationPlan,
  layers: readonly MeasuredLayer[],
  dataset: Dataset,
  options: SqnrRunOptions,
  context: TransformContext,
): Promise<LayerPowers[]> {
  const runner = requireRunner(context, "measureSqnr");
  const feed = await Feed.of(model, dataset, context);
  const { fixed } = feed;
  const types = await observeShapes(model, await feed.first(), { runner });
  const perSample = (bytesARun(model, types) / (fixed ?? 1)) * (options.cumulative ? 6 : 3);
  const batchSize = fixed ?? Math.min(options.batchSize, Math.max(1, Math.floor(options.memoryBytes / perSample)));
  const parts = Math.min(layers.length, Math.max(1, Math.ceil((batchSize * perSample) / options.memoryBytes)));
  const results: LayerPowers[] = [];
  for (let part = 0; part < parts; part++) {
    const from = Math.floor((part * layers.length) / parts);
    const to = Math.floor(((part + 1) * layers.length) / parts);
    const graph = buildSqnrGraph(model, plan, layers.slice(from, to), types, options.cumulative);
    const sums = new Sums(graph.layers);
    await runner.using(
      graph.model,
      (session) =>
        forEachBatch(session, feed, { batchSize }, context, (fetched, batch) => {
          sums.add(fetched, batch);
          const done = part * dataset.length + batch.firstIndex + batch.count;
          context.onProgress?.({ phase: "measure SQNR", done, total: parts * dataset.length });
        }),
      { purpose: "measureSqnr" },
    );
    results.push(
      ...graph.layers.map((outputs) => ({ outputs, types, of: (name: string) => sums.result(name, outputs) })),
    );
  }
  return results;
}

function bytesARun(model: Model, types: ReadonlyMap<string, ObservedType>): number {
  const values = model.graph.nodes.flatMap((node) => node.outputs);
  return values.reduce((sum, value) => {
    const type = types.get(value);
    return sum + (type ? (byteLengthOf(type.dtype, sizeOf(type.dims)) ?? 0) : 0);
  }, 0);
}

/** Means and maxima by channel, streamed. */
export class Sums {
  readonly #maxima: ReadonlySet<string>;
  readonly #values = new Map<string, Float64Array>();
  #samples = 0;

  constructor(layers: readonly LayerOutputs[]) {
    this.#maxima = new Set(layers.flatMap(({ top, bottom }) => [top, bottom]));
  }

  add(fetched: Readonly<Record<string, HostTensor>>, batch: RunBatch): void {
    this.#samples += batch.count;
    for (const [name, tensor] of Object.entries(fetched)) {
      const data = countedPart(tensor.data as Float32Array, batch);
      const channels = data.length / batch.count;
      const largest = this.#maxima.has(name);
      const values = this.#values.get(name) ?? new Float64Array(channels).fill(largest ? Number.NEGATIVE_INFINITY : 0);
      this.#values.set(name, values);
      for (let at = 0; at < data.length; at++) {
        const channel = at % channels;
        const value = Number(data[at]);
        values[channel] = largest ? Math.max(values[channel]!, value) : values[channel]! + value;
      }
    }
  }

  mean(name: string): Float64Array {
    return this.#values.get(name)!.map((sum) => sum / this.#samples);
  }

  result(name: string, { layer }: LayerOutputs): Float64Array {
    const values = this.#values.get(name)!;
    const result = this.#maxima.has(name) ? values : this.mean(name);
    if (result.every(Number.isFinite)) return result;
    throw new RunError("E7001", `measureSqnr: NaN or Inf around "${layer.value}" (layer "${layer.name}")`, {
      node: layer.name,
      opType: layer.layer.opType,
      tensor: layer.value,
      hint: "check the samples and the model's weights",
    });
  }
}
