import { type Dataset, spread } from "../data/index.js";
import { CompressionError } from "../errors.js";
import {
  cloneModel,
  GraphBuilder,
  indexGraph,
  type Model,
  removeDead,
  sizeOf,
  sortNodes,
  Tensor,
} from "../graph/index.js";
import { type FedBatch, Feed, requireData, requireRunner, type TransformContext } from "../runtime/index.js";
import { CorrectionRun, shiftOf } from "./correction-run.js";
import { ChannelMean, meanOf, meansModel } from "./means.js";
import { LITERAL_WEIGHTS, resolveCorrectOptions } from "./options.js";
import { findTargets, type QuantizedPair, type Target } from "./targets.js";

/** Samples for a correction that only helps to decide. */
const TRIAL_SAMPLES = 16;

/** Elements of all samples together up to which they are one run: 16 images of 256×256. Larger ones are walked layer by layer. */
const RUN_ELEMENTS = 2 ** 22;

/** Reasons of ONNX Runtime not to run all samples through one graph: a layer whose rows are no samples, an operator. */
const NOT_AT_ONCE: readonly string[] = ["E4001", "E6001", "E6003", "E6004"];

/**
 * Bias corrections that only help to decide between candidates, on the same few samples: what the sequential `correctBiases` does, in
 * one run instead of one session a layer. The graph takes the mean of every layer's output over the run's samples, and moves the output
 * to the float network's mean before anything reads it, so that every layer stands behind corrected ones. Samples are decoded once, and
 * means of a float network taken once, however many quantized forms of it are tried.
 */
export class TrialCorrection {
  readonly #samples: Dataset;
  readonly #expected = new WeakMap<Model, Map<string, Float64Array>>();
  #batch?: Promise<FedBatch | undefined>;

  constructor(readonly context: TransformContext) {
    const data = requireData(context, "correctBiases");
    this.#samples = spread(data, Math.min(TRIAL_SAMPLES, data.length));
  }

  /** Corrects the biases of `pair.model` in place. @throws {RunError} E7001 a mean is NaN or infinite; E6005 cancelled. */
  async correct(pair: QuantizedPair): Promise<void> {
    const { targets } = findTargets("correctBiases", pair);
    if (targets.length === 0) return;
    this.#batch ??= this.#oneRun(pair.model);
    const batch = await this.#batch;
    try {
      if (!batch) return await this.#walk(pair, targets);
      const expected = await this.#means(pair.floatModel, targets, batch);
      await this.#atOnce(pair.model, targets, expected, batch);
    } catch (error) {
      if (!batch || !(error instanceof CompressionError && NOT_AT_ONCE.includes(error.code))) throw error;
      await this.#walk(pair, targets);
    }
  }

  /** All samples in one run; undefined where they are too large, or do not share one. */
  async #oneRun(model: Model): Promise<FedBatch | undefined> {
    const { length, shape } = this.#samples;
    if (length * sizeOf(shape) > RUN_ELEMENTS) return undefined;
    const feed = await Feed.of(model, this.#samples, this.context);
    if (feed.fixed !== undefined) return undefined;
    for await (const batch of feed.batches({ batchSize: length })) return batch.count === length ? batch : undefined;
    return undefined;
  }

  async #walk(pair: QuantizedPair, targets: readonly Target[]): Promise<void> {
    const options = resolveCorrectOptions({ floatModel: pair.floatModel, plan: pair.plan });
    const run = new CorrectionRun({ ...options, ...pair, dataset: this.#samples }, targets, this.context);
    await run.correct(this.#samples);
  }

  /** Means of the float network's layers, by their output. */
  async #means(model: Model, targets: readonly Target[], batch: FedBatch): Promise<Map<string, Float64Array>> {
    const known = this.#expected.get(model);
    if (known && targets.every(({ floatNode }) => known.has(floatNode.outputs[0]!))) return known;
    const layers = targets.map(({ floatNode }) => floatNode);
    const { model: graph, means } = meansModel(model, layers);
    const fetched = await this.#run(graph, batch);
    const found = layers.map(({ outputs }, at): [string, Float64Array] => {
      const sums = new ChannelMean();
      sums.add(fetched[means[at]!]!, batch);
      return [outputs[0]!, sums.mean()];
    });
    const expected = new Map(found);
    this.#expected.set(model, expected);
    return expected;
  }

  async #atOnce(
    model: Model,
    targets: readonly Target[],
    expected: ReadonlyMap<string, Float64Array>,
    batch: FedBatch,
  ): Promise<void> {
    const wanted = targets.map(({ floatNode }) => expected.get(floatNode.outputs[0]!)!);
    const { model: graph, means } = correctingModel(model, targets, wanted, batch.count);
    const fetched = await this.#run(graph, batch);
    for (const [at, target] of targets.entries()) {
      const actual = Float64Array.from(fetched[means[at]!]!.data as Float32Array);
      target.bias.add(shiftOf(target, wanted[at]!, actual));
    }
  }

  #run(graph: Model, { feeds }: FedBatch) {
    const { signal } = this.context;
    return requireRunner(this.context, "correctBiases").using(graph, (session) => session.run(feeds, { signal }), {
      purpose: "correctBiases",
      ...LITERAL_WEIGHTS,
    });
  }
}

/**
 * A copy of a quantized model in which every target's output y becomes y + (expected − E[y]), means over positions and `samples`
 * samples of the run, and whose outputs are these E[y], each behind corrected layers.
 */
function correctingModel(
  source: Model,
  targets: readonly Target[],
  expected: readonly Float64Array[],
  samples: number,
): { model: Model; means: string[] } {
  const model = cloneModel(source);
  const { graph } = model;
  const builder = new GraphBuilder(graph);
  const index = indexGraph(graph);
  const average = builder.constant(Tensor.float32([1, samples], new Float32Array(samples).fill(1 / samples)));
  const means = targets.map(({ parameters: { layer } }, at) => {
    const corrected = layer.node.outputs[0]!;
    const node = index.producer(corrected)!;
    const raw = builder.names.allocate(`${corrected}_raw`);
    node.outputs = [raw, ...node.outputs.slice(1)];
    // By a product, which has one form in all opsets and sums in float32 as ReduceMean does.
    const mean = builder.node("MatMul", [average, meanOf(builder, node)]);
    const channels = expected[at]!.length;
    const shift = builder.node("Sub", [
      builder.constant(Tensor.float32([1, channels], Float32Array.from(expected[at]!))),
      mean,
    ]);
    const positions = layer.opType === "Gemm" ? 0 : layer.tensor.dims.length - 2;
    const shape = builder.constant(
      Tensor.of(
        "int64",
        [2 + positions],
        BigInt64Array.from([1, channels, ...new Array<number>(positions).fill(1)], BigInt),
      ),
    );
    const spreadShift = builder.node("Reshape", [shift, shape]);
    builder.nodes("Add", [raw, spreadShift]).outputs = [corrected];
    return mean;
  });
  graph.outputs = means.map((name) => ({ name, dtype: "float32", shape: undefined }));
  removeDead(graph);
  sortNodes(graph);
  return { model, means };
}
