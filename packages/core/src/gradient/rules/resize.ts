import { attributeOf, ints, type Node, sizeOf, Tensor } from "../../graph/index.js";
import { type GradientContext, type GradientRule, unsupported } from "../context.js";

/** A resized axis: its sizes, and the scale where the node gives scales. */
interface ResizedAxis {
  readonly axis: number;
  readonly from: number;
  readonly to: number;
  readonly scale: number | undefined;
}

/** The axes that a Resize changes; sizes must be known and the scales or sizes constant. */
function resizedAxes(node: Node, c: GradientContext): ResizedAxis[] {
  const [x, , scales = "", sizes = ""] = node.inputs as [string, string?, string?, string?];
  const inDims = c.knownDims(x, node);
  const outDims = c.knownDims(node.outputs[0]!, node);
  const factors = c.constantOf(scales)?.numbers();
  if (sizes === "" && (!factors || factors.length === 0)) unsupported(node, "scales that are not constant");
  const axes = attributeOf(node, "axes", "ints", undefined) ?? inDims.map((_, axis) => axis);
  return axes.flatMap((given, i) => {
    const axis = given < 0 ? given + inDims.length : given;
    const [from, to, scale] = [inDims[axis]!, outDims[axis]!, sizes === "" ? factors![i] : undefined];
    if (scale === 1 || (scale === undefined && from === to)) return [];
    if (from < 0 || to < 0) unsupported(node, `axis ${axis} of unknown size`);
    return [{ axis, from, to, scale }];
  });
}

/**
 * Resize is linear and works axis by axis, so its gradient multiplies each axis by the transposed interpolation matrix,
 * which the very same Resize makes of an identity matrix (ONNX Runtime folds that when the model is loaded): nearest,
 * linear and cubic alike. Nearest by whole factors is the sum over blocks, which a pool computes.
 */
const resize: GradientRule = (node, [dy], c) => {
  const mode = attributeOf(node, "mode", "string", "nearest");
  if (attributeOf(node, "coordinate_transformation_mode", "string", "") === "tf_crop_and_resize") {
    unsupported(node, "tf_crop_and_resize");
  }
  if (attributeOf(node, "keep_aspect_ratio_policy", "string", "stretch") !== "stretch") {
    unsupported(node, "keep_aspect_ratio_policy");
  }
  const axes = resizedAxes(node, c);
  const rank = c.knownDims(node.inputs[0]!, node).length;
  if (mode === "nearest" && rank >= 3 && repeatsWhole(node, axes)) {
    const kernel = Array.from({ length: rank - 2 }, (_, i) => {
      const resized = axes.find(({ axis }) => axis === i + 2);
      return resized ? resized.to / resized.from : 1;
    });
    const mean = c.op("AveragePool", [dy!], { kernel_shape: ints(kernel), strides: ints(kernel) });
    return [c.op("Mul", [mean, c.scalar(sizeOf(kernel), node.inputs[0]!)])];
  }
  return [axes.reduce((value, axis) => contracted(value, axis, rank, node, c), dy!)];
};

/** True when every element is repeated a whole number of times, on spatial axes only. */
function repeatsWhole(node: Node, axes: readonly ResizedAxis[]): boolean {
  const coordinates = attributeOf(node, "coordinate_transformation_mode", "string", "half_pixel");
  const rounding = attributeOf(node, "nearest_mode", "string", "round_prefer_floor");
  const plain =
    (coordinates === "asymmetric" && rounding === "floor") ||
    (coordinates === "half_pixel" && rounding.startsWith("round_prefer"));
  return (
    plain &&
    axes.every(({ axis, from, to, scale }) => {
      return axis >= 2 && to % from === 0 && to > from && (scale === undefined || scale === to / from);
    })
  );
}

/** One axis of `dy` multiplied by the interpolation matrix [from, to]. */
function contracted(dy: string, { axis, from, to, scale }: ResizedAxis, rank: number, node: Node, c: GradientContext) {
  const identity = new Float32Array(from * from);
  for (let i = 0; i < from; i++) identity[i * from + i] = 1;
  const eye = c.constant(Tensor.float32([1, from, from, 1], identity));
  const { axes: _axes, ...attributes } = Object.fromEntries(node.attributes);
  const target =
    scale === undefined ? ["", c.int64([1, from, to, 1])] : [c.constant(Tensor.float32([4], [1, 1, scale, 1]))];
  const made = c.op("Resize", [eye, "", ...target], attributes);
  const matrix = c.op("Reshape", [made, c.int64([from, to])]);
  if (axis === rank - 2) return c.op("MatMul", [matrix, dy]);
  const turned = c.op("Transpose", [matrix], { perm: ints([1, 0]) });
  if (axis === rank - 1) return c.op("MatMul", [dy, turned]);
  const perm = Array.from({ length: rank }, (_, i) => i).filter((i) => i !== axis);
  const last = c.op("Transpose", [dy], { perm: ints([...perm, axis]) });
  const back = Array.from({ length: rank }, (_, i) => (i === axis ? rank - 1 : i < axis ? i : i - 1));
  return c.op("Transpose", [c.op("MatMul", [last, turned])], { perm: ints(back) });
}

export const RESIZE_RULES: Record<string, GradientRule> = { Resize: resize };
