/**
 * What SynFlow makes of an operator when it turns a network into the linear network of its paths (Tanaka et al. 2020:
 * ∏|θ| along every path): activations let everything through, constants lose their sign.
 */
export type LinearRule =
  /** Its first activation passes unchanged. */
  | "pass"
  /** Stays as it is: movement, pooling, sums. */
  | "keep"
  /** Addition of activations and of constants' magnitudes. */
  | "add"
  /** Product with an activation or a constant's magnitude. */
  | "multiply"
  | "divide"
  /** Several activations side by side, or the largest of them. */
  | "join"
  /** A positive factor a channel: |scale| / √(variance + ε), or |scale|. */
  | "normalize"
  | "layer";

const of = (rule: LinearRule, names: string): [string, LinearRule][] =>
  names.split(" ").map((name): [string, LinearRule] => [name, rule]);

/** By operator of the default domain; others have none. */
export const LINEAR_RULES: ReadonlyMap<string, LinearRule> = new Map([
  ...of("pass", "Relu LeakyRelu PRelu ThresholdedRelu Elu Selu Celu Clip Sigmoid HardSigmoid Tanh Softplus Softsign"),
  ...of("pass", "HardSwish Mish Gelu Erf Softmax LogSoftmax Dropout Identity LRN LpNormalization Abs Neg"),
  ...of("pass", "MeanVarianceNormalization Cast"),
  ...of("keep", "MaxPool AveragePool GlobalAveragePool GlobalMaxPool ReduceMean ReduceSum ReduceMax ReduceL1 CumSum"),
  ...of("keep", "Reshape Flatten Transpose Squeeze Unsqueeze Slice Split Gather GatherElements GatherND Expand Tile"),
  ...of("keep", "Pad Resize Upsample DepthToSpace SpaceToDepth"),
  ...of("add", "Add Sub Sum Mean"),
  ...of("multiply", "Mul"),
  ...of("divide", "Div"),
  ...of("join", "Concat Max Min Where"),
  ...of("normalize", "BatchNormalization LayerNormalization InstanceNormalization GroupNormalization"),
  ...of("layer", "Conv ConvTranspose Gemm MatMul"),
]);
