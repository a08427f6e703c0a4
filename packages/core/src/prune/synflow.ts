import { RunError } from "../errors.js";
import { differentiate, gradientName } from "../gradient/index.js";
import type { Model } from "../graph/index.js";
import { forEachWeight, linearLayers } from "../operators/index.js";
import { type HostTensor, observeShapes, type Runner, type Session, zeroFeeds } from "../runtime/index.js";
import { type LinearNetwork, linearize } from "./linearize.js";
import type { Scores } from "./ranking.js";
import {
  chooseScales,
  joinFactors,
  type LayerFeed,
  type LayerMagnitude,
  type ScaleRule,
  type Scales,
} from "./scales.js";
import { floatsIn, type ParameterValues, type Scorer } from "./weight-scores.js";

type LayerRule = Extract<ScaleRule, { kind: "layer" }>;

/** Below this a layer's largest output is about to leave float32 together with what is smaller; its scale is renewed. */
const FAINT = 2 ** -40;
/** Runs after which scales are taken as they are: each run settles all layers up to the first that was out of range. */
const ATTEMPTS = 12;

/**
 * Synaptic flow (Tanaka, Kunin, Yamins, Ganguli 2020): with every parameter replaced by its magnitude and an input of
 * ones, R = Σ outputs, score(θ) = |θ|·∂R/∂|θ|. No data is needed.
 *
 * Scores are returned as shares of R, so the sum over any cut of the network (all weights of a layer of a chain, when
 * there are no biases) is 1, however deep it is: R itself leaves float32, and float64 too, in deep networks. Layers are
 * computed at powers of two of their own; see {@link chooseScales}.
 * One session serves all iterations: weights are inputs of its graph.
 */
export class SynFlowScorer implements Scorer {
  /** log2 of the largest output of each layer, as the last run showed it. */
  #measured = new Map<string, number>();

  private constructor(
    readonly network: LinearNetwork,
    readonly layers: readonly LayerRule[],
    readonly session: Session,
    readonly feeds: Readonly<Record<string, HostTensor>>,
    readonly model: Model,
  ) {}

  /** @throws {ModelError} E4001 an operator without a rule or without a gradient. */
  static async open(model: Model, parameters: readonly string[], runner: Runner): Promise<SynFlowScorer> {
    const shapes = await observeShapes(model, zeroFeeds(model), { runner });
    const network = linearize(model, new Map([...shapes].map(([name, { dims }]) => [name, dims.length])));
    const layers = network.rules.filter((rule): rule is LayerRule => rule.kind === "layer");
    const known = await observeShapes(network.model, zeroFeeds(network.model), { runner });
    const wanted = new Set(parameters);
    const wrt = layers.flatMap(({ feeds }) => feeds.filter(({ parameter }) => wanted.has(parameter)));
    const step = differentiate(network.model, {
      loss: network.output,
      wrt: wrt.map(({ input }) => input),
      outputs: layers.map(({ peak }) => peak),
      shapes: known,
    });
    const session = await runner.open(step, { purpose: "synflow" });
    const open = zeroFeeds(network.model);
    const feeds = Object.fromEntries(Object.keys(zeroFeeds(model)).map((name) => [name, open[name]!]));
    for (const { dtype, data } of Object.values(feeds)) if (dtype === "float32") (data as Float32Array).fill(1);
    return new SynFlowScorer(network, layers, session, feeds, model);
  }

  dispose(): Promise<void> {
    return this.session.dispose();
  }

