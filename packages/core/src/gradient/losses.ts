import { type GraphBuilder, int, Tensor } from "../graph/index.js";

/**
 * Mean cross-entropy −(1/N) Σ_n log softmax(z_n)[label_n] over a batch; appends nodes and returns the scalar.
 * @param logits Value [N, classes]; @param labels int64 value [N]; @param classes Size of the class axis.
 */
export function crossEntropy(builder: GraphBuilder, logits: string, labels: string, classes: number): string {
  const logProbabilities = builder.node("LogSoftmax", [logits], { axis: int(-1) }, { name: "loss/log_softmax" });
  const depth = builder.constant(Tensor.int64([1], [classes]), "loss/classes");
  const values = builder.constant(Tensor.float32([2], [0, 1]), "loss/off_on");
  const hot = builder.node("OneHot", [labels, depth, values], { axis: int(-1) }, { name: "loss/one_hot" });
  return meanOverBatch(builder, builder.node("Mul", [hot, logProbabilities], {}, { name: "loss/picked" }), -1);
}

/** Mean of squared differences over all elements (PyTorch's mse_loss). */
export function meanSquare(builder: GraphBuilder, output: string, target: string): string {
  const difference = builder.node("Sub", [output, target], {}, { name: "loss/difference" });
  const squared = builder.node("Mul", [difference, difference], {}, { name: "loss/squared" });
  return builder.node("ReduceMean", [squared], { keepdims: int(0) }, { name: "loss" });
}

/**
 * KL divergence from teacher to student, T²/N · Σ p·(log p − log q) with p, q = softmax(logits / T): Hinton et al. 2015.
 * @param logits Student's value [N, …, classes]; @param teacher Teacher's logits, same shape. The mean is over axis 0.
 */
export function klDivergenceLoss(builder: GraphBuilder, logits: string, teacher: string, temperature = 1): string {
  const scaled = (value: string) =>
    temperature === 1
      ? value
      : builder.node(
          "Mul",
          [value, builder.constant(1 / temperature, "loss/temperature")],
          {},
          { name: "loss/scaled" },
        );
  const student = builder.node("LogSoftmax", [scaled(logits)], { axis: int(-1) }, { name: "loss/student" });
  const target = builder.node("LogSoftmax", [scaled(teacher)], { axis: int(-1) }, { name: "loss/teacher" });
  const probabilities = builder.node("Exp", [target], {}, { name: "loss/probabilities" });
  const difference = builder.node("Sub", [target, student], {}, { name: "loss/difference" });
  const product = builder.node("Mul", [probabilities, difference], {}, { name: "loss/product" });
  return meanOverBatch(builder, product, temperature ** 2);
}

/** factor · Σ value / N, N the first dimension. */
function meanOverBatch(builder: GraphBuilder, value: string, factor: number): string {
  const sum = builder.node("ReduceSum", [value], { keepdims: int(0) }, { name: "loss/sum" });
  const shape = builder.node("Shape", [value], {}, { name: "loss/shape" });
  const zero = builder.constant(Tensor.of("int64", [], BigInt64Array.of(0n)), "loss/zero");
  const count = builder.node("Gather", [shape, zero], { axis: int(0) }, { name: "loss/count" });
  const divisor = builder.node("Cast", [count], { to: int(1) }, { name: "loss/divisor" });
  const mean = builder.node("Div", [sum, divisor], {}, { name: "loss/mean" });
  if (factor === 1) return mean;
  return builder.node("Mul", [mean, builder.constant(factor, "loss/factor")], {}, { name: "loss" });
}
