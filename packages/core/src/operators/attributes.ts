import { attributeOf, type Node, type Tensor } from "../graph/index.js";

/** What stands behind a name where it is the same in every run. */
export type Constants = (value: string) => Tensor | undefined;

/** Number that an input holds, or an attribute before the opset that made it an input; undefined where it is computed. */
function scalarOf(node: Node, position: number, name: string, absent: number, constant: Constants): number | undefined {
  const value = node.inputs[position] ?? "";
  if (value === "") return attributeOf(node, name, "float", absent);
  const tensor = constant(value);
  return tensor?.size === 1 ? Number(tensor.numbers()[0]) : undefined;
}

/** Bounds of a Clip: ±Infinity where it has none, undefined where one is computed. Where max < min, Clip returns max. */
export function clipBounds(
  clip: Node,
  constant: Constants,
): { readonly low: number | undefined; readonly high: number | undefined } {
  const low = scalarOf(clip, 1, "min", Number.NEGATIVE_INFINITY, constant);
  const high = scalarOf(clip, 2, "max", Number.POSITIVE_INFINITY, constant);
  return { low: low !== undefined && high !== undefined ? Math.min(low, high) : low, high };
}

/** Between which values an activation that only cuts off (Relu, Clip) is the identity; undefined where one is computed. */
export function saturationBounds(
  node: Node,
  constant: Constants,
): { readonly low: number | undefined; readonly high: number | undefined } {
  return node.opType === "Relu" ? { low: 0, high: Number.POSITIVE_INFINITY } : clipBounds(node, constant);
}

/** Padding of a convolution or pool: `explicit` amounts, begins then ends (none where the node does not say), or a rule. */
export type Padding =
  | { readonly rule: "explicit"; readonly amounts: readonly number[] }
  | { readonly rule: "sameUpper" | "sameLower" | "valid" };

const PADDING_RULES: ReadonlyMap<string, Padding["rule"]> = new Map([
  ["SAME_UPPER", "sameUpper"],
  ["SAME_LOWER", "sameLower"],
  ["VALID", "valid"],
]);

export function paddingOf(node: Node): Padding {
  const rule = PADDING_RULES.get(attributeOf(node, "auto_pad", "string", "NOTSET"));
  if (rule !== undefined && rule !== "explicit") return { rule };
  return { rule: "explicit", amounts: attributeOf(node, "pads", "ints", []) };
}

/** Whether a convolution or pool may read beyond its input. */
export function addsPadding(node: Node): boolean {
  const padding = paddingOf(node);
  return padding.rule === "explicit" ? padding.amounts.some((amount) => amount !== 0) : padding.rule !== "valid";
}

/** Whether padding counts in the averages of an AveragePool. */
export function averagesPadding(node: Node): boolean {
  return attributeOf(node, "count_include_pad", "int", 0) !== 0 && addsPadding(node);
}

/** Amounts of a Pad, begins then ends; undefined where they are computed. */
export function padAmounts(pad: Node, constant: Constants): readonly number[] | undefined {
  return attributeOf(pad, "pads", "ints", undefined) ?? constant(pad.inputs[1] ?? "")?.numbers();
}

/** What a Pad in `constant` mode writes, undefined where that is computed; other modes repeat elements and have none. */
export function padValue(pad: Node, constant: Constants): number | "repeats" | undefined {
  if (attributeOf(pad, "mode", "string", "constant") !== "constant") return "repeats";
  return scalarOf(pad, 2, "value", 0, constant);
}

/** Whether a Pad adds nothing but zeros or elements of its input. */
export function padsZeros(pad: Node, constant: Constants): boolean {
  const value = padValue(pad, constant);
  return value === "repeats" || value === 0;
}

/** Whether a Resize fills what lies outside of its input with a number. */
export function fillsOutside(resize: Node): boolean {
  return attributeOf(resize, "coordinate_transformation_mode", "string", "half_pixel") === "tf_crop_and_resize";
}

/** How a Resize interpolates. */
export function resizeMode(resize: Node): string {
  return attributeOf(resize, "mode", "string", "nearest");
}

/** Factors of the product and of the bias: those of a Gemm, 1 everywhere else. */
export function productFactors(layer: Node): { readonly alpha: number; readonly beta: number } {
  if (layer.opType !== "Gemm") return { alpha: 1, beta: 1 };
  return { alpha: attributeOf(layer, "alpha", "float", 1), beta: attributeOf(layer, "beta", "float", 1) };
}

/** Whether a Gemm (or FusedMatMul) reads its factors transposed. */
export function transposed(node: Node): { readonly a: boolean; readonly b: boolean } {
  return { a: attributeOf(node, "transA", "int", 0) !== 0, b: attributeOf(node, "transB", "int", 0) !== 0 };
}

/** Groups of a convolution. */
export function groupOf(node: Node): number {
  return attributeOf(node, "group", "int", 1);
}

/** Axis of an operator that has one, counted from the front. */
export function axisOf(node: Node, rank: number, absent: number): number {
  const axis = attributeOf(node, "axis", "int", absent);
  return axis < 0 ? axis + rank : axis;
}

/** Order of the axes behind a Transpose; the reverse one where it names none, undefined where the rank is not known. */
export function permutationOf(transpose: Node, rank: number | undefined): readonly number[] | undefined {
  const named = attributeOf(transpose, "perm", "ints", undefined);
  return named ?? (rank === undefined ? undefined : Array.from({ length: rank }, (_, axis) => rank - 1 - axis));
}
