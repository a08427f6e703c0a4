import { cloneModel, GraphBuilder, isOp, type Model, type Node, removeDead } from "../graph/index.js";
import { countedPart, type HostTensor, type RunBatch } from "../runtime/index.js";

/** Channel sums of one layer's output over samples, streamed batch by batch. */
export class ChannelMean {
  #sum = new Float64Array(0);
  #samples = 0;

  /** Adds [N, channels] means over positions of N samples, of which those behind `batch.count` are left out. */
  add({ data, dims }: HostTensor, batch: Pick<RunBatch, "fed" | "count">): void {
    const values = countedPart(data as Float32Array, batch);
    const rows = (dims[0]! / batch.fed) * batch.count;
    const channels = values.length / rows;
    if (this.#samples === 0) this.#sum = new Float64Array(channels);
    for (let at = 0; at < values.length; at++) {
      this.#sum[at % channels] = this.#sum[at % channels]! + values[at]!;
    }
    this.#samples += rows;
  }

  mean(): Float64Array {
    return this.#sum.map((sum) => sum / this.#samples);
  }
}

/**
 * Adds the mean over positions of a layer's output, [N, channels], and returns its name. GlobalAveragePool stays in ONNX Runtime's
 * blocked layout, where ReduceMean would force a reorder. A Gemm's output has no positions.
 */
export function meanOf(builder: GraphBuilder, layer: Node): string {
  const value = layer.outputs[0]!;
  if (isOp(layer, "Gemm")) return builder.node("Identity", [value]);
  return builder.node("Flatten", [builder.node("GlobalAveragePool", [value])]);
}

/** The same as graph output. */
export function exposeMean(builder: GraphBuilder, layer: Node): string {
  const mean = meanOf(builder, layer);
  builder.output(mean, "float32");
  return mean;
}

/** A copy of the model that outputs nothing but the means of `layers`, in their order. */
export function meansModel(source: Model, layers: readonly Node[]): { model: Model; means: string[] } {
  const model = cloneModel(source);
  const builder = new GraphBuilder(model.graph);
  model.graph.outputs = [];
  const means = layers.map((layer) => exposeMean(builder, layer));
  removeDead(model.graph);
  return { model, means };
}
