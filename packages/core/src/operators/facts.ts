/**
 * What equant knows of operators, as data: one row an operator, one column a fact. Everything else asks here; only the
 * rule tables of the analyses (channels, bounds, gradient, folding …) name operators beside this file, with their functions.
 * docs/operators.md shows the table beside what each analysis can do.
 */

/** What an operator is, first of all. */
export type OperatorKind =
  /** Multiplies by a weight: what quantization, equalization and pruning are about. */
  | "layer"
  /** Multiplies in another way: recurrent cells, attention, fused forms of ONNX Runtime. */
  | "product"
  /** Multiplies integers. */
  | "integer"
  /** One value in, the same shape out, element by element. */
  | "activation"
  | "softmax"
  | "arithmetic"
  | "compare"
  | "pool"
  | "globalPool"
  | "reduce"
  | "normalize"
  /** Passes its input on. */
  | "copy"
  | "cast"
  /** The same elements in another order or shape. */
  | "rearrange"
  /** Some elements, or the same ones several times. */
  | "select"
  /** Makes elements between those of its input, or around them. */
  | "resample"
  /** Sizes, positions and indices. */
  | "shape"
  | "constant"
  | "random"
  | "quantize"
  /** Makes a sequence, an optional or a map: no tensor. */
  | "sequence"
  | "unwrap"
  | "loop"
  | "branch";

/** How integer arithmetic treats an operator: `own` scale, the `shared` one of its input, or `fused` with what is before it. */
export type IntegerForm = "own" | "shared" | "fused";

/** How multiply–accumulate operations are counted, and where the two factors lie among the inputs. */
export interface Multiplication {
  readonly formula: "conv" | "convTranspose" | "gemm" | "matmul" | "recurrent" | "projection" | "attention" | "einsum";
  readonly data: number;
  readonly weight: number;
  /** Position of what is added. */
  readonly bias?: number | undefined;
}

/** Positions among the inputs and outputs of a node. */
export interface FloatPorts {
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
}

export interface OperatorFacts {
  readonly kind: OperatorKind;
  /** `all`: every input carries data. Otherwise the first alone does. */
  readonly data?: "all";
  /** First output: type and shape of the first input (`same`), its type alone, or indices in int64. */
  readonly output?: "same" | "type" | "index";
  /** Inputs of one shape are repeated along another: `all` mutually, `constants` to the first, `data` to a given shape. */
  readonly broadcasts?: "all" | "constants" | "data";
  /** Least and largest value whatever the input. */
  readonly range?: readonly [low: number, high: number];
  /** Elements of the output are averages or copies of those of the input: by channel, or of the whole value. */
  readonly within?: "channel" | "value";
  /** Not negative where no input is. */
  readonly keepsSign?: true;
  /** Along axis 1: output channel i is made of input channel i alone (`kept`), or of what may become several (`flattened`). */
  readonly channels?: "kept" | "flattened";
  /** Part of the operator before it, as hardware sees it; `saturation`: no more than a limit of the integers. */
  readonly fuses?: "saturation" | "activation";
  /** Cuts off: channels that live elsewhere can be constant behind it. */
  readonly saturates?: true;
  /** Joins branches, which integer hardware encodes anew. */
  readonly joins?: true;
  /** Not a number, or infinite, at 0. */
  readonly fearsZero?: true;
  /** Reads the sizes of its input and none of its elements. */
  readonly readsShape?: true;
  /** Makes a tensor as large as an input says. */
  readonly grows?: true;
  /** Positions of inputs that training changes. Of arithmetic, vectors only: a single number belongs to the formula. */
  readonly learned?: readonly number[];
  /** Positions of running statistics. */
  readonly statistics?: readonly number[];
  /** Positions of constants that hold one value a channel. */
  readonly byChannel?: readonly number[];
  /** `zeros`: its attribute `pads` adds zeros that count. */
  readonly padding?: "zeros";
  readonly macs?: Multiplication;
  /** Form on integers that a target gives it; `ort` stands for everything that has ONNX Runtime's kernels. */
  readonly integer?: { readonly ort?: IntegerForm; readonly tensorrt?: IntegerForm } | undefined;
  /** Its integer form may leave a float output. */
  readonly floatOutput?: true;
  /** Positions of inputs and outputs that are float32 in a network of any float type. */
  readonly float32?: FloatPorts;
  /** ONNX Runtime 1.30 on CPU: an integer kernel, or conversions are moved past it (measured on the optimized graph). */
  readonly ort?: "kernel" | "passes" | undefined;
}

