import { type Dataset, spread } from "../data/index.js";
import { RunError, throwIfAborted } from "../errors.js";
import { byteLengthOf, labelOf, type Model, type Node, sizeOf } from "../graph/index.js";
import {
  exposeValues,
  Feed,
  forEachBatch,
  type HostTensor,
  type ObservedType,
  type RunBatch,
  type Runner,
  requireRunner,
  type TransformContext,
} from "../runtime/index.js";
import { ChannelMean, meansModel } from "./means.js";
import { type CorrectionTask, LITERAL_WEIGHTS } from "./options.js";
import { segmentModel } from "./segment.js";
import type { Target } from "./targets.js";
import { peakBytes, planWalk, type WalkStep } from "./walk.js";

/** How many of a batch's samples count. */
type Span = Pick<RunBatch, "fed" | "count">;

/** Kept values by name, one tensor a batch; a batch that was used for the last time is undefined. */
type Cache = Map<string, (HostTensor | undefined)[]>;

/** Takes the means and moves the biases. Whether that was good is judged elsewhere. */
export class CorrectionRun {
  /** Samples the means were taken over, and most bytes of values kept between layers. */
  samples = 0;
  cacheBytes = 0;
  readonly #options: CorrectionTask;
  readonly #targets: readonly Target[];
  readonly #context: TransformContext;
  readonly #runner: Runner;

  constructor(options: CorrectionTask, targets: readonly Target[], context: TransformContext) {
    this.#options = options;
    this.#targets = targets;
    this.#context = context;
    this.#runner = requireRunner(context, "correctBiases");
  }

