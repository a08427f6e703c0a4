import type { ActivationStats } from "../calibrate/channel-stats.js";
import { type ChannelFlow, channelFlow, type ObservedShapes } from "../channels/flow.js";
import { requireOneOf } from "../errors.js";
import { type Graph, indexGraph, isOp, labelOf, NameAllocator, type Node, Tensor } from "../graph/index.js";
import { addsPadding, averagesPadding, productFactors } from "../operators/attributes.js";
import { factsOf, isSaturation } from "../operators/facts.js";
import { forEachWeight, type LinearLayer } from "../operators/index.js";
import type { Skip } from "../runtime/index.js";

/** How much of a bias is absorbed: c = max(0, lowest value seen), or c = max(0, mean − 3·standard deviation). */
export type AbsorbRule = "observed" | "three-sigma";

/** Mean and standard deviation of a layer's output by channel: β and |γ| of its BatchNormalization where they are known. */
export interface OutputMoments {
  readonly mean: ArrayLike<number>;
  readonly deviation: ArrayLike<number>;
}

/** What was absorbed from one layer. */
export interface AbsorbedBias {
  readonly node: string;
  readonly channels: number;
  /** Largest c, as share of the channel's largest output. */
  readonly largest: number;
}

/** Result of {@link absorbBiases}. */
export interface AbsorbResult {
  readonly absorbed: readonly AbsorbedBias[];
  readonly skipped: readonly Skip[];
}

/**
 * High-bias absorption (Nagel et al. 2019, §4.1.3, eqs. (12)–(15)): where the input of a ReLU is hardly ever below c ≥ 0,
 * relu(Wx + b) = relu(Wx + b − c) + c, so b⁽¹⁾ becomes b⁽¹⁾ − c and b⁽²⁾ becomes b⁽²⁾ + W⁽²⁾c. The paper takes c = max(0, β − 3γ);
 * `three-sigma` does, from moments of a BatchNormalization or else from the statistics, and `observed` takes the lowest value
 * seen, which is exact on the calibration data. Neither is exact for every input: where the sum falls below c, ReLU cuts it off.
 *
 * Skips, with a reason: consumers that pad (a padded 0 does not take part in the shift), consumers without a constant bias, and
 * everything between that is neither ReLU nor moves channels as they are. In place.
 */
export function absorbBiases(
  graph: Graph,
  shapes: ObservedShapes,
  stats: ActivationStats,
  rule: AbsorbRule = "observed",
  moments: ReadonlyMap<string, OutputMoments> = new Map(),
): AbsorbResult {
  requireOneOf("equalize", "absorb rule", rule, ["observed", "three-sigma"]);
  const flow = channelFlow(graph, shapes);
  const absorbed: AbsorbedBias[] = [];
  const skipped: Skip[] = [];
  const replaced = new Set<string>();
  for (const { layer, reason } of flow.nodes) {
    if (!layer || reason !== undefined) continue;
    const plan = planLayer(flow, layer, stats, rule, moments);
    if (plan === undefined) continue;
    if (typeof plan === "string") {
      skipped.push({ node: labelOf(layer.node), opType: layer.opType, reason: plan });
      continue;
    }
    const names = new NameAllocator(graph);
    for (const { node, input, tensor } of plan.edits) {
      const name = names.allocate(`${node.inputs[input] || `${labelOf(node)}_bias`}_absorbed`);
      graph.initializers.set(name, tensor);
      while (node.inputs.length <= input) node.inputs.push("");
      replaced.add(node.inputs[input]!);
      node.inputs[input] = name;
    }
    absorbed.push(plan.report);
  }
  const index = indexGraph(graph);
  for (const name of replaced) {
    const used = index.uses(name).length > 0 || index.isInput(name) || index.isOutput(name);
    if (!used) graph.initializers.delete(name);
  }
  return { absorbed, skipped };
}

interface BiasEdit {
  readonly node: Node;
  readonly input: number;
  readonly tensor: Tensor;
}