  /** @throws {RunError} E7004 nothing flows from input to output any more. */
  async score(values: ParameterValues): Promise<Scores> {
    for (let attempt = 1; ; attempt++) {
      const unknown = this.layers.filter(({ output }) => !this.#measured.has(output));
      const magnitudes = layerMagnitudes(this.model, unknown, (name) => this.#values(name, values));
      const scales = chooseScales(this.network.input, this.network.rules, magnitudes, this.#measured);
      const scaled = new Map<string, Float64Array>();
      const results = await this.session.run({ ...this.feeds, ...this.#feedsAt(scales, values, scaled) });
      if (this.#settled(results, scales) || attempt === ATTEMPTS) return this.#shares(results, scaled);
    }
  }

  #feedsAt(scales: Scales, values: ParameterValues, scaled: Map<string, Float64Array>): Record<string, HostTensor> {
    const feeds: Record<string, HostTensor> = {};
    for (const { input, output, feeds: wanted } of this.layers) {
      const after = scales.get(output) ?? 0;
      const between = after - (scales.get(input) ?? 0);
      for (const feed of wanted) {
        const factor = 2 ** (feed.kind === "bias" ? after : between);
        const own = this.#values(feed.parameter, values);
        const magnitude = new Float64Array(own.length);
        for (let i = 0; i < own.length; i++) magnitude[i] = Math.abs(own[i]!) * factor;
        scaled.set(feed.input, magnitude);
        feeds[feed.input] = { dtype: "float32", dims: this.#dims(feed), data: new Float32Array(magnitude) };
      }
    }
    for (const [name, factor] of joinFactors(this.network.rules, scales)) {
      feeds[name] = { dtype: "float32", dims: [], data: Float32Array.of(factor) };
    }
    return feeds;
  }

  #values(name: string, values: ParameterValues): Float32Array {
    return values.get(name) ?? floatsIn(this.model.graph.initializers.get(name)!);
  }

  #dims({ input }: LayerFeed): readonly number[] {
    return this.network.model.graph.inputs.find(({ name }) => name === input)!.shape as readonly number[];
  }

  /** Notes what the layers put out; true when nothing has to be run again at other scales. */
  #settled(results: Readonly<Record<string, HostTensor>>, scales: Scales): boolean {
    const next = new Map<string, number>();
    let settled = true;
    for (const { output, peak } of this.layers) {
      const size = Number(results[peak]!.data[0]);
      const log = Math.log2(size) - (scales.get(output) ?? 0);
      if (Number.isFinite(log)) {
        const known = this.#measured.get(output);
        const faint = size < FAINT || size > 1 / FAINT;
        if (faint) settled = false;
        // What is well inside the range keeps its scale, so that it need not be chosen anew at every iteration.
        next.set(output, known !== undefined && !faint ? known : log);
        continue;
      }
      // A layer that overflowed, or that underflowed behind others: its bound is right once those before it are known.
      if (size !== 0 || this.#measured.has(output)) settled = false;
      if (size !== 0) break;
    }
    this.#measured = next;
    return settled;
  }

  #shares(results: Readonly<Record<string, HostTensor>>, scaled: ReadonlyMap<string, Float64Array>): Scores {
    let flow = 0;
    for (const value of results[this.network.output]!.data as Float32Array) flow += value;
    if (flow === 0 || !Number.isFinite(flow)) {
      const what = flow === 0 ? "nothing flows from input to output any more" : "the flow left the range of numbers";
      throw new RunError("E7004", `synflow: ${what}`, { hint: "lower the sparsity, or use more steps" });
    }
    const scores = new Map<string, Float64Array>();
    for (const { feeds } of this.layers) {
      for (const { input, parameter } of feeds) {
        const gradient = results[gradientName(input)]?.data as Float32Array | undefined;
        if (!gradient) continue;
        const magnitude = scaled.get(input)!;
        const own = scores.get(parameter) ?? new Float64Array(magnitude.length);
        for (let i = 0; i < own.length; i++) own[i]! += (magnitude[i]! / flow) * gradient[i]!;
        scores.set(parameter, own);
      }
    }
    return scores;
  }
}

/** Largest row sum and bias of every layer, for bounds. */
function layerMagnitudes(
  model: Model,
  rules: readonly LayerRule[],
  values: (name: string) => Float32Array,
): Map<string, LayerMagnitude> {
  const layers = new Map(linearLayers(model.graph).map((layer) => [layer.output, layer]));
  return new Map(
    rules.map(({ output, feeds }) => {
      const layer = layers.get(output);
      const bias = feeds.find(({ kind }) => kind === "bias");
      const largest = bias ? values(bias.parameter).reduce((top, value) => Math.max(top, Math.abs(value)), 0) : 0;
      if (layer?.tensor.dtype !== "float32") return [output, { gain: 1, bias: largest }];
      const weight = values(layer.weight);
      const sums = new Float64Array(layer.outChannels);
      forEachWeight(layer, (flat, out) => {
        sums[out]! += Math.abs(weight[flat]!);
      });
      return [output, { gain: Math.max(...sums), bias: largest }];
    }),
  );
}