  /** Corrects every target in place and returns the shifts, in the order of the targets. */
  async correct(dataset: Dataset): Promise<Float64Array[]> {
    if (this.#targets.length === 0) return [];
    return this.#options.method === "parallel" ? this.#parallel(dataset) : this.#sequential(dataset);
  }

  async #parallel(dataset: Dataset): Promise<Float64Array[]> {
    const { floatModel, model, referenceDataset } = this.#options;
    this.samples = dataset.length;
    const expected = await this.#means(floatModel, this.#floatNodes(), referenceDataset ?? dataset);
    const actual = await this.#means(model, this.#nodes(), dataset);
    const shifts = this.#targets.map((target, at) => shiftOf(target, expected[at]!, actual[at]!));
    for (const [at, { bias }] of this.#targets.entries()) bias.add(shifts[at]!);
    return shifts;
  }

  async #sequential(dataset: Dataset): Promise<Float64Array[]> {
    const { floatModel, model, referenceDataset } = this.#options;
    const nodes = this.#nodes();
    const feed = await Feed.of(model, dataset, this.#context);
    const steps = planWalk(model.graph, nodes, feed.names);
    const types = await this.#observe(model, [...new Set(steps.flatMap(({ keep }) => keep))], feed);
    const bytesOf = (value: string) => {
      const type = types.get(value)!;
      return (byteLengthOf(type.dtype, sizeOf(type.dims)) ?? 0) / (feed.fixed ?? 1);
    };
    const bytesPerSample = peakBytes(steps, feed.names, bytesOf);
    const fitting = Math.max(1, Math.floor(this.#options.cacheBytes / bytesPerSample));
    const chosen = spread(dataset, Math.min(fitting, dataset.length));
    this.samples = chosen.length;
    this.cacheBytes = bytesPerSample * chosen.length;
    // The images are decoded once: the float pass leaves them as the first kept value.
    const fed: RunBatch[] = [];
    const expected = await this.#means(floatModel, this.#floatNodes(), referenceDataset ?? chosen, fed);
    if (referenceDataset) {
      fed.length = 0;
      for await (const batch of feed.over(chosen).batches(this.#reading(chosen))) fed.push(batch);
    }
    const cache: Cache = new Map(feed.names.map((name) => [name, fed.map(({ feeds }) => feeds![name])]));
    const shifts: Float64Array[] = [];
    for (const [at, target] of this.#targets.entries()) {
      const actual = await this.#step(steps[at]!, nodes[at]!, cache, fed, types, feed.fixed ?? 1);
      const shift = shiftOf(target, expected[at]!, actual);
      target.bias.add(shift);
      shifts.push(shift);
      this.#context.onProgress?.({ phase: "correct biases", done: at + 1, total: nodes.length });
    }
    return shifts;
  }

  /** Runs one segment over all batches: mean of the layer's output; the cache moves on to the next cut. */
  async #step(
    step: WalkStep,
    layer: Node,
    cache: Cache,
    spans: readonly Span[],
    types: ReadonlyMap<string, ObservedType>,
    batch: number,
  ): Promise<Float64Array> {
    const { model, mean } = segmentModel(this.#options.model, step, layer, types, batch);
    const sums = new ChannelMean();
    await this.#runner.using(
      model,
      async (session) => {
        for (const [at, span] of spans.entries()) {
          const feeds = Object.fromEntries(step.feeds.map((name) => [name, cache.get(name)![at]!]));
          const fetched = await session.run(feeds, { signal: this.#context.signal });
          sums.add(fetched[mean]!, span);
          for (const name of step.keep) {
            if (!cache.has(name)) cache.set(name, []);
            cache.get(name)!.push(fetched[name]!);
          }
          // Old values go batch by batch while new ones come, so that the two sets never exist whole at one time.
          for (const name of step.drop) cache.get(name)![at] = undefined;
        }
      },
      { purpose: "correctBiases", ...LITERAL_WEIGHTS },
    );
    for (const name of step.drop) cache.delete(name);
    return sums.mean();
  }

  /** Means of the layers' outputs over a dataset, in one pass; the fed batches are appended to `keep`. */
  async #means(model: Model, layers: readonly Node[], dataset: Dataset, keep?: RunBatch[]): Promise<Float64Array[]> {
    const { model: graph, means } = meansModel(model, layers);
    const sums = means.map(() => new ChannelMean());
    const feed = await Feed.of(model, dataset, this.#context);
    await this.#runner.using(
      graph,
      (session) =>
        forEachBatch(
          session,
          feed,
          { ...this.#reading(dataset), keepsFeeds: keep !== undefined },
          this.#context,
          (fetched, batch) => {
            sums.forEach((sum, at) => {
              sum.add(fetched[means[at]!]!, batch);
            });
            keep?.push(batch);
          },
        ),
      { purpose: "correctBiases", ...LITERAL_WEIGHTS },
    );
    return sums.map((sum) => sum.mean());
  }

  #reading(dataset: Dataset): { batchSize: number; signal?: AbortSignal } {
    const { signal } = this.#context;
    return { batchSize: this.#options.batchSize ?? defaultBatch(dataset), ...(signal && { signal }) };
  }

  /** Types and sizes of the network's inputs and of cut values, for one sample or the batch the model insists on. */
  async #observe(model: Model, values: readonly string[], feed: Feed): Promise<Map<string, ObservedType>> {
    throwIfAborted(this.#context.signal, "correctBiases");
    const feeds = await feed.first();
    const types = new Map<string, ObservedType>(Object.entries(feeds));
    if (values.length === 0) return types;
    const found = await this.#runner.using(exposeValues(model, values), (session) => session.run(feeds), {
      optimization: "disabled",
      purpose: "correctBiases",
    });
    for (const [name, { dtype, dims }] of Object.entries(found)) types.set(name, { dtype, dims });
    return types;
  }

  #nodes(): Node[] {
    return this.#targets.map(({ parameters }) => parameters.layer.node);
  }

  #floatNodes(): Node[] {
    return this.#targets.map(({ floatNode }) => floatNode);
  }
}

/** By how much a bias moves, a channel. @throws {RunError} E7001 a mean is NaN or infinite. */
export function shiftOf({ parameters }: Target, expected: Float64Array, actual: Float64Array): Float64Array {
  const shift = expected.map((mean, channel) => mean - actual[channel]!);
  const at = shift.findIndex((value) => !Number.isFinite(value));
  if (at < 0) return shift;
  const { node, opType, output } = parameters.layer;
  throw new RunError(
    "E7001",
    `correctBiases: mean of channel ${at} of "${output}" is ${expected[at]} in float, ${actual[at]} quantized`,
    {
      node: labelOf(node),
      opType,
      tensor: output,
      hint: "check the samples and the float model's weights for NaN and very large values",
    },
  );
}

/** Small samples in larger batches: a run costs a network of a millisecond as much as its operators do. */
function defaultBatch(dataset: Dataset): number {
  return Math.max(8, Math.min(32, Math.floor(2 ** 20 / sizeOf(dataset.shape))));
}
