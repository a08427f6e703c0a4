import { GraphBuilder, int, ints, type Model, Tensor } from "../graph/index.js";
import type { Runner } from "../runtime/index.js";
import type { Rows } from "./patches.js";

/**
 * What the noise of a layer depends on. With x̂ the quantized input, y the float output, W the float and Ŵ the rounded
 * weights, Δ = Ŵ − W and r = W·x̂ − y, both less their means where the bias takes the mean away:
 *
 *   E‖Ŵx̂ − y‖² = Σ_m ( Δ_m·G·Δ_mᵀ + 2·Δ_m·B_m + E[r_m²] ),   G = E[x̂x̂ᵀ],  B = E[x̂ r]
 *
 * so the rows themselves are needed no more. Group by group.
 */
export interface Moments {
  readonly groups: number;
  /** Inputs K and outputs of a group. */
  readonly inputs: number;
  readonly outputs: number;
  /** G [group, K, K]. */
  readonly gram: Float32Array;
  /** Bᵀ [group, outputs, K]. */
  readonly cross: Float32Array;
  /** E[x̂] [group, K] and E[r] [group, outputs], 0 where means count. */
  readonly inputMean: Float32Array;
  readonly residualMean: Float32Array;
  /** Σ_m E[r_m²], and the power of y about its mean. */
  readonly residualPower: number;
  readonly outputPower: number;
}

/** Computes {@link Moments} on the runtime. `weights` [group, outputs, K] in float. */
export async function momentsOf(
  runner: Runner,
  x: Rows,
  y: Rows,
  weights: Float32Array,
  centered: boolean,
): Promise<Moments> {
  const { model, names } = momentsModel(centered);
  const weight = { dtype: "float32" as const, dims: [x.groups, y.width, x.width], data: weights };
  const feeds = { x: x.tensor(), y: y.tensor(), w: weight };
  const fetched = await runner.using(model, (session) => session.run(feeds), { purpose: "adaRound" });
  const [gram, cross, inputMean, residualMean, residualPower, outputPower] = names.map(
    (name) => fetched[name]!.data as Float32Array,
  );
  return {
    groups: x.groups,
    inputs: x.width,
    outputs: y.width,
    gram: gram!,
    cross: cross!,
    inputMean: inputMean!,
    residualMean: residualMean!,
    residualPower: residualPower![0]!,
    outputPower: outputPower![0]!,
  };
}

function momentsModel(centered: boolean): { model: Model; names: string[] } {
  const { model, builder: b } = GraphBuilder.model("moments");
  const shape = [undefined, undefined, undefined];
  for (const name of ["x", "y", "w"]) b.input(name, shape);
  const swap = (value: string) => b.node("Transpose", [value], { perm: ints([0, 2, 1]) });
  const residual = b.node("Sub", [b.node("MatMul", ["x", swap("w")]), "y"]);
  const mean = (value: string) => b.node("ReduceMean", [value], { axes: ints([1]), keepdims: int(1) });
  const means = { x: mean("x"), r: mean(residual), y: mean("y") };
  const about = (value: string, own: string) => (centered ? b.node("Sub", [value, own]) : value);
  const dx = about("x", means.x);
  const dr = about(residual, means.r);
  const dy = about("y", means.y);
  const rows = b.node("Gather", [b.node("Shape", ["x"]), b.constant(Tensor.int64([], [1]), "axis")]);
  const count = b.node("Cast", [rows], { to: int(1) });
  const per = (value: string) => b.node("Div", [value, count]);
  const power = (value: string) => per(b.node("ReduceSum", [b.node("Mul", [value, value])], { keepdims: int(0) }));
  const turned = swap(dx);
  const names = [
    per(b.node("MatMul", [turned, dx])),
    per(b.node("MatMul", [swap(dr), dx])),
    means.x,
    means.r,
    power(dr),
    power(dy),
  ];
  for (const name of names) b.output(name);
  return { model, names };
}
