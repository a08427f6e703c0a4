import { keepIfBetter, type Place } from "../correct/hold-out.js";
import { findTargets } from "../correct/targets.js";
import { type Dataset, spread } from "../data/index.js";
import { throwIfAborted } from "../errors.js";
import { indexGraph, labelOf } from "../graph/index.js";
import type { LinearLayer } from "../operators/index.js";
import { inputMaxima } from "../quantize/sources.js";
import {
  exposeValues,
  type HostTensor,
  requireData,
  requireRunner,
  type Skip,
  type Transform,
  type TransformContext,
} from "../runtime/index.js";
import { type AdaRoundOptions, type AdaRoundTask, resolveAdaRound } from "./ada-options.js";
import { LayerInputs } from "./layer-inputs.js";
import { addInputs, addOutputs, choosePositions, positionsOf, Rows } from "./patches.js";
import { type AdaRoundReport, CHECK_SAMPLES } from "./report.js";
import { type AdaLayer, type RoundedLayer, roundLayer } from "./round-layer.js";
import { WeightIntegers, whyNotRounded } from "./weight-integers.js";

/**
 * AdaRound (Nagel et al. 2020): instead of to the nearest integer, each weight is rounded up or down so that the layer's
 * output on calibration data comes closest to the float network's, its input being that of the quantized network so far:
 *
 *   min over roundings Ŵ of E‖Ŵx̂ − Wx‖²   (eq. (25) without the activation function)
 *
 * Layer by layer in topological order; where the layer has a bias, that takes the mean of the difference away, exactly.
 * A layer whose noise on samples that were kept back did not fall keeps rounding to nearest. In the end the output SQNR
 * on these samples decides whether all of it stays. In place; a throw leaves the model as it was. Needs `context.data`, of which no labels are read.
 *
 * @throws {OptionsError} an option. @throws {PreconditionError} E4005: no runner, or `model` is not the plan's QDQ model.
 * @throws {RunError} E6005 cancelled.
 */
export function adaRound(options: AdaRoundOptions): Transform<AdaRoundReport> {
  const resolved = resolveAdaRound(options);
  return async (model, context) => {
    requireRunner(context, "adaRound");
    throwIfAborted(context.signal, "adaRound");
    return round({ ...resolved, model, dataset: requireData(context, "adaRound") }, context);
  };
}

async function round(task: AdaRoundTask, context: TransformContext): Promise<AdaRoundReport> {
  const { layers, skipped } = layersOf(task);
  const chosen = spread(task.dataset, Math.min(task.samples, task.dataset.length));
  let samples = 0;
  const { learned: rounded = [], verdict } = await keepIfBetter(
    {
      ...task,
      dataset: chosen,
      checkSamples: CHECK_SAMPLES,
      places: layers.flatMap(({ weight, bias }): Place<unknown>[] => (bias ? [weight, bias] : [weight])),
      nothing: "no layer to tune",
      learn(learn, check) {
        samples = learn.length;
        return roundLayers(task, layers, [learn, check], context);
      },
    },
    context,
  );
  return { transform: "adaRound", modified: verdict.kept, skipped, samples, layers: rounded, ...verdict };
}

/** Quantized layers in topological order, with what holds their integers. */
function layersOf(options: AdaRoundTask): { layers: AdaLayer[]; skipped: Skip[] } {
  const { model, plan } = options;
  const { graph } = model;
  const biases = new Map(findTargets("adaRound", options).targets.map((target) => [target.parameters, target]));
  const position = new Map(graph.nodes.map((node, at) => [node, at]));
  const floatNodes = new Map(options.floatModel.graph.nodes.map((node) => [node.outputs[0]!, node]));
  const [index, floats] = [indexGraph(graph), indexGraph(options.floatModel.graph)];
  const layers: AdaLayer[] = [];
  const skipped: Skip[] = [];
  for (const parameters of plan.parameters) {
    const { layer } = parameters;
    const floatNode = floatNodes.get(layer.output);
    const reason = floatNode ? whyNotRounded(index, layer) : "the float model has no such layer";
    if (reason !== undefined) {
      skipped.push({ node: labelOf(layer.node), opType: layer.opType, reason });
      continue;
    }
    const maxima = options.calibration && inputMaxima(floats, options.calibration, layer);
    const weight = new WeightIntegers(graph, index, parameters, maxima);
    layers.push({ parameters, floatNode: floatNode!, weight, bias: biases.get(parameters)?.bias });
  }
  layers.sort((a, b) => position.get(a.parameters.layer.node)! - position.get(b.parameters.layer.node)!);
  return { layers, skipped };
}

async function roundLayers(
  options: AdaRoundTask,
  layers: readonly AdaLayer[],
  parts: readonly [Dataset, Dataset],
  context: TransformContext,
): Promise<RoundedLayer[]> {
  const runner = requireRunner(context, "adaRound");
  const nodes = layers.map(({ parameters }) => parameters.layer.node);
  const walk = new LayerInputs(options.model, nodes, context);
  const wanted = layers.map(({ floatNode }) => floatNode.outputs[0]!);
  const dims: (readonly number[])[] = [];
  /** Float outputs by layer and part. */
  const outputs: Rows[][] = layers.map(() => []);
  const perSample = Math.ceil(options.rows / parts[0].length);
  const positions = (at: number, place: { part: number; firstIndex: number }, sample: number) => {
    const total = positionsOf(layers[at]!.parameters.layer, dims[at]!);
    const own = place.part * parts[0].length + place.firstIndex + sample;
    return choosePositions(total, perSample, options.seed, at, own);
  };
  const rowsOf = (at: number, part: number, layer: LinearLayer, width: number) => {
    const count = Math.min(perSample, positionsOf(layer, dims[at]!)) * parts[part]!.length;
    return new Rows(layer.group, count, width);
  };
  await runner.using(
    exposeValues(options.floatModel, [...new Set(wanted)]),
    (session) =>
      walk.read(parts, async (feeds, place) => {
        const fetched = await session.run(feeds, { signal: context.signal });
        for (const [at, name] of wanted.entries()) {
          const { layer } = layers[at]!.parameters;
          const value = fetched[name]!;
          dims[at] ??= value.dims;
          outputs[at]![place.part] ??= rowsOf(at, place.part, layer, layer.outChannels / layer.group);
          const rows = outputs[at]![place.part]!;
          for (let sample = 0; sample < place.count; sample++) {
            addOutputs(layer, value, sample, positions(at, place, sample), rows);
          }
        }
      }),
    { purpose: "adaRound" },
  );
  const rounded: RoundedLayer[] = [];
  for (const [at, own] of layers.entries()) {
    const { layer } = own.parameters;
    const inputs: Rows[] = [];
    await walk.next((value: HostTensor, place) => {
      inputs[place.part] ??= rowsOf(at, place.part, layer, layer.tensor.size / layer.outChannels);
      const rows = inputs[place.part]!;
      for (let sample = 0; sample < place.count; sample++) {
        addInputs(layer, value, dims[at]!, sample, positions(at, place, sample), rows);
      }
    });
    const data = { inputs: inputs as [Rows, Rows], outputs: outputs[at] as [Rows, Rows] };
    rounded.push(await roundLayer(own, data, options, context));
    outputs[at] = [];
    context.onProgress?.({ phase: "ada-round", done: at + 1, total: layers.length });
  }
  return rounded;
}
