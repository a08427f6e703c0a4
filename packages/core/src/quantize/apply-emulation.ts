import { GraphBuilder, type Model, sortNodes, Tensor, Uses } from "../graph/index.js";
import type { Encoding } from "../math/index.js";
import type { LinearLayer } from "../operators/index.js";
import type { QuantizationPlan } from "./apply-qdq.js";
import { dropUnused, placeOf } from "./place.js";
import { TARGET_KEY } from "./targets.js";

/**
 * Rewrites the model so that float operators behave like integer ones (MathWorks' emulation page): every encoded value is scaled,
 * saturated and rounded, weights and biases hold their dequantized values. The result is not smaller than the original.
 *
 * x̂ = scale·clamp(round(x/scale), qmin − zeroPoint, qmax − zeroPoint): the zero point moves into the bounds, because
 * adding an integer commutes with rounding to one when ties go to even only if it is even — so it must not be added before.
 */
export function applyEmulation(model: Model, plan: QuantizationPlan, rounding: "even" | "away" = "even"): void {
  const builder = new GraphBuilder(model.graph);
  const replaced: string[] = [];
  const setInput = ({ node }: LinearLayer, input: 1 | 2, tensor: Tensor) => {
    const float = node.inputs[input]!;
    node.inputs[input] = builder.constant(tensor, `${float}_emulated`);
    replaced.push(float);
  };
  for (const { layer, weight, bias } of plan.parameters) {
    setInput(layer, 1, dequantizeTensor(weight.data, weight.encoding));
    if (bias?.data) setInput(layer, 2, dequantizeTensor(bias.data, bias.encoding!));
  }
  for (const { value, readers, data, encoding } of plan.constants) {
    if (!plan.activations.has(value)) continue;
    const emulated = builder.constant(dequantizeTensor(data, encoding), `${value}_emulated`);
    for (const node of readers) node.inputs = node.inputs.map((input) => (input === value ? emulated : input));
    replaced.push(value);
  }
  dropUnused(model.graph, replaced);
  const uses = new Uses(model.graph);
  const constants = new Set(plan.constants.map(({ value }) => value));
  for (const [value, encoding] of plan.activations)
    if (!constants.has(value)) insert(builder, uses, value, encoding, plan, rounding);
  sortNodes(model.graph);
  if (plan.parameters.length + plan.activations.size > 0) model.metadata.set(TARGET_KEY, plan.target);
}

/** scale·(q − zeroPoint) in float32, as DequantizeLinear computes it. */
export function dequantizeTensor(tensor: Tensor, encoding: Encoding): Tensor {
  const { scale, zeroPoint, axis } = encoding;
  const integers = tensor.array() as Int32Array;
  const inner = axis === null ? tensor.size : tensor.dims.slice(axis + 1).reduce((product, size) => product * size, 1);
  const channels = scale.length;
  const values = new Float32Array(tensor.size);
  for (let at = 0; at < values.length; at++) {
    const channel = axis === null ? 0 : Math.floor(at / inner) % channels;
    values[at] = Math.fround(integers[at]! - zeroPoint[channel]!) * scale[channel]!;
  }
  return Tensor.float32(tensor.dims, values);
}

function insert(
  builder: GraphBuilder,
  uses: Uses,
  value: string,
  encoding: Encoding,
  plan: QuantizationPlan,
  rounding: "even" | "away",
): void {
  const { graph } = builder;
  const place = placeOf(graph, builder.names, value, plan.placement.nodes);
  const before = graph.nodes.length;
  const result = emulateValue(builder, place.source, encoding, { rounding, name: value });
  const inserted = graph.nodes.slice(before);
  if (place.isOutput) inserted.find((node) => node.outputs[0] === result)!.outputs = [value];
  else uses.replace(value, result, new Set(place.untouched));
  for (const node of inserted) uses.add(node);
}

/** Appends x̂ of a value in float operators, as {@link applyEmulation} computes it, and returns its name. */
export function emulateValue(
  builder: GraphBuilder,
  value: string,
  encoding: Encoding,
  options: { rounding?: "even" | "away"; name?: string } = {},
): string {
  const { rounding = "even", name = value } = options;
  const scale = builder.constant(Tensor.scalar(encoding.scale[0]!), `${name}_scale`);
  const zero = encoding.zeroPoint[0]!;
  const low = builder.constant(Tensor.scalar(encoding.qmin - zero), `${name}_low`);
  const high = builder.constant(Tensor.scalar(encoding.qmax - zero), `${name}_high`);
  const scaled = builder.node("Div", [value, scale]);
  const rounded = rounding === "even" ? builder.node("Round", [scaled]) : roundAway(builder, scaled);
  const clipped = builder.node("Clip", [rounded, low, high]);
  return builder.node("Mul", [clipped, scale], {}, { name: `${name}_emulated` });
}

/** sign(x)·floor(|x| + 0.5): ties away from zero, as MathWorks' quantization page rounds. */
function roundAway(builder: GraphBuilder, value: string): string {
  const half = builder.constant(0.5, "half");
  const magnitude = builder.node("Floor", [builder.node("Add", [builder.node("Abs", [value]), half])]);
  return builder.node("Mul", [builder.node("Sign", [value]), magnitude]);
}
