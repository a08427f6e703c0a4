import { attributeOf, type Node } from "../../graph/index.js";
import type { GradientContext, GradientRule } from "../context.js";
import { unsupported } from "../context.js";

/** What a reduction rule works with: `dy` and `y` broadcast against x, and the axes (undefined: all). */
interface Reduction {
  readonly dy: string;
  readonly y: string;
  readonly x: string;
  readonly axes: readonly number[] | undefined;
}

/** Axes of a Reduce operator, an attribute or a constant input; undefined for all axes, [] for none. */
function reducedAxes(node: Node, c: GradientContext): readonly number[] | undefined {
  const attribute = attributeOf(node, "axes", "ints", undefined);
  if (attribute) return attribute;
  const input = node.inputs[1] ?? "";
  const values = c.constantOf(input)?.numbers();
  if (input !== "" && !values) unsupported(node, "axes that are not constant");
  if (values && values.length > 0) return values;
  return attributeOf(node, "noop_with_empty_axes", "int", 0) !== 0 ? [] : undefined;
}

/**
 * A rule from the gradient in terms of values that all broadcast to the input's shape.
 * @param readsAxes False: with kept dimensions the axes need not be known.
 */
function reduction(gradient: (r: Reduction, c: GradientContext) => string, readsAxes = true): GradientRule {
  return (node, [dy], c) => {
    const x = node.inputs[0]!;
    const y = node.outputs[0]!;
    const keep = attributeOf(node, "keepdims", "int", 1) !== 0;
    const axes = keep && !readsAxes ? undefined : reducedAxes(node, c);
    if (axes?.length === 0) unsupported(node, "noop_with_empty_axes", "remove the node, it does nothing");
    // A reduction to a scalar broadcasts as it is.
    const widen = (value: string) => (keep || !axes ? value : c.op("Unsqueeze", [value, c.int64(axes)]));
    return [gradient({ dy: widen(dy!), y: widen(y), x, axes }, c)];
  };
}

const mul = (c: GradientContext, a: string, b: string) => c.op("Mul", [a, b]);

/** Maximum or minimum: elements that equal it share the gradient (PyTorch's amax and amin). */
const extremum = reduction(({ dy, y, x, axes }, c) => {
  const hits = c.cast(c.op("Equal", [x, y]), x);
  return mul(c, hits, c.op("Div", [dy, c.reduce("ReduceSum", hits, axes)]));
});

/** Product of the others: y / x without zeros; where one element of a row is zero only that one has a gradient. */
const product = reduction(({ dy, x, axes }, c) => {
  const isZero = c.op("Equal", [x, c.scalar(0, x)]);
  const one = c.scalar(1, x);
  const zero = c.scalar(0, x);
  const filled = c.op("Where", [isZero, one, x]);
  const rest = c.reduce("ReduceProd", filled, axes);
  const zeros = c.reduce("ReduceSum", c.cast(isZero, x), axes);
  const forOthers = c.op("Where", [c.op("Equal", [zeros, zero]), rest, zero]);
  const forZero = c.op("Where", [c.op("Equal", [zeros, one]), rest, zero]);
  return mul(c, dy, c.op("Where", [isZero, forZero, c.op("Div", [forOthers, filled])]));
});

export const REDUCE_RULES: Record<string, GradientRule> = {
  ReduceSum: reduction(({ dy, x }, c) => c.op("Expand", [dy, c.shape(x)]), false),
  ReduceMean: reduction(({ dy, x, axes }, c) => c.op("Expand", [c.op("Div", [dy, c.count(x, axes, x)]), c.shape(x)])),
  ReduceMax: extremum,
  ReduceMin: extremum,
  ReduceProd: product,
  ReduceL1: reduction(({ dy, x }, c) => mul(c, dy, c.op("Sign", [x])), false),
  // 0 where the norm is 0, as PyTorch.
  ReduceL2: reduction(({ dy, y, x }, c) => {
    const isZero = c.op("Equal", [y, c.scalar(0, y)]);
    return mul(c, dy, c.op("Where", [isZero, c.scalar(0, y), c.op("Div", [x, y])]));
  }),
  ReduceSumSquare: reduction(({ dy, x }, c) => mul(c, dy, mul(c, x, c.scalar(2, x))), false),
  ReduceLogSum: reduction(({ dy, y, x }, c) =>
    c.op("Expand", [mul(c, dy, c.op("Exp", [c.op("Neg", [y])])), c.shape(x)]),
  ),
  ReduceLogSumExp: reduction(({ dy, y, x }, c) => mul(c, dy, c.op("Exp", [c.op("Sub", [x, y])]))),
};
