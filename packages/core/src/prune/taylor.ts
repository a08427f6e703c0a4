import type { Dataset } from "../data/index.js";
import { PreconditionError } from "../errors.js";
import { crossEntropy, differentiate, gradientName, type KnownShapes, observeBatchShapes } from "../gradient/index.js";
import { cloneModel, GraphBuilder, type Model } from "../graph/index.js";
import { factsOf } from "../operators/facts.js";
import type { HostTensor, Session, TransformContext } from "../runtime/index.js";
import { Feed, forEachBatch, requireRunner } from "../runtime/index.js";
import type { Scores } from "./ranking.js";
import { floatsIn, type ParameterValues, type Scorer } from "./weight-scores.js";

const LABELS = "prune/labels";
const BATCH = 32;

/** A network with the cross-entropy of its first output, and the parameters among its inputs. */
export interface LossNetwork {
  readonly model: Model;
  readonly loss: string;
  readonly shapes: KnownShapes;
}

/**
 * Appends mean cross-entropy with int64 labels (input {@link LABELS}) and makes `parameters` inputs.
 * @throws {PreconditionError} E4005 the first output is not [N, classes].
 */
export async function lossNetwork(
  source: Model,
  parameters: readonly string[],
  context: TransformContext,
): Promise<LossNetwork> {
  const shapes = await observeBatchShapes(requireRunner(context, "prune"), source);
  const model = cloneModel(source);
  const { graph } = model;
  for (const name of parameters) {
    const { dtype, dims } = graph.initializers.get(name)!;
    graph.initializers.delete(name);
    graph.inputs = [...graph.inputs.filter((info) => info.name !== name), { name, dtype, shape: dims }];
  }
  const last = graph.outputs[0]!.name;
  const producer = graph.nodes.find(({ outputs }) => outputs.includes(last));
  // Cross-entropy brings its own softmax: a network that ends in one is read before it.
  const output = producer && factsOf(producer)?.kind === "softmax" ? producer.inputs[0]! : last;
  const dims = shapes.get(output)?.dims ?? [];
  if (dims.length !== 2 || (dims[1] ?? 0) < 2) {
    throw new PreconditionError(
      "E4005",
      `prune: output "${output}" has shape [${dims.join(", ")}], expected [N, classes]`,
      {
        tensor: output,
        expected: ["N", "classes"],
        actual: [...dims],
        hint: "Taylor scores need a classifier; magnitude and synflow do not",
      },
    );
  }
  const builder = new GraphBuilder(graph);
  builder.input(LABELS, ["N"], "int64");
  const loss = crossEntropy(builder, output, LABELS, dims[1]!);
  return { model, loss, shapes };
}

/** Feeds of parameters by name. */
export function parameterFeeds(model: Model, values: ParameterValues): Record<string, HostTensor> {
  const feeds: Record<string, HostTensor> = {};
  for (const [name, data] of values) {
    feeds[name] = { dtype: "float32", dims: model.graph.initializers.get(name)!.dims, data };
  }
  return feeds;
}

/** Labels of a dataset, or a network's own answers where it has none. */
export async function labelsOf(model: Model, dataset: Dataset, context: TransformContext): Promise<BigInt64Array> {
  if (dataset.label) return BigInt64Array.from({ length: dataset.length }, (_, i) => BigInt(dataset.label!(i)));
  const labels = new BigInt64Array(dataset.length);
  const output = model.graph.outputs[0]!.name;
  const feed = await Feed.of(model, dataset, context);
  const options = { fetches: [output], batchSize: BATCH };
  await requireRunner(context, "prune").using(model, (session) =>
    forEachBatch(session, feed, options, context, (results, { count, firstIndex }) => {
      const scores = results[output]!.data as Float32Array;
      const classes = scores.length / count;
      for (let i = 0; i < count; i++) {
        const own = scores.subarray(i * classes, (i + 1) * classes);
        labels[firstIndex + i] = BigInt(own.indexOf(own.reduce((top, value) => Math.max(top, value), -Infinity)));
      }
    }),
  );
  return labels;
}

/** Runs a network with labels over a dataset, batch by batch. */
export async function forLabelledBatches(
  session: Session,
  model: Model,
  dataset: Dataset,
  labels: BigInt64Array,
  constants: Readonly<Record<string, HostTensor>>,
  context: TransformContext,
  visit: (results: Record<string, HostTensor>, count: number) => void,
): Promise<void> {
  const feed = await Feed.of(model, dataset, context);
  const extra = ({ count, fed, firstIndex }: { count: number; fed: number; firstIndex: number }) => {
    const data = new BigInt64Array(fed);
    data.set(labels.subarray(firstIndex, firstIndex + count));
    return { [LABELS]: { dtype: "int64", dims: [fed], data } } as const;
  };
  await forEachBatch(session, feed, { batchSize: BATCH, constants, extra }, context, (results, { count }) =>
    visit(results, count),
  );
}

/**
 * First-order Taylor scores (Molchanov et al. 2017): |θ·∂L/∂θ|, what the loss changes by, to first order, when θ becomes
 * 0. L is the mean cross-entropy of a batch of 32; scores are means over the batches, weighted by their samples.
 */
export class TaylorScorer implements Scorer {
  private constructor(
    readonly model: Model,
    readonly dataset: Dataset,
    readonly labels: BigInt64Array,
    readonly session: Session,
    readonly context: TransformContext,
    readonly parameters: readonly string[],
  ) {}

  static async open(
    model: Model,
    parameters: readonly string[],
    dataset: Dataset,
    context: TransformContext,
  ): Promise<TaylorScorer> {
    const labels = await labelsOf(model, dataset, context);
    const { model: network, loss, shapes } = await lossNetwork(model, parameters, context);
    const step = differentiate(network, { loss, wrt: parameters, shapes });
    const session = await requireRunner(context, "prune").open(step, { purpose: "taylor" });
    return new TaylorScorer(model, dataset, labels, session, context, parameters);
  }

  dispose(): Promise<void> {
    return this.session.dispose();
  }

  async score(values: ParameterValues): Promise<Scores> {
    const wanted = this.parameters.map(
      (name) => [name, values.get(name) ?? floatsIn(this.model.graph.initializers.get(name)!)] as const,
    );
    const scores = new Map(wanted.map(([name, own]) => [name, new Float64Array(own.length)]));
    const feeds = parameterFeeds(this.model, new Map(wanted));
    await forLabelledBatches(
      this.session,
      this.model,
      this.dataset,
      this.labels,
      feeds,
      this.context,
      (results, count) => {
        for (const [name, own] of wanted) {
          const gradient = results[gradientName(name)]!.data as Float32Array;
          const sum = scores.get(name)!;
          for (let i = 0; i < sum.length; i++) {
            sum[i]! += (Math.abs(own[i]! * gradient[i]!) * count) / this.dataset.length;
          }
        }
      },
    );
    return scores;
  }
}
