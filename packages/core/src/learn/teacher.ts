import { exposeMean } from "../correct/means.js";
import type { Dataset } from "../data/index.js";
import { cloneModel, GraphBuilder, int, type Model, type Node, removeDead, sizeOf } from "../graph/index.js";
import {
  countedPart,
  Feed,
  forEachBatch,
  type HostTensor,
  requireRunner,
  type Session,
  type TransformContext,
} from "../runtime/index.js";

/** What the float network says about every sample, computed once. */
export interface Teaching {
  /** Values of one kind for all samples, one row a sample: the output, then the channel means of each layer. */
  readonly rows: readonly { readonly width: number; readonly dims: readonly number[]; readonly data: Float32Array }[];
  /** Root mean square of each layer's output, over samples, channels and positions. */
  readonly scale: readonly number[];
  /** Mean square of the output. */
  readonly power: number;
}

/** Runs the float network over the samples. `output` is the value to distil, `layers` the nodes in the order of the targets. */
export async function teach(
  source: Model,
  output: string,
  layers: readonly Node[],
  dataset: Dataset,
  context: TransformContext,
): Promise<Teaching> {
  const model = cloneModel(source);
  const builder = new GraphBuilder(model.graph);
  model.graph.outputs = [];
  const copy = builder.node("Identity", [output], {}, { name: "teacher" });
  builder.output(copy);
  const means = layers.map((layer) => exposeMean(builder, layer));
  const squares = layers.map((layer) => {
    const square = builder.node("Mul", [layer.outputs[0]!, layer.outputs[0]!]);
    const mean = builder.node("ReduceMean", [square], { keepdims: int(0) });
    builder.output(mean, "float32", []);
    return mean;
  });
  removeDead(model.graph);
  const names = [copy, ...means];
  const rows: { width: number; dims: readonly number[]; data: Float32Array }[] = [];
  const power = squares.map(() => 0);
  const feed = await Feed.of(source, dataset, context);
  const use = (session: Session) =>
    forEachBatch(session, feed, {}, context, (fetched, batch) => {
      const { count, fed, firstIndex } = batch;
      for (const [at, name] of names.entries()) {
        const tensor = fetched[name]!;
        const width = sizeOf(tensor.dims) / fed;
        rows[at] ??= { width, dims: tensor.dims.slice(1), data: new Float32Array(width * dataset.length) };
        rows[at].data.set(countedPart(tensor.data as Float32Array, batch), firstIndex * width);
      }
      for (const [at, name] of squares.entries()) power[at]! += (fetched[name]!.data[0] as number) * count;
    });
  await requireRunner(context, "tuneBiases").using(model, use, { purpose: "tuneBiases" });
  const own = rows[0]!.data.reduce((sum, value) => sum + value * value, 0) / rows[0]!.data.length;
  return { rows, scale: power.map((sum) => Math.sqrt(sum / dataset.length)), power: own };
}

/** Rows of some samples as one tensor. */
export function pick({ width, dims, data }: Teaching["rows"][number], samples: ArrayLike<number>): HostTensor {
  const chosen = new Float32Array(samples.length * width);
  for (let at = 0; at < samples.length; at++) {
    chosen.set(data.subarray(samples[at]! * width, (samples[at]! + 1) * width), at * width);
  }
  return { dtype: "float32", dims: [samples.length, ...dims], data: chosen };
}
