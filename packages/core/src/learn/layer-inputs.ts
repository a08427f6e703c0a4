import { LITERAL_WEIGHTS } from "../correct/options.js";
import { planWalk, type WalkStep } from "../correct/walk.js";
import type { Dataset } from "../data/index.js";
import { type Model, type Node, partOf, removeDead } from "../graph/index.js";
import {
  type FedBatch,
  Feed,
  type Feeds,
  type HostTensor,
  type ObservedType,
  type Runner,
  requireRunner,
  type TransformContext,
} from "../runtime/index.js";

/** A batch's place: the dataset it is of, the sample it begins with, and how many of its samples count. */
export interface BatchPlace extends Pick<FedBatch, "fed" | "count" | "firstIndex"> {
  readonly part: number;
}

/**
 * Walks a quantized network layer by layer: {@link next} gives the next layer's quantized input for every batch, computed
 * by the layers before it as they are at that time. Between layers the integer values at the cuts are kept.
 */
export class LayerInputs {
  readonly #runner: Runner;
  readonly #cache = new Map<string, (HostTensor | undefined)[]>();
  #steps: readonly WalkStep[] = [];
  readonly #types = new Map<string, ObservedType>();
  readonly #places: BatchPlace[] = [];
  #at = 0;

  constructor(
    readonly model: Model,
    readonly layers: readonly Node[],
    readonly context: TransformContext,
  ) {
    this.#runner = requireRunner(context, "adaRound");
  }

  /** Reads the samples once. `visit` sees every batch as it is read. */
  async read(
    parts: readonly Dataset[],
    visit: (feeds: Readonly<Feeds>, place: BatchPlace) => Promise<void>,
  ): Promise<void> {
    const { signal } = this.context;
    const inputs: Readonly<Feeds>[] = [];
    const feed = await Feed.of(this.model, parts[0]!, this.context);
    this.#steps = planWalk(this.model.graph, this.layers, feed.names);
    for (const [part, dataset] of parts.entries()) {
      for await (const { feeds, fed, count, firstIndex } of feed.over(dataset).batches(signal ? { signal } : {})) {
        const place = { part, fed, count, firstIndex };
        this.#places.push(place);
        inputs.push(feeds);
        await visit(feeds, place);
      }
    }
    for (const name of feed.names) {
      this.#cache.set(
        name,
        inputs.map((feeds) => feeds[name]),
      );
      this.#types.set(name, inputs[0]![name]!);
    }
  }

  /** Runs the part between kept values and the next layer; `visit` gets the layer's input, batch by batch. */
  async next(visit: (input: HostTensor, place: BatchPlace) => void): Promise<void> {
    const step = this.#steps[this.#at]!;
    const input = this.layers[this.#at]!.inputs[0]!;
    this.#at++;
    const model = this.#segment(step, input);
    const run = async (session?: { run: RunnerRun }) => {
      for (const [at, place] of this.#places.entries()) {
        const feeds = Object.fromEntries(step.feeds.map((name) => [name, this.#cache.get(name)![at]!]));
        const fetched = session ? await session.run(feeds, { signal: this.context.signal }) : {};
        visit(fetched[input] ?? this.#cache.get(input)![at]!, place);
        for (const name of step.keep) {
          if (!this.#cache.has(name)) this.#cache.set(name, []);
          this.#cache.get(name)![at] = fetched[name];
          this.#types.set(name, fetched[name]!);
        }
        for (const name of step.drop) this.#cache.get(name)![at] = undefined;
      }
    };
    if (model.graph.nodes.length === 0) await run();
    else await this.#runner.using(model, run, { purpose: "adaRound", ...LITERAL_WEIGHTS });
    for (const name of step.drop) this.#cache.delete(name);
  }

  #segment(step: WalkStep, input: string): Model {
    const nodes = this.model.graph.nodes.filter((node) => step.nodes.has(node));
    const model = partOf(this.model, nodes);
    const { graph } = model;
    graph.inputs = step.feeds.map((name) => {
      const { dtype, dims } = this.#types.get(name)!;
      // The batches differ in size, and where the first dimension is not the batch, any other may depend on it.
      const fed = this.#places[0]!.fed;
      return { name, dtype, shape: dims.map((dim, axis) => (axis > 0 && dims[0] === fed ? dim : undefined)) };
    });
    const wanted = step.feeds.includes(input) ? step.keep : [...new Set([...step.keep, input])];
    graph.outputs = wanted.map((name) => ({ name, dtype: undefined, shape: undefined }));
    removeDead(graph);
    graph.inputs = graph.inputs.filter(({ name }) => graph.nodes.some((node) => node.inputs.includes(name)));
    return model;
  }
}

type RunnerRun = (
  feeds: Readonly<Record<string, HostTensor>>,
  options: { signal?: AbortSignal | undefined },
) => Promise<Record<string, HostTensor>>;
