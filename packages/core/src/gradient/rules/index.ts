import type { GradientRule } from "../context.js";
import { ARITHMETIC_RULES } from "./arithmetic.js";
import { CONVOLUTION_RULES } from "./convolution.js";
import { ELEMENTWISE_RULES } from "./elementwise.js";
import { LINEAR_RULES } from "./linear.js";
import { MOVEMENT_RULES } from "./movement.js";
import { NORMALIZATION_RULES } from "./normalization.js";
import { POOLING_RULES } from "./pooling.js";
import { QUANTIZATION_RULES } from "./quantization.js";
import { REDUCE_RULES } from "./reduce.js";
import { RESIZE_RULES } from "./resize.js";
import { SOFTMAX_RULES } from "./softmax.js";

/** Operators whose result does not change with small changes of their input, or is no real number. */
const FLAT = [
  ..."Shape Size Range ConstantOfShape Equal Greater GreaterOrEqual Less LessOrEqual Not And Or Xor".split(" "),
  ..."ArgMax ArgMin NonZero OneHot IsNaN IsInf Sign".split(" "),
];

const flat: GradientRule = () => [];
const rounding: GradientRule = (_node, [dy], c) => (c.straightThrough ? [dy] : []);

/** Gradient rules of standard ONNX operators, by operator. */
export const GRADIENT_RULES: ReadonlyMap<string, GradientRule> = new Map(
  Object.entries<GradientRule>({
    ...Object.fromEntries(FLAT.map((opType) => [opType, flat])),
    Round: rounding,
    Floor: rounding,
    Ceil: rounding,
    ...ARITHMETIC_RULES,
    ...CONVOLUTION_RULES,
    ...ELEMENTWISE_RULES,
    ...LINEAR_RULES,
    ...MOVEMENT_RULES,
    ...NORMALIZATION_RULES,
    ...POOLING_RULES,
    ...QUANTIZATION_RULES,
    ...REDUCE_RULES,
    ...RESIZE_RULES,
    ...SOFTMAX_RULES,
  }),
);

/** Names of the operators that {@link differentiate} knows, sorted. */
export const DIFFERENTIABLE_OPERATORS: readonly string[] = [...GRADIENT_RULES.keys()].sort();