/** Edits for one layer; a reason when it cannot be done; undefined when there is nothing to absorb. */
function planLayer(
  flow: ChannelFlow,
  layer: LinearLayer,
  stats: ActivationStats,
  rule: AbsorbRule,
  moments: ReadonlyMap<string, OutputMoments>,
): { edits: BiasEdit[]; report: AbsorbedBias } | string | undefined {
  const { index } = flow;
  const relu = index.onlyConsumer(layer.output);
  if (!isOp(relu, "Relu")) return isSaturation(relu) ? "its activation has a bound" : undefined;
  const own = stats.get(layer.output);
  if (!own || own.max.length !== layer.outChannels) return `no statistics of "${layer.output}"`;
  const known = moments.get(layer.output);
  const shift = Float64Array.from({ length: layer.outChannels }, (_, channel) => {
    const mean = known?.mean[channel] ?? own.mean[channel]!;
    const variance = Math.max(0, own.meanSquare[channel]! - own.mean[channel]! ** 2);
    const deviation = known?.deviation[channel] ?? Math.sqrt(variance);
    const least = rule === "observed" ? own.min[channel]! : mean - 3 * Math.abs(deviation);
    return Number.isFinite(least) ? Math.max(0, least) : 0;
  });
  if (shift.every((c) => c === 0)) return undefined;
  const bias = biasOf(flow, layer);
  if (typeof bias === "string") return bias;
  const edits = [
    {
      ...bias,
      tensor: added(
        bias.tensor,
        shift.map((c) => -c),
      ),
    },
  ];
  const shifts = new Map([[relu.outputs[0]!, shift]]);
  for (const { node, inputs, outputs, links, layer: reader, reason } of flow.nodes) {
    const moving = inputs.filter((value) => shifts.has(value));
    if (moving.length === 0) continue;
    const refusal = reason ?? (reader ? readerRefusal(reader) : moverRefusal(node));
    if (refusal !== undefined) return `${labelOf(node)}: ${refusal}`;
    if (reader) {
      const target = biasOf(flow, reader);
      if (typeof target === "string") return `${labelOf(node)}: ${target}`;
      edits.push({ ...target, tensor: added(target.tensor, shiftOfOutput(reader, shifts.get(reader.input)!)) });
      continue;
    }
    for (const { input, output, from, to } of links) {
      const given = shifts.get(input)!;
      const moved = shifts.get(output) ?? new Float64Array(flow.space(output)!.count).fill(Number.NaN);
      // A channel made of several that shift differently shifts by no number.
      const mixed = to.some((channel, k) => !Number.isNaN(moved[channel]!) && moved[channel] !== given[from[k]!]!);
      if (mixed) return `${labelOf(node)}: it mixes channels`;
      to.forEach((channel, k) => {
        moved[channel] = given[from[k]!]!;
      });
      shifts.set(output, moved);
    }
    if (outputs.some((value) => index.isOutput(value))) return `${labelOf(node)}: it makes an output of the network`;
  }
  if (edits.length === 1 || index.isOutput(relu.outputs[0]!)) return "no layer alone reads its activation";
  const share = shift.map((c, channel) => c / Math.max(own.max[channel]!, c));
  const report = {
    node: labelOf(layer.node),
    channels: shift.filter((c) => c > 0).length,
    largest: share.reduce((a, b) => Math.max(a, b)),
  };
  return { edits, report };
}

/** Averages and copies give back x − c where they are given x − c; all other operators would see the shift. */
function moverRefusal(node: Node): string | undefined {
  const facts = factsOf(node);
  if (facts?.within === undefined || facts.data === "all") return `${node.opType} would see the shift`;
  return averagesPadding(node) ? "it averages padding" : undefined;
}

function readerRefusal(reader: LinearLayer): string | undefined {
  if (reader.opType === "ConvTranspose") return "it is a ConvTranspose";
  if (reader.convolves && addsPadding(reader.node)) return "it pads its input";
  return undefined;
}

/** Where a layer's bias stands, with its present value; a reason where it cannot take a constant. */
function biasOf(flow: ChannelFlow, { node, opType, outChannels }: LinearLayer): BiasEdit | string {
  if (opType === "MatMul") return "MatMul has no bias";
  if (productFactors(node).beta !== 1) return "its beta is not 1";
  const name = node.inputs[2] ?? "";
  const zeros = () => Tensor.float32([outChannels], new Float32Array(outChannels));
  const tensor = name === "" ? zeros() : flow.constant(name);
  if (!tensor) return "its bias is computed, not constant";
  if (tensor.size !== outChannels || tensor.dims[tensor.dims.length - 1] !== outChannels)
    return "its bias is broadcast";
  return { node, input: 2, tensor };
}

function added(tensor: Tensor, shift: Float64Array): Tensor {
  return Tensor.float32(
    tensor.dims,
    (tensor.array() as Float32Array).map((value, channel) => value + shift[channel]!),
  );
}

/** Σ_i c_i·Σ_k W_jik for every output channel j, times α for Gemm. */
function shiftOfOutput(reader: LinearLayer, shift: Float64Array): Float64Array {
  const { alpha } = productFactors(reader.node);
  const weights = reader.tensor.array() as Float32Array;
  const sums = new Float64Array(reader.outChannels);
  forEachWeight(reader, (flat, out, input) => {
    sums[out] = sums[out]! + alpha * weights[flat]! * shift[input]!;
  });
  return sums;
}
