import {
  countParameters,
  type EqualizeReport,
  indexGraph,
  type LinearLayer,
  labelOf,
  linearLayers,
  type Model,
  type ObservedType,
} from "@equant/core/lab";
import type { EqualizationSection, GraphSection, LayerRow, MaximaPair } from "../schema.js";
import { channelMaxima } from "./channel-boxes.js";
import { short, shortNumber } from "./rounding.js";
import type { NetworkState } from "./tensors.js";

/** Layers of the quantized network in graph order, with what each stores before and after. */
export function collectLayers(before: NetworkState, after: NetworkState): LayerRow[] {
  const old = new Map(linearLayers(before.floatModel.graph).map((layer) => [labelOf(layer.node), layer]));
  const plans = new Map(after.plan.parameters.map((own) => [labelOf(own.layer.node), own]));
  return linearLayers(after.floatModel.graph).map((layer) => {
    const name = labelOf(layer.node);
    const own = plans.get(name);
    const floatBytes = bytesOf(after.floatModel, layer);
    const bias = own?.bias;
    const biasBytes = bias?.data?.byteLength ?? biasOf(after.floatModel, layer)?.byteLength ?? 0;
    const previous = old.get(name);
    return {
      name,
      opType: layer.depthwise ? "DepthwiseConv" : layer.opType,
      shape: [...layer.tensor.dims],
      parameters: layer.tensor.size + (layer.bias ? layer.outChannels : 0),
      bytesBefore: previous ? bytesOf(before.floatModel, previous) : floatBytes,
      bytesAfter: own ? (own.weight.data.byteLength ?? 0) + biasBytes : floatBytes,
      bits: own?.weight.encoding.bits ?? 32,
    };
  });
}

function biasOf(model: Model, layer: LinearLayer) {
  return layer.bias === undefined ? undefined : model.graph.initializers.get(layer.bias);
}

function bytesOf(model: Model, layer: LinearLayer): number {
  return (layer.tensor.byteLength ?? 0) + (biasOf(model, layer)?.byteLength ?? 0);
}

/** The graph by nodes, without constants. */
export function collectGraph(model: Model, shapes?: ReadonlyMap<string, ObservedType>): GraphSection {
  const counted = countParameters(model).byNode;
  const index = indexGraph(model.graph);
  const places = new Map(model.graph.nodes.map((node, at) => [node, at]));
  return {
    nodes: model.graph.nodes.map((node) => {
      const readFrom = node.inputs.flatMap((input) => {
        const producer = input === "" ? undefined : index.producer(input);
        const at = producer && places.get(producer);
        return at === undefined ? [] : [at];
      });
      const dims = shapes?.get(node.outputs[0] ?? "")?.dims;
      return {
        name: labelOf(node),
        opType: node.opType,
        inputs: [...new Set(readFrom)],
        parameters: counted.get(node)?.parameters ?? 0,
        shape: dims ? [...dims] : null,
      };
    }),
  };
}

/** Pairs shown: those whose channels became most alike. */
const PAIRS = 6;

/** What equalization did, with the channel maxima of the pairs that gained most. */
export function collectEqualization(report: EqualizeReport, before: Model, after: Model): EqualizationSection {
  const [old, now] = [before, after].map(
    (model) => new Map(linearLayers(model.graph).map((layer) => [labelOf(layer.node), layer])),
  );
  const pairs = report.classes.flatMap(({ producers, consumers, activations }): (MaximaPair & { gain: number })[] => {
    const [producer, consumer] = [producers[0], consumers[0]];
    const layers = [
      old!.get(producer ?? ""),
      old!.get(consumer ?? ""),
      now!.get(producer ?? ""),
      now!.get(consumer ?? ""),
    ];
    if (layers.some((layer) => layer === undefined)) return [];
    const [a, b, c, d] = layers as LinearLayer[];
    const state = (first: LinearLayer, second: LinearLayer, maxima: readonly number[] | undefined) => {
      const { outputs } = channelMaxima(first);
      const consumer = short(byChannel(channelMaxima(second).inputs, outputs.length));
      return { producer: short(outputs), consumer, ...(maxima && { activations: short(maxima) }) };
    };
    const states = { before: state(a!, b!, activations?.before), after: state(c!, d!, activations?.after) };
    const gain = spread(states.before.producer) / spread(states.after.producer);
    return [{ producer: producer!, consumer: consumer!, ...states, gain }];
  });
  pairs.sort((a, b) => b.gain - a.gain);
  return {
    method: report.method,
    spreads: report.layers.map(({ node, before, after }) => ({
      layer: node,
      before: shortNumber(before),
      after: shortNumber(after),
    })),
    pairs: pairs.slice(0, PAIRS).map(({ gain: _, ...pair }) => pair),
    undone: report.undone.map(({ producers, reason }) => ({ layers: [...producers], reason })),
  };
}

/** Behind a Flatten a channel is a run of inputs: the largest of them stands for it. */
function byChannel(inputs: Float64Array, channels: number): Float64Array {
  const run = inputs.length / channels;
  if (run <= 1 || !Number.isInteger(run)) return inputs;
  return Float64Array.from({ length: channels }, (_, c) => Math.max(...inputs.subarray(c * run, (c + 1) * run)));
}

/** Largest over smallest of what is not empty. */
function spread(values: readonly number[]): number {
  const used = values.filter((value) => value > 0);
  return used.length === 0 ? 1 : Math.max(...used) / Math.min(...used);
}
