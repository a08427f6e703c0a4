import * as ort from "onnxruntime-node";
import {
  createRunner,
  differentiate,
  GraphBuilder,
  type HostTensor,
  type KnownShapes,
  type Model,
  observeBatchShapes,
} from "../../src/lab.js";
import { type Dense, dense, sizeOf } from "./naive.js";

/** One thread: a few hundred sessions over tensors of a few elements only wait for a second one. */
export const runner = createRunner(ort as never, { threads: 1 });

/** Shape of an input and the interval its numbers are from. */
export type InputSpec = readonly [dims: readonly number[], low: number, high: number];

/** An operator with its inputs: as ONNX nodes, and as a naive forward pass in float64. */
export interface GradientCase {
  readonly name: string;
  readonly inputs: readonly InputSpec[];
  readonly opset?: number;
  /** Inputs whose first dimension is the batch, left open in one of the runs. Default: the first input. */
  readonly batched?: readonly number[];
  readonly build: (builder: GraphBuilder, inputs: readonly string[]) => string;
  readonly naive: (inputs: readonly Dense[]) => Dense;
  /** What PyTorch calls it, when scripts/gradient-reference.py has figures. Default: true. */
  readonly torch?: boolean;
}

/** Low-discrepancy numbers that Python makes from the same formula: all distinct, so that no maximum is tied by chance. */
export function numberAt(i: number, seed: number): number {
  const x = (i + 1) * 0.6180339887498949 + seed * 0.7548776662466927;
  return x - Math.floor(x);
}

export function inputsOf(spec: readonly InputSpec[]): Dense[] {
  return spec.map(([dims, low, high], seed) => {
    let i = 0;
    // Rounded to float32: both sides must differentiate at the same point.
    return dense(dims, () => Math.fround(low + (high - low) * numberAt(i++, seed + 1)));
  });
}

/** Weights of the loss Σ w ⊙ y, so that no gradient is all ones. */
export function lossWeights(dims: readonly number[]): Dense {
  let i = 0;
  return dense(dims, () => Math.fround(2 * numberAt(i++, 99) - 1));
}

export const inputName = (index: number) => `x${index}`;

export interface LossModel {
  readonly model: Model;
  readonly wrt: readonly string[];
  readonly feeds: Readonly<Record<string, HostTensor>>;
}

/** `fixed`: all sizes declared; `batch`: the batch is open; `open`: nothing but ranks is known. */
export type Openness = "fixed" | "batch" | "open";

export function lossModel(testCase: GradientCase, openness: Openness): LossModel {
  const { model, builder } = GraphBuilder.model(testCase.name, testCase.opset ?? 17);
  const values = inputsOf(testCase.inputs);
  const outDims = testCase.naive(values).dims;
  const batched = testCase.batched ?? [0];
  const declared = (dims: readonly number[], isBatched: boolean) =>
    dims.map((dim, axis) =>
      openness === "open" ? `d${axis}` : openness === "batch" && isBatched && axis === 0 ? "N" : dim,
    );
  const names = values.map(({ dims }, i) => builder.input(inputName(i), declared(dims, batched.includes(i))));
  const y = testCase.build(builder, names);
  const w = builder.input("w", declared(outDims, batched.length > 0 && outDims.length > 0));
  builder.output(builder.node("ReduceSum", [builder.node("Mul", [y, w])], { keepdims: { type: "int", value: 0 } }));
  const feeds: Record<string, HostTensor> = { w: float32(lossWeights(outDims)) };
  values.forEach((value, i) => {
    feeds[inputName(i)] = float32(value);
  });
  return { model, wrt: names, feeds };
}

export const float32 = ({ dims, data }: Dense): HostTensor => ({
  dtype: "float32",
  dims,
  data: Float32Array.from(data),
});

/** Loss and gradients by ONNX Runtime. */
export async function gradients({ model, wrt, feeds }: LossModel, shapes: KnownShapes | undefined) {
  const loss = model.graph.outputs[0]!.name;
  const derived = differentiate(model, { loss, wrt, ...(shapes && { shapes }) });
  const results = await runner.using(derived, (session) => session.run(feeds));
  const names = derived.graph.outputs.map(({ name }) => name);
  return {
    loss: results[names[0]!]!.data[0] as number,
    gradients: names.slice(1).map((name) => results[name]!),
  };
}

export async function gradientsOf(testCase: GradientCase, openness: Openness) {
  const built = lossModel(testCase, openness);
  const shapes = openness === "open" ? undefined : await observeBatchShapes(runner, built.model);
  return gradients(built, shapes);
}

export function naiveLoss(testCase: GradientCase, inputs: readonly Dense[]): number {
  const y = testCase.naive(inputs);
  const w = lossWeights(y.dims);
  return y.data.reduce((total, value, i) => total + value * w.data[i]!, 0);
}

/** A gradient at some elements of an input. */
export interface Sampled {
  readonly dims: readonly number[];
  readonly indices: readonly number[];
  readonly values: readonly number[];
}

/** Elements looked at in an input: all of a small one, else this many, spread by a step that shares no factor with the size. */
const SAMPLES = 36;

export function sampledAt(dims: readonly number[], most: number): { dims: readonly number[]; indices: number[] } {
  const size = sizeOf(dims);
  const count = Math.min(size, most);
  return { dims, indices: Array.from({ length: count }, (_, i) => (size <= most ? i : (i * 9973) % size)) };
}

/** Central differences in float64: (L(x + h) − L(x − h)) / 2h, error of order h². */
export function centralDifferences(testCase: GradientCase, h = 1e-5): Sampled[] {
  const inputs = inputsOf(testCase.inputs);
  return inputs.map((input, k) => {
    const size = sizeOf(input.dims);
    const indices = Array.from({ length: Math.min(size, SAMPLES) }, (_, i) =>
      size <= SAMPLES ? i : (i * 9973) % size,
    );
    const values = indices.map((i) => {
      const shifted = (by: number) => {
        const moved = { dims: input.dims, data: input.data.slice() };
        moved.data[i]! += by;
        return naiveLoss(
          testCase,
          inputs.map((own, j) => (j === k ? moved : own)),
        );
      };
      return (shifted(h) - shifted(-h)) / (2 * h);
    });
    return { dims: input.dims, indices, values };
  });
}

/** Largest difference, relative to the largest gradient. */
export function relativeError(actual: ArrayLike<number | bigint>, expected: Sampled): number {
  let [difference, largest] = [0, 0];
  expected.indices.forEach((index, i) => {
    difference = Math.max(difference, Math.abs(Number(actual[index]) - expected.values[i]!));
    largest = Math.max(largest, Math.abs(expected.values[i]!));
  });
  return difference / (largest || 1);
}
