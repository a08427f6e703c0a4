import { attributeOf } from "../../graph/index.js";
import type { GradientRule } from "../context.js";

/** dX = Y ⊙ (dY − Σ dY ⊙ Y), sums along the axis. */
const softmax: GradientRule = (node, [dy], c) => {
  const y = node.outputs[0]!;
  const axis = attributeOf(node, "axis", "int", -1);
  const mean = c.reduce("ReduceSum", c.op("Mul", [dy!, y]), [axis]);
  return [c.op("Mul", [y, c.op("Sub", [dy!, mean])])];
};

/** dX = dY − softmax(X) · Σ dY, the sum along the axis. */
const logSoftmax: GradientRule = (node, [dy], c) => {
  const y = node.outputs[0]!;
  const axis = attributeOf(node, "axis", "int", -1);
  const sum = c.reduce("ReduceSum", dy!, [axis]);
  return [c.op("Sub", [dy!, c.op("Mul", [c.op("Exp", [y]), sum])])];
};

export const SOFTMAX_RULES: Record<string, GradientRule> = { Softmax: softmax, LogSoftmax: logSoftmax };
