import type { Node } from "../../graph/index.js";
import type { GradientContext, GradientRule } from "../context.js";

/** A rule for two broadcast inputs: `left` and `right` give the gradients in the shape of the output. */
function binary(
  left: (dy: string, node: Node, c: GradientContext) => string,
  right: (dy: string, node: Node, c: GradientContext) => string,
): GradientRule {
  return (node, [dy], c) => {
    const [a, b] = node.inputs as [string, string];
    const y = node.outputs[0]!;
    return [
      c.needs(a) ? c.unbroadcast(left(dy!, node, c), y, a) : undefined,
      c.needs(b) ? c.unbroadcast(right(dy!, node, c), y, b) : undefined,
    ];
  };
}

/** Quotient rule: d(a/b)/db = −y/b. */
const divide = binary(
  (dy, { inputs }, c) => c.op("Div", [dy, inputs[1]!]),
  (dy, { inputs, outputs }, c) => c.op("Neg", [c.op("Div", [c.op("Mul", [dy, outputs[0]!]), inputs[1]!])]),
);

/** d(x^p)/dx = p·x^(p−1), 0 where p = 0; d(x^p)/dp = y·ln x, 0 where x = 0 and p ≥ 0 (as PyTorch). */
const power = binary(
  (dy, { inputs }, c) => {
    const [x, p] = inputs as [string, string];
    const exponent = c.constantOf(p);
    if (exponent?.size === 1) {
      const value = exponent.numbers()[0]!;
      if (value === 2) return c.op("Mul", [dy, c.op("Mul", [x, c.scalar(2, x)])]);
      const slope = c.op("Mul", [c.op("Pow", [x, c.scalar(value - 1, x)]), c.scalar(value, x)]);
      return value === 0 ? c.op("Mul", [dy, c.scalar(0, x)]) : c.op("Mul", [dy, slope]);
    }
    const slope = c.op("Mul", [p, c.op("Pow", [x, c.op("Sub", [p, c.scalar(1, p)])])]);
    const isZero = c.op("Equal", [p, c.scalar(0, p)]);
    return c.op("Where", [isZero, c.scalar(0, x), c.op("Mul", [dy, slope])]);
  },
  (dy, { inputs, outputs }, c) => {
    const [x, p] = inputs as [string, string];
    const slope = c.op("Mul", [outputs[0]!, c.op("Log", [x])]);
    const zero = c.scalar(0, x);
    const flat = c.op("And", [c.op("Equal", [x, zero]), c.op("GreaterOrEqual", [p, c.scalar(0, p)])]);
    return c.op("Where", [flat, zero, c.op("Mul", [dy, slope])]);
  },
);

/** Max and Min of any number of inputs: the gradient goes to the inputs that equal the result, in equal parts (PyTorch's maximum). */
const extremum: GradientRule = (node, [dy], c) => {
  const y = node.outputs[0]!;
  if (node.inputs.length === 1) return [dy];
  const hits = node.inputs.map((x) => c.cast(c.op("Equal", [x, y]), y));
  const share = c.op("Div", [dy!, c.sum(hits)]);
  return node.inputs.map((x, i) => (c.needs(x) ? c.unbroadcast(c.op("Mul", [share, hits[i]!]), y, x) : undefined));
};

/** Sum of any number of broadcast inputs, and Mean, which divides by their number. */
const variadic: GradientRule = (node, [dy], c) => {
  const y = node.outputs[0]!;
  const count = node.inputs.length;
  const part = node.opType === "Mean" && count > 1 ? c.op("Mul", [dy!, c.scalar(1 / count, y)]) : dy!;
  return node.inputs.map((x) => (c.needs(x) ? c.unbroadcast(part, y, x) : undefined));
};

const where: GradientRule = (node, [dy], c) => {
  const [condition, a, b] = node.inputs as [string, string, string];
  const y = node.outputs[0]!;
  const zero = c.scalar(0, y);
  return [
    undefined,
    c.needs(a) ? c.unbroadcast(c.op("Where", [condition, dy!, zero]), y, a) : undefined,
    c.needs(b) ? c.unbroadcast(c.op("Where", [condition, zero, dy!]), y, b) : undefined,
  ];
};

/** Learned slope below zero, one a channel or one for all. */
const prelu: GradientRule = (node, [dy], c) => {
  const [x, slope] = node.inputs as [string, string];
  const y = node.outputs[0]!;
  const zero = c.scalar(0, x);
  const positive = c.op("Greater", [x, zero]);
  const dx = c.needs(x) ? c.op("Where", [positive, dy!, c.op("Mul", [dy!, slope])]) : undefined;
  if (!c.needs(slope)) return [dx];
  return [dx, c.unbroadcast(c.op("Where", [positive, zero, c.op("Mul", [dy!, x])]), y, slope)];
};

export const ARITHMETIC_RULES: Record<string, GradientRule> = {
  Add: binary(
    (dy) => dy,
    (dy) => dy,
  ),
  Sub: binary(
    (dy) => dy,
    (dy, _, c) => c.op("Neg", [dy]),
  ),
  Mul: binary(
    (dy, { inputs }, c) => c.op("Mul", [dy, inputs[1]!]),
    (dy, { inputs }, c) => c.op("Mul", [dy, inputs[0]!]),
  ),
  Div: divide,
  Pow: power,
  Max: extremum,
  Min: extremum,
  Sum: variadic,
  Mean: variadic,
  Where: where,
  PRelu: prelu,
};
