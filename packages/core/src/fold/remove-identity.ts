import { attributeOf, dtypeFromCode, isOp, type Node, type Tensor } from "../graph/index.js";
import { padAmounts, permutationOf } from "../operators/attributes.js";
import { isTrainingDropout } from "./fold-constants.js";
import type { FoldScope } from "./fold-scope.js";
import { bypass } from "./rewire.js";

/**
 * Removes nodes that return their input: Identity, Dropout at inference, Cast to the same type, Reshape to the same shape,
 * Pad by nothing, Transpose in the old order, Concat and sums of one, Mul and Div by 1, Add and Sub of 0
 * (−0 + 0 is 0: the two zeros count as equal).
 */
export function removeIdentity(scope: FoldScope): void {
  for (const node of scope.graph.nodes) {
    const verdict = identityVerdict(scope, node);
    if (verdict === undefined) continue;
    const reason = typeof verdict === "string" ? verdict : bypass(scope, node, verdict);
    if (reason === undefined) scope.done(node);
    else scope.skip(node, reason);
  }
}

/** Undefined: no identity. A number: an identity of that input. Otherwise why an operator that usually is one is not here. */
function identityVerdict(scope: FoldScope, node: Node): number | string | undefined {
  if (node.domain !== "" || node.inputs.length === 0 || node.outputs.length === 0) return undefined;
  return IDENTITY_RULES.get(node.opType)?.(scope, node);
}

type IdentityRule = (scope: FoldScope, node: Node) => number | string | undefined;

/** Passes its first input on where a condition holds. */
const where =
  (holds: IdentityCondition): IdentityRule =>
  (scope, node) =>
    holds(scope, node) ? 0 : undefined;
type IdentityCondition = (scope: FoldScope, node: Node) => boolean;

const dropout: IdentityRule = (scope, node) => {
  if (isTrainingDropout(scope, node)) return "it is in training mode";
  return (node.outputs[1] ?? "") !== "" && scope.wiring.reads(node.outputs[1]!) > 0 ? "its mask is read" : 0;
};

const commutative: IdentityRule = (scope, node) => {
  if (isNeutral(scope, node, 1)) return 0;
  return isNeutral(scope, node, 0) ? 1 : undefined;
};

const keepsType: IdentityCondition = (scope, node) =>
  scope.types.dtype(node.inputs[0]!) === dtypeFromCode(attributeOf(node, "to", "int", 0));
const keepsOrder: IdentityCondition = (_, node) =>
  permutationOf(node, undefined)?.every((axis, index) => axis === index) ?? false;
const padsNothing: IdentityCondition = (scope, node) =>
  padAmounts(node, (value) => scope.constant(value))?.every((amount) => amount === 0) ?? false;
const ofOne = where((_, node) => node.inputs.length === 1);
const rightNeutral = where((scope, node) => isNeutral(scope, node, 1));

/** When an operator gives back what it reads. */
export const IDENTITY_RULES: ReadonlyMap<string, IdentityRule> = new Map([
  ["Identity", () => 0],
  ["Dropout", dropout],
  ["Cast", where(keepsType)],
  ["Reshape", where(keepsShape)],
  ["Transpose", where(keepsOrder)],
  ["Pad", where(padsNothing)],
  ["Concat", ofOne],
  ["Sum", ofOne],
  ["Mean", ofOne],
  ["Max", ofOne],
  ["Min", ofOne],
  ["Mul", commutative],
  ["Add", commutative],
  ["Div", rightNeutral],
  ["Sub", rightNeutral],
]);

/** Every entry of the target shape is 0 (copy), the known size itself, or the single −1 among such entries. */
function keepsShape(scope: FoldScope, node: Node): boolean {
  const shape = scope.types.shape(node.inputs[0]!);
  const target = scope.constant(node.inputs[1] ?? "")?.numbers();
  if (!shape || target?.length !== shape.length) return false;
  const copies = attributeOf(node, "allowzero", "int", 0) === 0;
  let inferred = 0;
  for (const [axis, size] of target.entries()) {
    if (size === -1) inferred++;
    else if (!(size === 0 && copies) && !(size > 0 && size === shape[axis])) return false;
  }
  return inferred <= 1;
}

const NUMBERS = new Set([
  "float32",
  "float64",
  "int8",
  "uint8",
  "int16",
  "uint16",
  "int32",
  "uint32",
  "int64",
  "uint64",
]);

/** The input is a constant, all ones (Mul, Div) or all zeros (Add, Sub), that does not enlarge the other one. */
function isNeutral(scope: FoldScope, node: Node, input: 0 | 1): boolean {
  const tensor = scope.constant(node.inputs[input] ?? "");
  const data = node.inputs[1 - input]!;
  if (!tensor || !NUMBERS.has(tensor.dtype) || scope.constant(data)) return false;
  const neutral = isOp(node, "Mul", "Div") ? 1 : 0;
  return tensor.numbers().every((value) => value === neutral) && fitsInside(tensor, scope.types.shape(data));
}

function fitsInside(tensor: Tensor, shape: readonly (number | undefined)[] | undefined): boolean {
  const { dims } = tensor;
  if (dims.length === 0) return true;
  if (!shape || shape.length < dims.length) return false;
  return dims.every((size, axis) => size === 1 || size === shape[shape.length - dims.length + axis]);
}
