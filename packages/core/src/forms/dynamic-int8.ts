import { type Attribute, int, Tensor } from "../graph/index.js";
import { roundHalfEven } from "../math/index.js";
import type { LinearLayer } from "../operators/index.js";
import { addBias } from "./add-bias.js";
import type { FormWriter } from "./form-writer.js";
import { type OutputRows, rowsKey, transposedMatrix } from "./output-rows.js";

export interface DynamicOptions {
  readonly granularity: "per-tensor" | "per-channel";
  /**
   * `uint8`: zero point 128, the same values as int8; kernels add these exactly where pairs of int8 products overflow (x86 without VNNI,
   * WASM). `int7`: int8 with values −63 … 63, half as fine, whose pairs cannot overflow: exact everywhere, and as fast as int8.
   */
  readonly storage: "int8" | "uint8" | "int7";
}

/** Rows as integers −`limit` … `limit`, one scale a row or one for all. */
export interface RowIntegers {
  readonly integers: Int8Array;
  readonly scales: Float32Array;
}

export function rowIntegers(
  { outputs, inputs, data }: OutputRows,
  granularity: DynamicOptions["granularity"],
  limit = 127,
): RowIntegers {
  const largest = new Float64Array(outputs);
  for (let row = 0; row < outputs; row++) {
    for (let i = row * inputs; i < (row + 1) * inputs; i++) {
      largest[row] = Math.max(largest[row]!, Math.abs(data[i]!));
    }
  }
  if (granularity === "per-tensor") largest.fill(largest.reduce((a, b) => Math.max(a, b), 0));
  const scales = Float32Array.from(largest, (value) => (value > 0 ? value / limit : 1));
  const integers = new Int8Array(outputs * inputs);
  for (let row = 0; row < outputs; row++) {
    const scale = scales[row]!;
    for (let i = row * inputs; i < (row + 1) * inputs; i++) {
      integers[i] = Math.max(-limit, Math.min(limit, roundHalfEven(data[i]! / scale)));
    }
  }
  return { integers, scales: granularity === "per-tensor" ? scales.subarray(0, 1) : scales };
}

/**
 * A layer whose input is rounded to 8 bits while it runs, one range a tensor: DynamicQuantizeLinear → MatMulInteger or ConvInteger → Cast →
 * Mul by both scales. Standard operators (opset 11); ONNX Runtime makes one kernel of them. Layers of one input share its integers.
 */
export function writeDynamic(
  writer: FormWriter,
  layer: LinearLayer,
  rows: OutputRows,
  { granularity, storage }: DynamicOptions,
): void {
  const { input, weight, tensor } = layer;
  const [integers, scale, zeroPoint] = writer.once(`dynamic ${input}`, () =>
    writer.nodes("DynamicQuantizeLinear", [input], {}, 3),
  ) as [string, string, string];
  const constants = writer.once(`dynamic ${rowsKey(layer)} ${granularity} ${storage}`, () => {
    const { integers, scales } = rowIntegers(rows, granularity, storage === "int7" ? 63 : 127);
    const dims = layer.convolves ? tensor.dims : [rows.inputs, rows.outputs];
    const ordered = layer.convolves ? integers : transposedMatrix(integers, rows.outputs, rows.inputs);
    const scaleDims =
      scales.length === 1
        ? []
        : layer.convolves
          ? [scales.length, ...tensor.dims.slice(2).map(() => 1)]
          : [scales.length];
    return {
      integers: writer.constant(storedIntegers(ordered, dims, storage), `${weight}_quantized`),
      scale: writer.constant(Tensor.float32(scaleDims, scales), `${weight}_scale`),
      zeroPoint: writer.constant(zeroPointOf(storage), `${weight}_zero_point`),
    };
  });
  const product = writer.node(
    layer.convolves ? "ConvInteger" : "MatMulInteger",
    [integers, constants.integers, zeroPoint, constants.zeroPoint],
    layer.convolves ? convAttributes(layer) : {},
  );
  const real = writer.node("Cast", [product], { to: int(1) });
  const scales = writer.once(`dynamic ${input} ${constants.scale}`, () => writer.node("Mul", [scale, constants.scale]));
  addBias(writer, layer, "Mul", [real, scales]);
}

/** Integers −127 … 127 as they lie in the file. */
export function storedIntegers(
  integers: Int8Array,
  dims: readonly number[],
  storage: DynamicOptions["storage"],
): Tensor {
  if (storage !== "uint8") return Tensor.of("int8", dims, integers);
  return Tensor.of(
    "uint8",
    dims,
    Uint8Array.from(integers, (value) => value + 128),
  );
}

function zeroPointOf(storage: DynamicOptions["storage"]): Tensor {
  return storage !== "uint8" ? Tensor.of("int8", [], new Int8Array(1)) : Tensor.of("uint8", [], new Uint8Array([128]));
}

function convAttributes({ node }: LinearLayer): Record<string, Attribute> {
  return Object.fromEntries(node.attributes);
}
