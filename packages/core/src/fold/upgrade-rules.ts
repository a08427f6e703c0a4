import {
  type Attribute,
  attributeOf,
  createNode,
  type DType,
  type Graph,
  int,
  type NameAllocator,
  type Node,
  string,
  Tensor,
} from "../graph/index.js";
import { float32ToFloat16 } from "../math/index.js";
import type { StaticTypes } from "../operators/static-types.js";
import { toInt64 } from "./constant-value.js";

/** What a rule may use. It changes `node` in place; it says why it cannot by returning a text. */
export interface UpgradeContext {
  readonly graph: Graph;
  readonly names: NameAllocator;
  readonly types: StaticTypes;
  /** The opset the model declares. */
  readonly opset: number;
  readonly constant: (value: string) => Tensor | undefined;
  /** True when something reads the value. */
  readonly isRead: (value: string) => boolean;
  readonly before: (node: Node) => void;
  readonly behind: (node: Node) => void;
}

type Rule = (node: Node, context: UpgradeContext) => string | undefined;

/** A change of an operator: it concerns models that declare an opset below `before`. */
interface Change {
  readonly before: number;
  readonly rule: Rule;
}

/** Adds an initializer under a fresh name and makes it input `index`. */
function addInput(node: Node, index: number, value: Tensor, context: UpgradeContext, what: string): void {
  const name = context.names.allocate(`${node.name || node.outputs[0]}_${what}`);
  context.graph.initializers.set(name, value);
  while (node.inputs.length < index) node.inputs.push("");
  node.inputs[index] = name;
}

/** An int64 attribute that became an input. */
const intsToInput =
  (attribute: string, index: number): Rule =>
  (node, context) => {
    const values = attributeOf(node, attribute, "ints", undefined);
    node.attributes.delete(attribute);
    // An empty list of axes means the same as none: all of them.
    if (values && values.length > 0) {
      addInput(node, index, Tensor.int64([values.length], values.map(toInt64)), context, attribute);
    }
    return undefined;
  };

/** A scalar of the data's type. Where the type is unknown it is float32, the only one quantization deals with. */
function scalarLike(value: number, dtype: DType | undefined): Tensor | undefined {
  if (dtype === undefined || dtype === "float32") return Tensor.scalar(value);
  if (dtype === "float64") return Tensor.of("float64", [], Float64Array.of(value));
  if (dtype === "float16") return Tensor.of("float16", [], float32ToFloat16(Float32Array.of(value)));
  return undefined;
}

const clip: Rule = (node, context) => {
  const dtype = context.types.dtype(node.inputs[0]!);
  for (const [index, what] of ["min", "max"].entries()) {
    const bound = attributeOf(node, what, "float", undefined);
    node.attributes.delete(what);
    if (bound === undefined) continue;
    const tensor = scalarLike(bound, dtype);
    if (!tensor) return `its data is ${dtype}`;
    addInput(node, index + 1, tensor, context, what);
  }
  return undefined;
};

const pad: Rule = (node, context) => {
  const value = attributeOf(node, "value", "float", 0);
  const mode = attributeOf(node, "mode", "string", "constant");
  node.attributes.delete("value");
  intsToInput("pads", 1)(node, context);
  if (value === 0 || mode !== "constant") return undefined;
  const dtype = context.types.dtype(node.inputs[0]!);
  const tensor = scalarLike(value, dtype);
  if (!tensor) return `its data is ${dtype}`;
  addInput(node, 2, tensor, context, "value");
  return undefined;
};

const slice: Rule = (node, context) => {
  for (const [index, what] of ["starts", "ends", "axes"].entries()) intsToInput(what, index + 1)(node, context);
  return undefined;
};

const topK: Rule = (node, context) => {
  const k = attributeOf(node, "k", "int", undefined);
  if (k === undefined) return "it has no k";
  node.attributes.delete("k");
  addInput(node, 1, Tensor.int64([1], [k]), context, "k");
  return undefined;
};

const batchNorm: Rule = (node) => {
  if (attributeOf(node, "spatial", "int", 1) === 0) return "spatial is 0, which newer opsets do not have";
  if (node.outputs.slice(1).some((output) => output !== "")) return "it is in training mode";
  node.attributes.delete("spatial");
  node.outputs.length = 1;
  return undefined;
};

const dropout: Rule = (node, context) => {
  // Its type changed from the data's to bool.
  if (context.opset < 10 && context.isRead(node.outputs[1] ?? "")) return "its mask is read";
  const ratio = attributeOf(node, "ratio", "float", undefined);
  node.attributes.delete("ratio");
  if (ratio !== undefined) addInput(node, 1, Tensor.scalar(ratio), context, "ratio");
  return undefined;
};

/**
 * Before opset 13 the data counted as a matrix: axes from `axis` (default 1) on together; from 13 on only `axis` (default −1).
 * The same where `axis` is the last axis; else the matrix is made by hand: Flatten, the operator, Reshape.
 */
const softmax: Rule = (node, context) => {
  const axis = attributeOf(node, "axis", "int", 1);
  const rank = context.types.shape(node.inputs[0]!)?.length;
  if (axis === -1 || (rank !== undefined && axis === rank - 1)) {
    node.attributes.set("axis", int(axis));
    return undefined;
  }
  const { names } = context;
  const stem = node.name || node.outputs[0]!;
  const [data] = node.inputs;
  const [output] = node.outputs;
  const make = (opType: string, inputs: string[], attributes: Record<string, Attribute> = {}, result?: string) => {
    const name = names.allocate(`${stem}_${opType}`);
    const outputs = [result ?? names.allocate(`${name}_output`)];
    return createNode({ opType, name, inputs, outputs, attributes });
  };
  const shape = make("Shape", [data!]);
  const flatten = make("Flatten", [data!], { axis: int(axis) });
  const inner = names.allocate(`${stem}_matrix`);
  node.inputs = [...flatten.outputs];
  node.outputs = [inner];
  node.attributes.set("axis", int(-1));
  context.before(shape);
  context.before(flatten);
  context.behind(make("Reshape", [inner, shape.outputs[0]!], {}, output!));
  return undefined;
};

