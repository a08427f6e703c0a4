import { attributeOf, type Node } from "../../graph/index.js";
import { type GradientContext, type GradientRule, unsupported } from "../context.js";
import { channelSum } from "./convolution.js";

const mul = (c: GradientContext, a: string, b: string) => c.op("Mul", [a, b]);

/** A vector of channels in a shape that broadcasts along axis 1 of a value of rank `rank`. */
function alongChannels(vector: string, rank: number, c: GradientContext): string {
  if (rank === 2) return vector;
  return c.op("Reshape", [vector, c.int64([-1, ...Array<number>(rank - 2).fill(1)])]);
}

function reciprocalRoot(variance: string, node: Node, c: GradientContext): string {
  const epsilon = c.scalar(attributeOf(node, "epsilon", "float", 1e-5), node.inputs[0]!);
  return c.op("Reciprocal", [c.op("Sqrt", [c.op("Add", [variance, epsilon])])]);
}

/** y = (x − mean)/√(var + ε)·scale + shift with running statistics. Batch statistics are lowered to primitives before. */
const batchNormalization: GradientRule = (node, [dy], c) => {
  const [x, scale, shift, mean, variance] = node.inputs as [string, string, string, string, string];
  const rank = c.knownDims(x, node).length;
  const inverse = reciprocalRoot(variance, node, c);
  const slope = mul(c, scale, inverse);
  const sum = c.needs(shift) || c.needs(mean) ? channelSum(dy!, rank, c) : "";
  let moment = "";
  if (c.needs(scale) || c.needs(variance)) {
    const centred = c.op("Sub", [x, alongChannels(mean, rank, c)]);
    moment = mul(c, channelSum(mul(c, dy!, centred), rank, c), inverse);
  }
  const toVariance = () => mul(c, mul(c, moment, mul(c, slope, inverse)), c.scalar(-0.5, x));
  return [
    c.needs(x) ? mul(c, dy!, alongChannels(slope, rank, c)) : undefined,
    c.needs(scale) ? moment : undefined,
    c.needs(shift) ? sum : undefined,
    c.needs(mean) ? c.op("Neg", [mul(c, sum, slope)]) : undefined,
    c.needs(variance) ? toVariance() : undefined,
  ];
};

/**
 * x̂ = (x − μ)·r over `axes`; with g = dL/dx̂: dx = r·(g − mean(g) − x̂·mean(g ⊙ x̂)).
 * @returns x̂, and the gradient of x from that of x̂.
 */
function standardized(node: Node, axes: readonly number[], c: GradientContext) {
  const x = node.inputs[0]!;
  const centred = c.op("Sub", [x, c.reduce("ReduceMean", x, axes)]);
  const inverse = reciprocalRoot(c.reduce("ReduceMean", mul(c, centred, centred), axes), node, c);
  const value = mul(c, centred, inverse);
  const gradient = (g: string) => {
    const offset = c.op("Sub", [g, c.reduce("ReduceMean", g, axes)]);
    const tilt = mul(c, value, c.reduce("ReduceMean", mul(c, g, value), axes));
    return mul(c, inverse, c.op("Sub", [offset, tilt]));
  };
  return { value, gradient };
}

const layerNormalization: GradientRule = (node, gradients, c) => {
  const [x, scale, shift] = node.inputs as [string, string, string?];
  const [dy] = gradients;
  if (gradients.slice(1).some((g) => g !== undefined)) unsupported(node, "its mean and deviation as results");
  const axis = attributeOf(node, "axis", "int", -1);
  const first = axis < 0 ? axis : axis - c.knownDims(x, node).length;
  const axes = Array.from({ length: -first }, (_, i) => first + i);
  const { value, gradient } = standardized(node, axes, c);
  const y = node.outputs[0]!;
  return [
    c.needs(x) ? gradient(mul(c, dy!, scale)) : undefined,
    c.needs(scale) ? c.unbroadcast(mul(c, dy!, value), y, scale) : undefined,
    c.needs(shift) ? c.unbroadcast(dy!, y, shift) : undefined,
  ];
};

const instanceNormalization: GradientRule = (node, [dy], c) => {
  const [x, scale, shift] = node.inputs as [string, string, string];
  const rank = c.knownDims(x, node).length;
  const axes = Array.from({ length: rank - 2 }, (_, i) => i + 2);
  const { value, gradient } = standardized(node, axes, c);
  return [
    c.needs(x) ? gradient(mul(c, dy!, alongChannels(scale, rank, c))) : undefined,
    c.needs(scale) ? channelSum(mul(c, dy!, value), rank, c) : undefined,
    c.needs(shift) ? channelSum(dy!, rank, c) : undefined,
  ];
};

export const NORMALIZATION_RULES: Record<string, GradientRule> = {
  BatchNormalization: batchNormalization,
  LayerNormalization: layerNormalization,
  InstanceNormalization: instanceNormalization,
};
