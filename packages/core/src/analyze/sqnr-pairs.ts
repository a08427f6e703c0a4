import { spread } from "../data/index.js";
import { cloneModel, cloneNode, GraphBuilder, type Model, removeDead, sortNodes } from "../graph/index.js";
import { sqnrOfPowers, toDb } from "../math/index.js";
import { coverage, forEachWeight } from "../operators/index.js";
import { emulateValue, type QuantizationPlan } from "../quantize/index.js";
import {
  Feed,
  forEachBatch,
  type ObservedType,
  observeShapes,
  requireData,
  requireRunner,
  type TransformContext,
} from "../runtime/index.js";
import { freeShare, localWeights, Reductions } from "./sqnr-graph.js";
import { type MeasuredLayer, measuredLayers } from "./sqnr-layers.js";
import { DequantizedParameters } from "./sqnr-networks.js";
import { predictFromRanges, predictFromWeights } from "./sqnr-predict.js";
import { Sums } from "./sqnr-run.js";

/** Ratios in dB at the output of the second of two layers, by what is quantized. */
export interface PairDb {
  /** Weights of the first layer: eq. (7), first line. */
  readonly firstWeights: number;
  /** Output of the first layer: second line. */
  readonly firstActivations: number;
  /** Weights of the second layer: third line. */
  readonly secondWeights: number;
  /** All three at once: eq. (9). */
  readonly all: number;
}

/** A layer whose output another one reads, directly or through activations. */
export interface PairSqnr {
  readonly first: string;
  readonly second: string;
  readonly measured: PairDb;
  /** From scales and powers alone, as printed. */
  readonly ranges: PairDb;
  /** With the actual rounding errors and what activations cut off, as {@link LayerSqnr.predicted}. */
  readonly refined: PairDb;
}

/** Options for {@link measurePairs}. */
export interface PairOptions {
  /** A plan for this very model. */
  plan: QuantizationPlan;
  /** Samples, spread over the data. Default: 16. */
  samples?: number;
}

/** Values of one run that are held at the same time. */
const BATCH = 4;

interface PairOutputs {
  readonly first: MeasuredLayer;
  readonly second: MeasuredLayer;
  readonly statistics: Readonly<Record<"mean" | "power" | "signal" | "free", string | undefined>>[];
  readonly signal: string;
  readonly noises: Readonly<Record<keyof PairDb, string>>;
}

/**
 * How the noise of a layer arrives at the output of the next one (Meller et al. 2019, eqs. (7) and (9)): measured with the float network
 * before the pair, beside what the equations predict, E[(Ỹ₂^ΔW₁)²] = ΣW₂²·E[(Ỹ₁^ΔW₁)²] and so on, per channel of the value between them.
 * Pairs follow the graph; the second layer is measured before its own activation. `model` is not changed.
 * @throws {PreconditionError} E4005 without a runner. @throws {RunError} E6005 cancelled.
 */
export async function measurePairs(
  model: Model,
  { plan, samples = 16 }: PairOptions,
  context: TransformContext,
): Promise<PairSqnr[]> {
  const dataset = spread(requireData(context, "measurePairs"), samples);
  const runner = requireRunner(context, "measurePairs");
  const feed = await Feed.of(model, dataset, context);
  const types = await observeShapes(model, await feed.first(), { runner });
  const { layers } = measuredLayers(model.graph, plan);
  const { graph, pairs } = pairGraph(model, plan, layers, types);
  if (pairs.length === 0) return [];
  const sums = new Sums([]);
  await runner.using(
    graph,
    (session) =>
      forEachBatch(session, feed, { batchSize: BATCH }, context, (fetched, batch) => {
        sums.add(fetched, batch);
        const done = batch.firstIndex + batch.count;
        context.onProgress?.({ phase: "measure pairs", done, total: dataset.length });
      }),
    { purpose: "measurePairs" },
  );
  return pairs.map((pair) => pairSqnr(pair, types, sums));
}