/**
 * Upsample and Resize before opset 11 compute x = x_resized / scale («asymmetric»). ONNX Runtime rounds x down where an axis
 * grows and up where it shrinks; the specification leaves it open.
 */
const resize: Rule = (node, context) => {
  const attribute = attributeOf(node, "scales", "floats", undefined);
  const scales = attribute ?? context.constant(node.inputs[1] ?? "")?.numbers();
  const mode = attributeOf(node, "mode", "string", "nearest");
  let nearest = "floor";
  if (mode === "nearest" && node.opType === "Resize") {
    if (!scales) return "its scales are computed from its input, and the rounding depends on them";
    if (scales.some((scale) => scale < 1)) nearest = "ceil";
    if (nearest === "ceil" && scales.some((scale) => scale > 1)) return "it enlarges one axis and shrinks another";
  }
  const input = node.inputs[1];
  node.opType = "Resize";
  node.inputs = [node.inputs[0]!, "", input ?? ""];
  node.attributes.delete("scales");
  if (attribute) addInput(node, 2, Tensor.float32([attribute.length], attribute), context, "scales");
  node.attributes.set("mode", string(mode === "bilinear" ? "linear" : mode));
  node.attributes.set("coordinate_transformation_mode", string("asymmetric"));
  if (mode === "nearest") node.attributes.set("nearest_mode", string(nearest));
  return undefined;
};

/** Opsets 11 and 12 have an empty tensor where the other of `scales` and `sizes` counts; from 13 on its input is absent. */
const eitherScalesOrSizes: Rule = (node, context) => {
  const [, , scales = "", sizes = ""] = node.inputs;
  if (scales === "" || sizes === "") return undefined;
  const isEmpty = (value: string) => context.constant(value)?.size === 0;
  if (isEmpty(sizes)) node.inputs.length = 3;
  else if (isEmpty(scales) || context.constant(scales) === undefined) node.inputs[2] = "";
  else return "it has scales and sizes";
  return undefined;
};

/** floor((x + ½)/s) is round(half pixel coordinate), ties up: the mode for TensorFlow 1 can go. */
const tensorflowResize: Rule = (node) => {
  if (attributeOf(node, "coordinate_transformation_mode", "string", "half_pixel") !== "tf_half_pixel_for_nn")
    return undefined;
  const nearest = attributeOf(node, "nearest_mode", "string", "round_prefer_floor");
  if (attributeOf(node, "mode", "string", "nearest") !== "nearest" || nearest !== "floor") {
    return "coordinate_transformation_mode tf_half_pixel_for_nn is not in newer opsets";
  }
  node.attributes.set("coordinate_transformation_mode", string("half_pixel"));
  node.attributes.set("nearest_mode", string("round_prefer_ceil"));
  return undefined;
};

/** The default changed with opset 16. */
const roiAlign: Rule = (node) => {
  node.attributes.set("coordinate_transformation_mode", string("output_half_pixel"));
  return undefined;
};

const scatter: Rule = (node) => {
  node.opType = "ScatterElements";
  return undefined;
};

const scan: Rule = () => "Scan was another operator before opset 9";

/** Changes from opset 7 to 17 that alter what a node means or how it is written, in the order they apply. */
export const UPGRADE_RULES: ReadonlyMap<string, readonly Change[]> = new Map<string, readonly Change[]>([
  [
    "BatchNormalization",
    [
      { before: 9, rule: batchNorm },
      { before: 14, rule: batchNorm },
    ],
  ],
  ["Clip", [{ before: 11, rule: clip }]],
  ["Dropout", [{ before: 12, rule: dropout }]],
  ["Hardmax", [{ before: 13, rule: softmax }]],
  ["LogSoftmax", [{ before: 13, rule: softmax }]],
  ["Pad", [{ before: 11, rule: pad }]],
  ["ReduceSum", [{ before: 13, rule: intsToInput("axes", 1) }]],
  [
    "Resize",
    [
      { before: 11, rule: resize },
      { before: 13, rule: eitherScalesOrSizes },
      { before: 13, rule: tensorflowResize },
    ],
  ],
  ["RoiAlign", [{ before: 16, rule: roiAlign }]],
  ["Scan", [{ before: 9, rule: scan }]],
  ["Scatter", [{ before: 11, rule: scatter }]],
  ["Slice", [{ before: 10, rule: slice }]],
  ["Softmax", [{ before: 13, rule: softmax }]],
  ["Split", [{ before: 13, rule: intsToInput("split", 1) }]],
  ["Squeeze", [{ before: 13, rule: intsToInput("axes", 1) }]],
  ["TopK", [{ before: 10, rule: topK }]],
  ["Unsqueeze", [{ before: 13, rule: intsToInput("axes", 1) }]],
  ["Upsample", [{ before: 10, rule: resize }]],
]);

/** Experimental operators that ONNX withdrew; ONNX Runtime still reads some of them in old models. */
export const WITHDRAWN_OPERATORS: ReadonlySet<string> = new Set([
  "ATen",
  "Affine",
  "Crop",
  "DynamicSlice",
  "GRUUnit",
  "GivenTensorFill",
  "ImageScaler",
  "ParametricSoftplus",
  "Scale",
  "ScaledTanh",
]);
