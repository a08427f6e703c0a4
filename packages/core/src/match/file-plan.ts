import { type Graph, indexGraph, labelOf, type Model, type Node, Tensor } from "../graph/index.js";
import { cosine, type Encoding } from "../math/index.js";
import { isSaturation } from "../operators/facts.js";
import { dequantizeTensor, type LayerParameters, type QuantizationPlan, targetOf } from "../quantize/index.js";
import type { Skip } from "../runtime/index.js";
import type { LayerMatch, LayerPair } from "./match-layers.js";
import { matchValues } from "./match-values.js";
import type { QdqFile } from "./read-qdq.js";

/** What a file does to a float network. */
export interface FilePlan {
  readonly plan: QuantizationPlan;
  /** Encoded values of the file that have no counterpart, each with the reason. */
  readonly unmatched: readonly Skip[];
}

/** Stands for floats: a bias that the file keeps in float may still be another one, corrected or tuned. */
const AS_IT_IS: Encoding = Object.freeze({
  scale: Float32Array.of(1),
  zeroPoint: Int32Array.of(0),
  dtype: "int32",
  bits: 32,
  axis: null,
  qmin: -(2 ** 31),
  qmax: 2 ** 31 - 1,
  symmetric: true,
});

/** The plan that a file carries out, in terms of the float network: its layers with the file's integers, its values with the file's encodings. */
export function filePlan(file: QdqFile, float: Model, match: LayerMatch): FilePlan {
  const { graph } = file.skeleton;
  const values = matchValues(graph, float.graph, match.pairs, new Set(file.activations.keys()));
  const skipped: Skip[] = [...match.skipped];
  const parameters: LayerParameters[] = [];
  for (const pair of match.pairs) {
    const found = parametersOf(file, pair);
    if (typeof found !== "string") parameters.push(found);
    else skipped.push({ node: labelOf(pair.float.node), opType: pair.float.opType, reason: found });
  }
  const activations = new Map<string, Encoding>();
  const unmatched: Skip[] = [];
  const index = indexGraph(graph);
  for (const [value, encoding] of file.activations) {
    const other = values.get(value);
    if (other !== undefined) {
      activations.set(other, encoding);
      continue;
    }
    const producer = index.producer(value);
    unmatched.push({
      node: producer ? labelOf(producer) : value,
      opType: producer?.opType ?? "input",
      reason: `no value of the float model corresponds to "${value}": measured as if it were float`,
    });
  }
  dropRepeated(float.graph, activations);
  const nodes = integerNodes(float.graph, activations);
  const layers = parameters.map(({ layer }) => layer);
  return {
    plan: {
      target: targetOf(file.skeleton) ?? "ort-cpu",
      placement: { layers, nodes, groups: [], skipped },
      activations,
      parameters,
      constants: [],
    },
    unmatched: [...unmatched, ...file.skipped],
  };
}

function parametersOf({ skeleton, constants }: QdqFile, { file, float }: LayerPair): LayerParameters | string {
  const weight = constants.get(file.weight);
  if (!weight) return "its weights are float in the file";
  const bias = file.bias === undefined ? undefined : skeleton.graph.initializers.get(file.bias)!;
  const integers = file.bias === undefined ? undefined : constants.get(file.bias);
  return {
    layer: float,
    weight: { encoding: weight.encoding, data: weight.data },
    bias: bias && {
      encoding: integers ? integers.encoding : AS_IT_IS,
      data: integers ? integers.data : Tensor.float32(bias.dims, bias.array() as Float32Array),
    },
    raisedChannels: [],
  };
}

/**
 * Some tools put the encoding of an activation in front of it too. What saturates there would be cut off anyway: rounding to a grid
 * that holds 0 and cutting off at 0 commute, so the second pair alone does the same, and it is where a layer's loss is measured.
 */
function dropRepeated(graph: Graph, activations: Map<string, Encoding>): void {
  const index = indexGraph(graph);
  for (const [value, encoding] of activations) {
    const next = index.onlyConsumer(value);
    if (isSaturation(next) && activations.get(next.outputs[0]!) === encoding) activations.delete(value);
  }
}

/** Nodes that read or make an encoded value: those of them that read the network's input read its quantized copy. */
function integerNodes(graph: Graph, activations: ReadonlyMap<string, Encoding>): Set<Node> {
  const encoded = (value: string) => activations.has(value);
  return new Set(graph.nodes.filter((node) => node.inputs.some(encoded) || node.outputs.some(encoded)));
}

/** Cosine between the weights of a pair, 0 where shapes differ: close to 1 where both are the same layer in the same scaling. */
export function weightCosine(file: QdqFile, { file: own, float }: LayerPair): number {
  const constant = file.constants.get(own.weight);
  const a = (constant ? dequantizeTensor(constant.data, constant.encoding) : own.tensor).array() as Float32Array;
  const b = float.tensor.array() as Float32Array;
  return a.length === b.length ? cosine(a, b) : 0;
}