function pairGraph(
  source: Model,
  plan: QuantizationPlan,
  layers: readonly MeasuredLayer[],
  types: ReadonlyMap<string, ObservedType>,
): { graph: Model; pairs: PairOutputs[] } {
  const graph = cloneModel(source);
  graph.graph.outputs = [];
  const builder = new GraphBuilder(graph.graph);
  const parameters = new DequantizedParameters(builder, plan);
  const reduce = new Reductions(builder, types);
  const layout = (value: string, { layer }: MeasuredLayer) => ({
    rank: types.get(value)!.dims.length,
    last: layer.opType === "MatMul",
  });
  const pairs = layers.flatMap((first) =>
    layers.flatMap((second): PairOutputs[] => {
      const { encoding, value } = first;
      if (!encoding || second.layer.input !== value) return [];
      const { layer } = second;
      /** The second layer on another input, with rounded weights or its own. */
      const behind = (input: string, rounded: boolean) => {
        const copy = cloneNode(layer.node);
        copy.name = "";
        copy.inputs[0] = input;
        if (rounded) parameters.apply(copy, layer.output);
        const output = builder.names.allocate(`${layer.output}_pair`);
        copy.outputs = [output];
        builder.graph.nodes.push(copy);
        return output;
      };
      const noisy = localWeights(builder, first, parameters);
      const made = {
        firstWeights: behind(noisy, false),
        firstActivations: behind(emulateValue(builder, value, encoding), false),
        secondWeights: behind(value, true),
        all: behind(emulateValue(builder, noisy, encoding), true),
      };
      const own = layout(layer.output, second);
      const noises = Object.entries(made).map(([kind, output]) => [kind, reduce.error(layer.output, output, own)]);
      const statistics = [first, second].map((measured) => {
        const { input } = measured.layer;
        const like = layout(measured.value, measured);
        return {
          mean: reduce.mean(input, layout(input, measured)),
          power: reduce.power(input, layout(input, measured)),
          signal: reduce.power(measured.value, like),
          free: freeShare(builder, measured, (indicator) => reduce.mean(indicator, like)),
        };
      });
      const signal = reduce.power(layer.output, own);
      return [{ first, second, statistics, signal, noises: Object.fromEntries(noises) as PairOutputs["noises"] }];
    }),
  );
  removeDead(graph.graph);
  sortNodes(graph.graph);
  return { graph, pairs };
}

function pairSqnr(pair: PairOutputs, types: ReadonlyMap<string, ObservedType>, sums: Sums): PairSqnr {
  const { first, second, noises } = pair;
  const [one, two] = pair.statistics.map(({ mean, power, signal, free }) => ({
    inputMean: sums.mean(mean!),
    inputPower: sums.mean(power!),
    signal: sums.mean(signal!),
    free: free === undefined ? sums.mean(signal!).map(() => 1) : sums.mean(free),
  }));
  const positionsOf = ({ layer }: MeasuredLayer) => ({
    input: types.get(layer.input)!.dims.slice(2),
    output: types.get(layer.output)!.dims.slice(2),
  });
  const total = (values: Float64Array) => values.reduce((sum, value) => sum + value, 0);
  const signal = total(sums.mean(pair.signal));
  const toRatios = (powers: Omit<Record<keyof PairDb, number>, "all"> & { all?: number }): PairDb => {
    const { firstWeights, firstActivations, secondWeights } = powers;
    const { all = firstWeights + firstActivations + secondWeights } = powers;
    const db = (noise: number) => toDb(sqnrOfPowers(signal, noise));
    return {
      firstWeights: db(firstWeights),
      firstActivations: db(firstActivations),
      secondWeights: db(secondWeights),
      all: db(all),
    };
  };
  /** ΣW₂² carries the noise of every channel to all outputs that read it. */
  const carried = (noise: Float64Array, covered: number) => {
    let sum = 0;
    const weights = second.layer.tensor.numbers();
    forEachWeight(second.layer, (flat, _out, input) => {
      sum += weights[flat]! ** 2 * noise[input]! * covered;
    });
    return sum;
  };
  const covered = coverage(second.layer, positionsOf(second));
  const ranges = predictFromRanges(first, one!);
  const refined = predictFromWeights(first, one!, positionsOf(first));
  // The second layer is measured before its activation, which cuts nothing off yet.
  const open = { ...two!, free: two!.free.map(() => 1) };
  const measuredPowers = Object.entries(noises).map(([kind, name]) => [kind, total(sums.mean(name))]);
  return {
    first: first.name,
    second: second.name,
    measured: toRatios(Object.fromEntries(measuredPowers) as Record<keyof PairDb, number>),
    ranges: toRatios({
      firstWeights: carried(ranges.weights, 1),
      firstActivations: carried(ranges.activations!, 1),
      secondWeights: total(predictFromRanges(second, open).weights),
    }),
    refined: toRatios({
      firstWeights: carried(refined.weights, covered),
      firstActivations: carried(refined.activations!, covered),
      secondWeights: total(predictFromWeights(second, open, positionsOf(second)).weights),
    }),
  };
}
