import { applyForms, type FormRule } from "../../src/forms/index.js";
import { cloneModel, GraphBuilder, type Model, Tensor } from "../../src/graph/index.js";
import { createRandom } from "../../src/math/index.js";
import type { Feeds } from "../../src/runtime/index.js";
import { runner } from "../helpers/runner.js";

/** Normal random numbers. */
export function normals(count: number, seed: number, spread = 1): Float32Array {
  const random = createRandom(seed);
  return Float32Array.from({ length: count }, () => spread * random.normal());
}

export interface MatrixModel {
  readonly model: Model;
  readonly weights: Float32Array;
  readonly feeds: Feeds;
}

/** x [2, 3, inputs] · W [inputs, outputs]. */
export function matmulModel({ inputs = 64, outputs = 24, seed = 1, opset = 17 } = {}): MatrixModel {
  const { model, builder } = GraphBuilder.model("matmul", opset);
  if (opset > 17) model.irVersion = 10;
  const weights = normals(inputs * outputs, seed, 0.3);
  const x = builder.input("x", ["N", 3, inputs]);
  const y = builder.node(
    "MatMul",
    [x, builder.constant(Tensor.float32([inputs, outputs], weights), "W")],
    {},
    { name: "dense" },
  );
  builder.output(y, "float32", ["N", 3, outputs]);
  return {
    model,
    weights,
    feeds: { x: { dtype: "float32", dims: [2, 3, inputs], data: normals(6 * inputs, seed + 1) } },
  };
}

export async function outputOf(model: Model, feeds: Feeds): Promise<Float32Array> {
  const results = await runner.using(model, (session) => session.run(feeds));
  return results[model.graph.outputs[0]!.name]!.data as Float32Array;
}

/** The model with its layers in other forms, and what it gives. */
export async function formed(model: Model, rules: readonly FormRule[], feeds: Feeds) {
  const copy = cloneModel(model);
  const report = await applyForms({ rules })(copy, {});
  return { model: copy, report, output: await outputOf(copy, feeds) };
}

/** x [rows, inputs] · W [inputs, outputs], added up in float64. */
export function product(
  x: ArrayLike<number>,
  weights: ArrayLike<number>,
  inputs: number,
  outputs: number,
): Float64Array {
  const rows = x.length / inputs;
  const result = new Float64Array(rows * outputs);
  for (let row = 0; row < rows; row++) {
    for (let k = 0; k < inputs; k++) {
      for (let n = 0; n < outputs; n++) result[row * outputs + n]! += x[row * inputs + k]! * weights[k * outputs + n]!;
    }
  }
  return result;
}

export function sqnrDb(reference: ArrayLike<number>, other: ArrayLike<number>): number {
  let [signal, noise] = [0, 0];
  for (let i = 0; i < reference.length; i++) {
    signal += reference[i]! ** 2;
    noise += (reference[i]! - other[i]!) ** 2;
  }
  return 10 * Math.log10(signal / noise);
}
