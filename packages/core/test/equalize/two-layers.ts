import type { ActivationStats, ChannelStats } from "../../src/calibrate/index.js";
import { channelFlow } from "../../src/channels/index.js";
import { type ScaleClasses, scaleClasses } from "../../src/equalize/index.js";
import { GraphBuilder, int, type Model, Tensor } from "../../src/graph/index.js";

/** Weights and biases of {@link twoLayers}. */
export interface TwoLayers {
  /** Outputs × inputs. */
  readonly w1: readonly (readonly number[])[];
  readonly b1: readonly number[];
  readonly w2: readonly (readonly number[])[];
  readonly b2: readonly number[];
  /** Bounds of a Clip in place of the Relu. */
  readonly clip?: readonly [number, number];
}

/** x → Gemm "first" → Relu or Clip "act" → Gemm "second"; the values are x, pre, post and out. */
export function twoLayers({ w1, b1, w2, b2, clip }: TwoLayers): Model {
  const { model, builder } = GraphBuilder.model("two layers");
  const matrix = (rows: readonly (readonly number[])[], name: string) =>
    builder.constant(Tensor.float32([rows.length, rows[0]!.length], Float32Array.from(rows.flat())), name);
  const vector = (values: readonly number[], name: string) =>
    builder.constant(Tensor.float32([values.length], Float32Array.from(values)), name);
  const gemm = (input: string, weight: string, bias: string, name: string) =>
    builder.node("Gemm", [input, weight, bias], { transB: int(1) }, { name });
  const pre = gemm(builder.input("x", ["N", w1[0]!.length]), matrix(w1, "w1"), vector(b1, "b1"), "first");
  const bounds = clip?.map((bound, k) => builder.constant(bound, `bound${k}`)) ?? [];
  const post = builder.node(clip ? "Clip" : "Relu", [pre, ...bounds], {}, { name: "act" });
  builder.output(gemm(post, matrix(w2, "w2"), vector(b2, "b2"), "second"));
  return model;
}

/** Names of the values of {@link twoLayers}. */
export function valuesOf(model: Model) {
  const [first, act, second] = model.graph.nodes;
  return { x: "x", pre: first!.outputs[0]!, post: act!.outputs[0]!, out: second!.outputs[0]! };
}

export function shapesOf(model: Model): Map<string, { dims: readonly number[]; dtype: "float32" }> {
  const { x, pre, post, out } = valuesOf(model);
  const dims = (layer: number, axis: number) => {
    const weight = model.graph.initializers.get(model.graph.nodes[layer]!.inputs[1]!)!;
    return { dims: [1, weight.dims[axis]!], dtype: "float32" as const };
  };
  return new Map([
    [x, dims(0, 1)],
    [pre, dims(0, 0)],
    [post, dims(0, 0)],
    [out, dims(2, 0)],
  ]);
}

export function classesOf(model: Model): ScaleClasses {
  return scaleClasses(channelFlow(model.graph, shapesOf(model)));
}

/** Position of the class that holds the channels between the layers, the only one that can be scaled. */
export const hiddenClass = (model: Model): number => classesOf(model).values.get(valuesOf(model).post)!.class;

/** Channel statistics; what is not said is 0, and the mean square (max² + min²)/4. */
export function stats(
  entries: Readonly<Record<string, Partial<ChannelStats> & Pick<ChannelStats, "max">>>,
): ActivationStats {
  return new Map(
    Object.entries(entries).map(([value, { max, min, mean, meanSquare }]) => {
      const zeros = new Array<number>(max.length).fill(0);
      const square = Array.from(max, (top, k) => (top ** 2 + (min?.[k] ?? 0) ** 2) / 4);
      return [value, { max, min: min ?? zeros, mean: mean ?? zeros, meanSquare: meanSquare ?? square }];
    }),
  );
}

/** Weights and biases of both layers as they are now. */
export function parametersOf(model: Model): { w1: number[][]; b1: number[]; w2: number[][]; b2: number[] } {
  const numbers = (layer: number, input: number) => {
    const tensor = model.graph.initializers.get(model.graph.nodes[layer]!.inputs[input]!)!;
    return { values: [...tensor.numbers()], columns: tensor.dims[1]! };
  };
  const rows = (layer: number) => {
    const { values, columns } = numbers(layer, 1);
    return Array.from({ length: values.length / columns }, (_, j) => values.slice(j * columns, (j + 1) * columns));
  };
  const last = model.graph.nodes.length - 1;
  return { w1: rows(0), b1: numbers(0, 2).values, w2: rows(last), b2: numbers(last, 2).values };
}