const { POSITIVE_INFINITY: INF, NEGATIVE_INFINITY: NEG } = Number;
const OWN = { ort: "own", tensorrt: "own" } as const;
const SHARED = { ort: "shared", tensorrt: "shared" } as const;
const FUSED = { ort: "fused", tensorrt: "fused" } as const;

const macs = (formula: Multiplication["formula"], weight = 1, bias?: number): Multiplication => ({
  formula,
  data: 0,
  weight,
  bias,
});

type Rows = Readonly<Record<string, Partial<OperatorFacts>>>;
/** Rows that have something in common. */
const rows = (common: OperatorFacts, table: Rows) =>
  Object.entries(table).map(([name, row]): [string, OperatorFacts] => [name, { ...common, ...row }]);
const plain = (common: OperatorFacts, names: string) =>
  names.split(" ").map((name): [string, OperatorFacts] => [name, common]);

const ACTIVATION = { kind: "activation", output: "same", channels: "kept" } as const;
const ARITHMETIC = { kind: "arithmetic", data: "all", output: "type", broadcasts: "all" } as const;
const REARRANGE = { kind: "rearrange", output: "type", within: "value", integer: SHARED, ort: "passes" } as const;
const SELECT = { kind: "select", output: "type", within: "value", integer: SHARED, ort: "passes" } as const;

