import { GraphBuilder, int, ints, type Model, sizeOf, Tensor } from "../graph/index.js";
import { createRandom } from "../math/random.js";

/** Learnable tensors of the digit network with their shapes, in the order of MathWorks' pruning page: 21,578 parameters. */
export const DIGIT_PARAMETERS = {
  "conv_1.weight": [8, 1, 3, 3],
  "conv_1.bias": [8],
  "conv_2.weight": [16, 8, 3, 3],
  "conv_2.bias": [16],
  "conv_3.weight": [32, 16, 3, 3],
  "conv_3.bias": [32],
  "fc.weight": [10, 1568],
  "fc.bias": [10],
} as const satisfies Record<string, readonly number[]>;

/**
 * The digit network of MathWorks' pruning page, untrained: conv 8 – relu – pool – conv 16 – relu – pool – conv 32 – relu – fc 10,
 * kernels 3×3 with same padding, pools 2×2, input [N, 1, 28, 28] with values 0 to 1, output logits [N, 10].
 *
 * Weights are Glorot-uniform, U(−a, a) with a = √(6 / (fan in + fan out)) (Glorot, Bengio 2010), biases 0: what the
 * layers of the seed start from. The seed chooses the draw; one stream a tensor.
 */
export function buildDigitNetwork(seed: number): Model {
  const { model, builder } = GraphBuilder.model("digits");
  const weights = Object.entries(DIGIT_PARAMETERS).map(([name, dims], stream) =>
    builder.constant(name.endsWith(".bias") ? zeros(dims) : glorotUniform(dims, seed, stream), name),
  );
  const layer = (opType: string, name: string, inputs: string[], attributes = {}) =>
    builder.node(opType, inputs, attributes, { name });
  const same = { kernel_shape: ints([3, 3]), pads: ints([1, 1, 1, 1]) };
  const half = { kernel_shape: ints([2, 2]), strides: ints([2, 2]) };
  let value = builder.input("input", ["N", 1, 28, 28]);
  for (const block of [1, 2, 3]) {
    value = layer("Conv", `conv_${block}`, [value, weights[2 * block - 2]!, weights[2 * block - 1]!], same);
    value = layer("Relu", `relu_${block}`, [value]);
    if (block < 3) value = layer("MaxPool", `maxpool_${block}`, [value], half);
  }
  value = layer("Flatten", "flatten", [value], { axis: int(1) });
  const fc = builder.nodes("Gemm", [value, weights[6]!, weights[7]!], { transB: int(1) }, { name: "fc" });
  fc.outputs[0] = builder.names.allocate("logits");
  builder.output("logits", "float32", ["N", 10]);
  model.metadata.set("classes", "0,1,2,3,4,5,6,7,8,9");
  return model;
}

function zeros(dims: readonly number[]): Tensor {
  return Tensor.float32(dims, new Float32Array(sizeOf(dims)));
}

/** Fans of a weight [out, in, kernel…]: channels times kernel area. */
function glorotUniform(dims: readonly number[], seed: number, stream: number): Tensor {
  const [out = 1, input = 1, ...kernel] = dims;
  const area = sizeOf(kernel);
  const bound = Math.sqrt(6 / (area * (out + input)));
  const random = createRandom(seed, stream);
  const data = Float32Array.from({ length: sizeOf(dims) }, () => bound * (2 * random.uniform() - 1));
  return Tensor.float32(dims, data);
}
