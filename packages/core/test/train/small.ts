import {
  createRandom,
  type Dataset,
  GraphBuilder,
  type HostTensor,
  int,
  ints,
  type Model,
  type Tensor,
} from "../../src/lab.js";
import { type TestModel, testModel } from "../helpers/build.js";

/** Conv – (BatchNormalization) – Relu – MaxPool – Flatten – Gemm on [N, 1, 6, 6], three classes. */
export function smallNetwork({ seed = 1, batchNorm = false }: { seed?: number; batchNorm?: boolean } = {}): Model {
  const test: TestModel = testModel(seed);
  const { builder, model } = test;
  const layer = (opType: string, name: string, inputs: string[], attributes = {}) =>
    builder.node(opType, inputs, attributes, { name });
  let value = builder.input("input", ["N", 1, 6, 6]);
  const weight = test.random([4, 1, 3, 3], "conv.weight", 0.4);
  value = layer("Conv", "conv", [value, weight, test.random([4], "conv.bias", 0.1)], { pads: ints([1, 1, 1, 1]) });
  if (batchNorm) {
    const own = [test.positive([4], "bn.scale"), test.random([4], "bn.bias", 0.1)];
    value = layer("BatchNormalization", "bn", [
      value,
      ...own,
      test.random([4], "bn.mean"),
      test.positive([4], "bn.var"),
    ]);
  }
  value = layer("Relu", "relu", [value]);
  value = layer("MaxPool", "pool", [value], { kernel_shape: ints([2, 2]), strides: ints([2, 2]) });
  value = layer("Flatten", "flatten", [value]);
  const fc = [value, test.random([3, 36], "fc.weight", 0.2), test.random([3], "fc.bias", 0.1)];
  builder.output(layer("Gemm", "fc", fc, { transB: int(1) }), "float32", ["N", 3]);
  return model;
}

/** Noisy images in which one of three bands is bright. */
export function bands(count: number, seed = 1, labelled = true): Dataset {
  const label = (index: number) => index % 3;
  return {
    length: count,
    shape: [1, 6, 6],
    fill(index, out, offset) {
      const random = createRandom(seed, index);
      for (let i = 0; i < 36; i++) {
        out[offset + i] = 0.4 * random.normal() + (Math.floor(i / 12) === label(index) ? 1 : 0);
      }
    },
    id: (index) => `band-${index}`,
    ...(labelled && { label }),
  };
}

/** A linear layer y = x·Wᵀ + b, two outputs of three inputs. */
export function linearNetwork(weight: Tensor, bias: Tensor): Model {
  const { model, builder } = GraphBuilder.model("linear");
  const inputs = [builder.input("input", ["N", 3]), builder.constant(weight, "weight"), builder.constant(bias, "bias")];
  builder.output(builder.node("Gemm", inputs, { transB: int(1) }, { name: "fc" }), "float32", ["N", 2]);
  return model;
}

/** The rows of a matrix as samples. */
export function rows(matrix: Tensor): Dataset {
  const [count = 0, width = 0] = matrix.dims;
  const data = matrix.array() as Float32Array;
  return {
    length: count,
    shape: [width],
    fill: (index, out, offset) => out.set(data.subarray(index * width, (index + 1) * width), offset),
    id: (index) => `row-${index}`,
  };
}

export const hostTensor = (tensor: Tensor): HostTensor => ({
  dtype: tensor.dtype,
  dims: tensor.dims,
  data: tensor.array(),
});

export const weightsOf = (model: Model, name: string) => model.graph.initializers.get(name)!.array() as Float32Array;