/** By operator; those of another domain than ONNX's own as `domain:operator`. */
export const OPERATORS: ReadonlyMap<string, OperatorFacts> = new Map([
  ...rows(
    { kind: "layer", output: "type" },
    {
      Conv: { ort: "kernel", macs: macs("conv", 1, 2), learned: [1, 2], padding: "zeros" },
      ConvTranspose: { macs: macs("convTranspose", 1, 2), learned: [1, 2] },
      Gemm: { ort: "kernel", macs: macs("gemm", 1, 2), learned: [0, 1, 2], floatOutput: true },
      MatMul: { ort: "kernel", macs: macs("matmul"), learned: [0, 1], floatOutput: true, data: "all", integer: OWN },
    },
  ),
  ...rows(
    { kind: "integer" },
    {
      QLinearConv: { macs: macs("conv", 3, 8), learned: [3, 8] },
      QLinearMatMul: { macs: macs("matmul", 3), learned: [0, 3] },
      ConvInteger: { macs: macs("conv"), learned: [1] },
      MatMulInteger: { macs: macs("matmul"), learned: [0, 1] },
      // Channels last, which ONNX Runtime makes of the one above.
      "com.microsoft:QLinearConv": { macs: macs("conv", 3, 8), learned: [3, 8] },
      "com.microsoft:QGemm": { macs: macs("gemm", 3, 6), learned: [0, 3, 6] },
      "com.microsoft:MatMulIntegerToFloat": { macs: macs("matmul", 1, 6), learned: [0, 1] },
      "com.microsoft:DynamicQuantizeMatMul": { macs: macs("matmul", 1, 4), learned: [1] },
      "com.microsoft:DynamicQuantizeLSTM": {
        macs: macs("recurrent"),
        learned: [1, 2, 3],
        float32: { inputs: [0, 3, 5, 6, 7, 8, 10], outputs: [0, 1, 2] },
      },
      "com.microsoft:MatMulNBits": { macs: macs("matmul"), learned: [1] },
      "com.microsoft:MatMulBnb4": { macs: macs("matmul"), learned: [1], float32: { inputs: [0, 2], outputs: [0] } },
    },
  ),
  ...rows(
    { kind: "product" },
    {
      LSTM: { macs: macs("recurrent"), learned: [1, 2, 3, 7] },
      GRU: { macs: macs("recurrent"), learned: [1, 2, 3] },
      RNN: { macs: macs("recurrent"), learned: [1, 2, 3] },
      Attention: { macs: macs("attention") },
      Einsum: { macs: macs("einsum"), learned: [0, 1] },
      "com.microsoft:Attention": { macs: macs("projection"), learned: [1, 2] },
      "com.microsoft:MultiHeadAttention": { macs: macs("attention") },
      "com.microsoft:GroupQueryAttention": { macs: macs("attention") },
      "com.microsoft:FusedConv": { macs: macs("conv"), learned: [1, 2] },
      "com.microsoft:FusedGemm": { macs: macs("gemm"), learned: [0, 1, 2] },
      "com.microsoft:FusedMatMul": { macs: macs("matmul"), learned: [0, 1] },
    },
  ),
  ...rows(ACTIVATION, {
    Relu: { range: [0, INF], fuses: "saturation", saturates: true, integer: FUSED },
    Clip: { fuses: "saturation", saturates: true, integer: FUSED },
    LeakyRelu: { fuses: "activation", integer: { ort: "own" }, ort: "kernel" },
    PRelu: { fuses: "activation", broadcasts: "constants", learned: [1] },
    Sigmoid: { range: [0, 1], saturates: true, integer: { ort: "own" }, ort: "kernel" },
    HardSigmoid: { range: [0, 1], saturates: true },
    HardSwish: { saturates: true },
    ThresholdedRelu: { saturates: true },
    Tanh: { range: [-1, 1] },
    Softplus: { range: [0, INF] },
    Softsign: { range: [-1, 1] },
    Abs: { range: [0, INF] },
    Exp: { range: [0, INF] },
    Sqrt: { range: [0, INF] },
    Erf: { range: [-1, 1] },
    Sin: { range: [-1, 1] },
    Cos: { range: [-1, 1] },
    Sign: { range: [-1, 1] },
    Log: { fearsZero: true },
    Reciprocal: { fearsZero: true },
  }),
  ...plain(ACTIVATION, "Elu Selu Celu Gelu Mish Swish Shrink Neg Floor Ceil Round Tan Asin Acos Atan Sinh Cosh"),
  ...plain(ACTIVATION, "Asinh Acosh Atanh com.microsoft:Gelu com.microsoft:FastGelu com.microsoft:QuickGelu"),
  ...rows(
    { kind: "softmax", output: "same" },
    { Softmax: { range: [0, 1], ort: "kernel" }, LogSoftmax: { range: [NEG, 0] }, Hardmax: { range: [0, 1] } },
  ),
  ...rows(ARITHMETIC, {
    Add: { keepsSign: true, joins: true, learned: [0, 1], integer: OWN, ort: "kernel" },
    Sub: { learned: [0, 1] },
    Mul: { keepsSign: true, learned: [0, 1], integer: { ort: "own" }, ort: "kernel" },
    Div: { learned: [0, 1], fearsZero: true },
    Pow: { fearsZero: true },
    Sum: { keepsSign: true },
    Mean: { keepsSign: true },
    Min: { keepsSign: true, fuses: "activation", saturates: true },
    Max: { keepsSign: true, fuses: "activation", saturates: true },
    Mod: {},
  }),
  ...plain({ kind: "compare", broadcasts: "all" }, "Equal Greater GreaterOrEqual Less LessOrEqual And Or Xor"),
  ...plain({ kind: "compare", output: "same" }, "Not"),
  ...plain({ kind: "compare" }, "IsNaN IsInf BitwiseAnd BitwiseOr BitwiseXor BitwiseNot BitShift"),
  ...rows(
    { kind: "pool", output: "type", channels: "kept" },
    {
      MaxPool: { within: "channel", integer: SHARED, ort: "passes" },
      AveragePool: { within: "channel", padding: "zeros", integer: OWN, ort: "kernel" },
      LpPool: {},
    },
  ),
  ...rows(
    { kind: "globalPool", output: "type", channels: "kept" },
    {
      GlobalMaxPool: { within: "channel" },
      GlobalAveragePool: { within: "channel", integer: OWN, ort: "kernel" },
      GlobalLpPool: {},
    },
  ),
  ...rows(
    { kind: "reduce", output: "type" },
    {
      ReduceMean: { within: "value" },
      ReduceMax: { within: "value", ort: "passes" },
      ReduceMin: { within: "value", ort: "passes" },
      ReduceSum: {},
      ReduceL1: { range: [0, INF] },
      ReduceL2: { range: [0, INF] },
      ReduceSumSquare: { range: [0, INF] },
    },
  ),
  ...plain({ kind: "reduce", output: "type" }, "ReduceProd ReduceLogSum ReduceLogSumExp"),
  ...rows(
    { kind: "normalize", output: "same" },
    {
      BatchNormalization: { channels: "kept", learned: [1, 2], statistics: [3, 4], byChannel: [1, 2, 3, 4] },
      InstanceNormalization: { channels: "kept", learned: [1, 2], byChannel: [1, 2] },
      LayerNormalization: { learned: [1, 2] },
      GroupNormalization: { learned: [1, 2] },
      RMSNormalization: { learned: [1] },
      SimplifiedLayerNormalization: { learned: [1] },
      "com.microsoft:SimplifiedLayerNormalization": { learned: [1] },
      "com.microsoft:SkipLayerNormalization": { learned: [2, 3, 4] },
      "com.microsoft:SkipSimplifiedLayerNormalization": { learned: [2, 3] },
    },
  ),
  ...plain({ kind: "normalize", output: "same" }, "LRN LpNormalization MeanVarianceNormalization"),
  ...rows(
    { kind: "copy", output: "same", within: "channel", channels: "kept", ort: "passes" },
    { Identity: { integer: SHARED }, Dropout: {} },
  ),
  ...rows({ kind: "cast", channels: "kept" }, { Cast: { output: "same" }, CastLike: {} }),
  ...rows(REARRANGE, {
    Reshape: { channels: "flattened" },
    Flatten: { channels: "flattened" },
    Squeeze: { channels: "flattened" },
    Unsqueeze: {},
    Transpose: {},
    DepthToSpace: {},
    // onnxruntime has no integer form: it converts before and behind.
    SpaceToDepth: { ort: undefined },
  }),
  ...rows(SELECT, {
    Slice: {},
    Split: {},
    Gather: { learned: [0] },
    Tile: { grows: true },
    Expand: { grows: true, broadcasts: "data" },
    Concat: { data: "all", keepsSign: true, joins: true, integer: OWN, ort: "kernel" },
  }),
  ...plain({ kind: "select", within: "value" }, "GatherElements GatherND ReverseSequence Compress Trilu CenterCropPad"),
  ...rows({ kind: "select" }, { Where: { broadcasts: "all", ort: "kernel" } }),
  ...plain({ kind: "select" }, "ScatterElements ScatterND Scatter TensorScatter"),
  ...rows(
    { kind: "resample", output: "type", channels: "kept" },
    {
      Pad: { integer: SHARED },
      Resize: { integer: SHARED, ort: "passes", float32: { inputs: [2], outputs: [] } },
      Upsample: { float32: { inputs: [1], outputs: [] } },
    },
  ),
  ...plain({ kind: "resample" }, "GridSample RoiAlign MaxRoiPool MaxUnpool Col2Im"),
  ...plain({ kind: "shape", output: "index", readsShape: true }, "Shape Size"),
  ...plain({ kind: "shape", output: "index" }, "ArgMax ArgMin NonZero"),
  ...rows({ kind: "shape" }, { ConstantOfShape: { grows: true }, Range: { grows: true } }),
  ...plain({ kind: "shape" }, "OneHot EyeLike TopK CumSum Unique"),
  ...rows({ kind: "shape" }, { NonMaxSuppression: { float32: { inputs: [0, 1, 3, 4], outputs: [] } } }),
  ...plain({ kind: "constant" }, "Constant"),
  ...plain({ kind: "random" }, "RandomNormal RandomNormalLike RandomUniform RandomUniformLike Multinomial Bernoulli"),
  ...plain({ kind: "quantize" }, "QuantizeLinear DequantizeLinear"),
  ...rows({ kind: "quantize" }, { DynamicQuantizeLinear: { float32: { inputs: [0], outputs: [1] } } }),
  ...plain(
    { kind: "sequence" },
    "SequenceConstruct SequenceEmpty SequenceErase SequenceInsert SequenceMap SplitToSequence",
  ),
  ...plain({ kind: "sequence" }, "Optional StringSplit StringConcat ai.onnx.ml:ZipMap ai.onnx.ml:CastMap"),
  ...plain({ kind: "unwrap" }, "OptionalGetElement"),
  ...plain({ kind: "loop" }, "Loop Scan"),
  ...plain({ kind: "branch" }, "If"),
]);

/** What names an operator: every node does. */
interface Named {
  readonly opType: string;
  readonly domain: string;
}

/** Facts of a node's operator; undefined for operators that the table does not have. */
export function factsOf(node: Named | undefined): OperatorFacts | undefined {
  return node && OPERATORS.get(operatorKey(node));
}

/** How tables name an operator: with its domain where that is not ONNX's own. */
export function operatorKey({ domain, opType }: Named): string {
  return domain === "" ? opType : `${domain}:${opType}`;
}

/** Only cuts off, as integers do at their ends: Relu and Clip. */
export function isSaturation<N extends Named>(node: N | undefined): node is N {
  return factsOf(node)?.fuses === "saturation";
}

/** Part of the operator before it, as hardware sees it: Relu, Clip, LeakyRelu, PRelu, Min, Max. */
export function fuses<N extends Named>(node: N | undefined): node is N {
  return factsOf(node)?.fuses !== undefined;
}

/** Names of the operators whose facts satisfy a condition. */
export function operatorsWhere(holds: (facts: OperatorFacts) => boolean): ReadonlySet<string> {
  return new Set([...OPERATORS].flatMap(([name, facts]) => (holds(facts) ? [name] : [])));
}
