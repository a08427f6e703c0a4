import { attributeOf, type Node } from "../graph/index.js";
import { type Constants, clipBounds, fillsOutside, padsZeros } from "../operators/attributes.js";
import { operatorKey } from "../operators/facts.js";

/**
 * What a factor c > 0 does at an operator.
 * - `homogeneous`: f(c·x) = c·f(x); other operands are constants that stay as they are.
 * - `joint`: f(c·x, c·y, …) = c·f(x, y, …); activations share the factor and the listed constants are multiplied by it.
 * - `clip`: joint in the value and its bounds, which are scalars and have to become c·bound a channel.
 * - `origin`: the result's factor is its own, for the constants behind the input take it; the input's stays 1.
 * - `product`, `quotient`: the factor of the result is that of one operand while the other's is 1.
 */
export interface ScalingRule {
  readonly kind: "homogeneous" | "joint" | "clip" | "origin" | "product" | "quotient";
  /** Positions of constants that take the factor: every input, or the listed ones, which hold one value a channel. */
  readonly constants?: "all" | readonly number[];
}

/** The rule of a node's operator. */
export function ruleOf(node: Node): ScalingRule | undefined {
  return SCALING_RULES.get(operatorKey(node));
}

const rules = (rule: ScalingRule, ...opTypes: string[]) => opTypes.map((opType) => [opType, rule] as const);

/** Operators a factor passes; all others keep the factor of what they read and make at 1. */
export const SCALING_RULES: ReadonlyMap<string, ScalingRule> = new Map([
  ...rules(
    { kind: "homogeneous" },
    "Relu",
    "LeakyRelu",
    "PRelu",
    "Abs",
    "Neg",
    "Identity",
    "Dropout",
    "Expand",
    "Cast",
  ),
  ...rules({ kind: "homogeneous" }, "MaxPool", "AveragePool", "LpPool", "GlobalAveragePool", "GlobalMaxPool"),
  ...rules({ kind: "homogeneous" }, "GlobalLpPool", "Resize", "Upsample", "Reshape", "Flatten", "Squeeze", "Unsqueeze"),
  ...rules({ kind: "homogeneous" }, "Transpose", "Slice", "Split", "Pad", "Tile", "Gather", "DepthToSpace"),
  ...rules({ kind: "homogeneous" }, "SpaceToDepth", "ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceL1"),
  ...rules({ kind: "homogeneous" }, "ReduceL2"),
  ...rules({ kind: "joint" }, "Concat"),
  ...rules({ kind: "joint", constants: "all" }, "Add", "Sub", "Sum", "Mean", "Max", "Min"),
  // y = γ(x − μ)/σ + β: multiplying x, μ and β by c multiplies y by c.
  ...rules({ kind: "joint", constants: [2, 3] }, "BatchNormalization"),
  // y = γ·x̂ + β, x̂ being normalised: whatever scaled x is gone.
  ...rules({ kind: "origin", constants: [1, 2] }, "LayerNormalization"),
  ...rules({ kind: "origin", constants: [1] }, "RMSNormalization", "SimplifiedLayerNormalization"),
  ...rules({ kind: "origin", constants: [1] }, "com.microsoft:SimplifiedLayerNormalization"),
  ...rules({ kind: "origin", constants: [2, 3] }, "com.microsoft:SkipLayerNormalization"),
  ...rules({ kind: "origin", constants: [2] }, "com.microsoft:SkipSimplifiedLayerNormalization"),
  ...rules({ kind: "origin", constants: [1, 2] }, "GroupNormalization", "InstanceNormalization"),
  // Of two activations: one alone passes its channels on (channels/norm-rules.ts), the other is read as it is.
  ...rules({ kind: "homogeneous" }, "MatMul", "Attention"),
  ...rules({ kind: "homogeneous" }, "com.microsoft:MultiHeadAttention", "com.microsoft:GroupQueryAttention"),
  ...rules({ kind: "clip" }, "Clip"),
  ...rules({ kind: "product" }, "Mul"),
  ...rules({ kind: "quotient" }, "Div"),
]);

/** Bounds of a Clip; undefined where it has none, or none that matters in float32. */
export interface ClipBounds {
  readonly low: number | undefined;
  readonly high: number | undefined;
}

const FLOAT32_MAX = 3.4e38;

/** Bounds of a Clip that matter; `undefined` where they are computed. */
export function finiteBounds(node: Node, constant: Constants): ClipBounds | undefined {
  const { low, high } = clipBounds(node, constant);
  if (low === undefined || high === undefined || Number.isNaN(low) || Number.isNaN(high)) return undefined;
  return { low: low <= -FLOAT32_MAX ? undefined : low, high: high >= FLOAT32_MAX ? undefined : high };
}

/** Why this very node does not let a factor through although its operator can. */
export function refusalOf(node: Node, activations: readonly string[], constant: Constants): string | undefined {
  const rule = ruleOf(node);
  if (!rule) return `${node.opType} is not positively homogeneous`;
  switch (node.opType) {
    case "Pad":
      return padsZeros(node, constant) ? undefined : "it pads with a value other than 0";
    case "Resize":
      return fillsOutside(node) ? "it fills in a constant outside of the crop" : undefined;
    case "Clip":
      if (activations.length > 1 || !finiteBounds(node, constant)) return "its bounds are computed, not constant";
      return undefined;
    case "Cast":
      return attributeOf(node, "to", "int", 1) === 1 ? undefined : "it changes the element type";
    case "PRelu":
      return activations.length > 1 ? "its slope is computed, not constant" : undefined;
    case "BatchNormalization":
      return node.inputs.slice(1).some((value) => !constant(value)) ? "its parameters are computed" : undefined;
    case "Div":
      return activations.length === 1 && activations[0] !== node.inputs[0]
        ? "it divides a constant by a value"
        : undefined;
    default:
      break;
  }
  if (rule.kind === "origin") {
    const parameters = rule.constants as readonly number[];
    const odd = parameters.find(
      (at) => (node.inputs[at] ?? "") !== "" && constant(node.inputs[at]!)?.dtype !== "float32",
    );
    if (odd !== undefined) return "its scale or offset is computed, or not float32";
  }
  if (rule.constants === "all") {
    const odd = node.inputs.find((value) => constant(value) && constant(value)!.dtype !== "float32");
    if (odd !== undefined) return `its constant "${odd}" is ${constant(odd)!.dtype}, not float32`;
  }
  return undefined;
}
