import { int, ints, Tensor } from "../../src/graph/index.js";
import { testModel } from "../helpers/build.js";

/** Ways to write a normalisation along the last axis. */
export type NormForm = "LayerNormalization" | "written out" | "SimplifiedLayerNormalization" | "SkipLayerNormalization";

/** Width of the block, its heads, and tokens of the input. */
const [WIDTH, HEADS, TOKENS] = [12, 3, 5];

/** A block of a transformer with outliers in its normalisations: norm after the residual Add as in BERT, or in front as in ViT. */
export function transformerBlock(seed: number, form: NormForm, order: "post" | "pre") {
  const test = testModel(seed, 17);
  const { model, builder, random, positive } = test;
  model.opsets.set("com.microsoft", 1);
  const scale = () => {
    const name = positive([WIDTH], "scale");
    const values = model.graph.initializers.get(name)!.array() as Float32Array;
    const spread = values.map((value, channel) => value * (channel % 5 === 0 ? 30 : 1));
    model.graph.initializers.set(name, Tensor.float32([WIDTH], spread));
    return name;
  };
  const norm = (x: string) => {
    const [gamma, beta] = [scale(), random([WIDTH], "offset")];
    if (form === "LayerNormalization") return builder.node(form, [x, gamma, beta]);
    if (form === "SimplifiedLayerNormalization") return builder.node(form, [x, gamma]);
    if (form === "SkipLayerNormalization") {
      const skip = builder.node("Neg", [builder.node("Abs", [x])]);
      return builder.node(form, [x, skip, gamma, beta], {}, { domain: "com.microsoft" });
    }
    const mean = (value: string) => builder.node("ReduceMean", [value], { axes: ints([-1]) });
    const centred = builder.node("Sub", [x, mean(x)]);
    const variance = mean(builder.node("Pow", [centred, builder.constant(Tensor.scalar(2), "two")]));
    const root = builder.node("Sqrt", [
      builder.node("Add", [variance, builder.constant(Tensor.scalar(1e-5), "epsilon")]),
    ]);
    return builder.node("Add", [builder.node("Mul", [builder.node("Div", [centred, root]), gamma]), beta]);
  };
  const dense = (x: string, from: number, to: number, spread = 0.3) =>
    builder.node("Add", [builder.node("MatMul", [x, random([from, to], "weight", spread)]), random([to], "bias")]);
  const heads = (x: string, perm: readonly number[]) => {
    const shape = builder.constant(Tensor.int64([4], [0, -1, HEADS, WIDTH / HEADS]), "heads");
    return builder.node("Transpose", [builder.node("Reshape", [x, shape])], { perm: ints(perm) });
  };
  const attention = (x: string) => {
    // Small weights: where a Softmax picks one token, the least noise may pick another.
    const q = heads(dense(x, WIDTH, WIDTH, 0.01), [0, 2, 1, 3]);
    const k = heads(dense(x, WIDTH, WIDTH, 0.01), [0, 2, 3, 1]);
    const v = heads(dense(x, WIDTH, WIDTH), [0, 2, 1, 3]);
    const shares = builder.node("Softmax", [builder.node("MatMul", [q, k])], { axis: int(-1) });
    const context = builder.node("Transpose", [builder.node("MatMul", [shares, v])], { perm: ints([0, 2, 1, 3]) });
    const flat = builder.constant(Tensor.int64([3], [0, -1, WIDTH]), "flat");
    return dense(builder.node("Reshape", [context, flat]), WIDTH, WIDTH);
  };
  const gelu = (x: string) => {
    const root = builder.constant(Tensor.scalar(Math.SQRT2), "root");
    const erf = builder.node("Erf", [builder.node("Div", [x, root])]);
    const half = builder.constant(Tensor.scalar(0.5), "half");
    const one = builder.constant(Tensor.scalar(1), "one");
    return builder.node("Mul", [builder.node("Mul", [x, builder.node("Add", [erf, one])]), half]);
  };
  const feedForward = (x: string) => dense(gelu(dense(x, WIDTH, 2 * WIDTH)), 2 * WIDTH, WIDTH);
  let x = builder.input("x", ["N", TOKENS, WIDTH]);
  // Nothing told where the channels of a token lie before.
  x = builder.node("Softsign", [x]);
  if (order === "post") x = norm(x);
  for (const part of [attention, feedForward]) {
    x = order === "post" ? norm(builder.node("Add", [part(x), x])) : builder.node("Add", [part(norm(x)), x]);
  }
  builder.output(order === "post" ? x : norm(x));
  return model;
}
