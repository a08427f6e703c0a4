import { type Attribute, attributeOf, int, ints, type Node, string } from "../../graph/index.js";
import { type GradientContext, type GradientRule, unsupported } from "../context.js";
import { flatPositions, scatterFlat } from "./scatter.js";

const pass: GradientRule = (_node, [dy]) => [dy];

/** Same elements, another shape. */
const reshaped: GradientRule = (node, [dy], c) => [c.reshapeLike(dy!, node.inputs[0]!)];

const cast: GradientRule = (node, [dy], c) => {
  const x = node.inputs[0]!;
  return [["float32", "float64", "float16", "bfloat16"].includes(c.dtype(x)) ? c.cast(dy!, x) : undefined];
};

const transpose: GradientRule = (node, [dy], c) => {
  const perm = attributeOf(node, "perm", "ints", undefined);
  if (!perm) return [c.op("Transpose", [dy!])];
  const inverse = perm.map((_, axis) => perm.indexOf(axis));
  return [c.op("Transpose", [dy!], { perm: ints(inverse) })];
};

/** The node applied to positions instead of values: where each output element came from. */
function moved(node: Node, c: GradientContext): string {
  const inputs = [flatPositions(node.inputs[0]!, c), ...node.inputs.slice(1)];
  return c.op(node.opType, inputs, Object.fromEntries(node.attributes));
}

/** Operators that pick elements: each gradient element returns to where its value came from; repeated ones add up. */
const picked = (repeats: (node: Node, c: GradientContext) => boolean): GradientRule => {
  return (node, [dy], c) => [scatterFlat(dy!, moved(node, c), node.inputs[0]!, repeats(node, c), c)];
};

/** Indices are distinct when they are constant and none occurs twice. */
function repeatsIndices(node: Node, c: GradientContext): boolean {
  const indices = c.constantOf(node.inputs[1])?.numbers();
  return !indices || new Set(indices).size < indices.length || indices.some((index) => index < 0);
}

const anySlice = picked(() => false);

/** A slice with step 1 and constant bounds is undone by zero padding; any other by scattering. */
const slice: GradientRule = (node, gradients, c) => {
  const x = node.inputs[0]!;
  const [starts, ends, axes, steps] = [1, 2, 3, 4].map((i) => c.constantOf(node.inputs[i])?.numbers());
  const rank = c.dims(x)?.length;
  const stepsOne = !node.inputs[4] || steps?.every((step) => step === 1);
  const axesKnown = !node.inputs[3] || axes;
  if (!starts || !ends || !rank || !stepsOne || !axesKnown) return anySlice(node, gradients, c);
  const before = Array<number>(rank).fill(0);
  const after = Array<number>(rank).fill(0);
  for (const [i, start] of starts.entries()) {
    const axis = (((axes?.[i] ?? i) % rank) + rank) % rank;
    const size = c.dims(x)![axis]!;
    if (size < 0) return anySlice(node, gradients, c);
    const clamp = (position: number) => Math.min(Math.max(position < 0 ? position + size : position, 0), size);
    before[axis] = clamp(start);
    after[axis] = size - Math.max(clamp(ends[i]!), clamp(start));
  }
  return [c.op("Pad", [gradients[0]!, c.int64([...before, ...after])])];
};

const zerosLike = (value: string, c: GradientContext) => c.fill(0, value);

/** Parts without a gradient count as zeros. */
const split: GradientRule = (node, gradients, c) => {
  const parts = node.outputs.map((output, i) => gradients[i] ?? zerosLike(output, c));
  return [c.op("Concat", parts, { axis: int(attributeOf(node, "axis", "int", 0)) })];
};

const concat: GradientRule = (node, [dy], c) => {
  const axis = attributeOf(node, "axis", "int", 0);
  if (node.inputs.length === 1) return [dy];
  const sizes = node.inputs.map((x) => c.dims(x)?.at(axis) ?? -1);
  const lengths = sizes.every((size) => size >= 0)
    ? c.int64(sizes)
    : c.op(
        "Concat",
        node.inputs.map((x) => c.axisSize(x, axis)),
        { axis: int(0) },
      );
  return c.ops("Split", [dy!, lengths], { axis: int(axis) }, node.inputs.length);
};

/** Constant padding is undone by padding with the opposite sign: ONNX lets negative pads remove elements. */
const pad: GradientRule = (node, [dy], c) => {
  const [x, pads, value = "", axes = ""] = node.inputs as [string, string, string?, string?];
  const mode = attributeOf(node, "mode", "string", "constant");
  if (mode !== "constant") {
    const attributes: Record<string, Attribute> = { mode: string(mode) };
    const inputs = [flatPositions(x, c), pads, "", axes];
    const positions = c.op("Pad", axes === "" ? inputs.slice(0, 2) : inputs, attributes);
    return [scatterFlat(dy!, positions, x, true, c)];
  }
  if (c.needs(value)) unsupported(node, "a padding value that is differentiated");
  const opposite = c.op("Neg", [pads]);
  return [c.op("Pad", axes === "" ? [dy!, opposite] : [dy!, opposite, "", axes])];
};

const expand: GradientRule = (node, [dy], c) => [c.unbroadcast(dy!, node.outputs[0]!, node.inputs[0]!)];

const dropout: GradientRule = (node, [dy], c) => {
  const training = node.inputs[2] ?? "";
  const mode = c.constantOf(training)?.numbers()[0] ?? 0;
  if (training === "" || (c.constantOf(training) && mode === 0)) return [dy];
  if (!c.constantOf(training)) unsupported(node, "a training_mode that is not constant");
  const ratio = c.constantOf(node.inputs[1])?.numbers()[0] ?? 0.5;
  if (!node.outputs[1]) node.outputs[1] = c.newValue(`${node.outputs[0]}/mask`);
  const x = node.inputs[0]!;
  const kept = c.op("Mul", [dy!, c.cast(node.outputs[1], x)]);
  return [c.op("Mul", [kept, c.scalar(1 / (1 - ratio), x)])];
};

export const MOVEMENT_RULES: Record<string, GradientRule> = {
  Identity: pass,
  Cast: cast,
  Dropout: dropout,
  Reshape: reshaped,
  Flatten: reshaped,
  Squeeze: reshaped,
  Unsqueeze: reshaped,
  Transpose: transpose,
  Slice: slice,
  Split: split,
  Concat: concat,
  Pad: pad,
  Expand: expand,
  Tile: picked(() => true),
  Gather: picked(repeatsIndices),
  GatherElements: picked(() => true),
  GatherND: picked(() => true),
};
