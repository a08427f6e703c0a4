import {
  type Attribute,
  createRandom,
  type DType,
  GraphBuilder,
  int,
  ints,
  type Model,
  Tensor,
} from "../../src/lab.js";

/** Writes quantized graphs by hand, so that every form of them can be tried. */
export class QdqBuilder {
  readonly model: Model;
  readonly builder: GraphBuilder;
  readonly #random;

  constructor(seed: number) {
    const { model, builder } = GraphBuilder.model("qdq", 21);
    // 16-bit QuantizeLinear came with opset 21, which needs a newer IR.
    model.irVersion = 10;
    this.model = model;
    this.builder = builder;
    this.#random = createRandom(seed);
  }

  input(...shape: number[]): string {
    return this.builder.input("x", ["N", ...shape]);
  }

  output(value: string): Model {
    this.builder.output(value);
    return this.model;
  }

  float(dims: readonly number[], spread = 0.3): string {
    const size = dims.reduce((a, b) => a * b, 1);
    return this.builder.constant(
      Tensor.float32(
        dims,
        Float32Array.from({ length: size }, () => spread * this.#random.normal()),
      ),
      "weight",
    );
  }

  #zero(dtype: DType, point?: number): string {
    const arrays = { uint8: Uint8Array, int8: Int8Array, uint16: Uint16Array, int32: Int32Array };
    const data = new arrays[dtype as keyof typeof arrays](1);
    data[0] = point ?? (dtype === "uint8" ? 128 : dtype === "uint16" ? 32768 : 0);
    return this.builder.constant(Tensor.of(dtype, [], data), "zero");
  }

  quantize(value: string, scale: number, dtype: DType, zero?: number): string {
    const step = dtype === "uint16" ? scale / 256 : scale;
    return this.builder.node("QuantizeLinear", [value, this.builder.constant(step, "scale"), this.#zero(dtype, zero)]);
  }

  dequantize(value: string, scale: number, dtype: DType, zero?: number): string {
    const step = dtype === "uint16" ? scale / 256 : scale;
    return this.builder.node("DequantizeLinear", [
      value,
      this.builder.constant(step, "scale"),
      this.#zero(dtype, zero),
    ]);
  }

  /** Quantize and dequantize; the zero point is in the middle where none is given. */
  qdq(value: string, scale = 0.03, dtype: "uint8" | "uint16" = "uint8", zero?: number): string {
    return this.dequantize(this.quantize(value, scale, dtype, zero), scale, dtype, zero);
  }

  /** Weights in the file as integers: int8 by default, int32 for biases. */
  integers(dims: readonly number[], dtype: "int8" | "int32" = "int8", scale = 0.01): string {
    const size = dims.reduce((a, b) => a * b, 1);
    const values = Array.from({ length: size }, () => Math.round(60 * (this.#random.uniform() - 0.5)));
    const data = dtype === "int8" ? Int8Array.from(values) : Int32Array.from(values);
    return this.dequantize(this.builder.constant(Tensor.of(dtype, dims, data), "integers"), scale, dtype);
  }

  conv(value: string, weight: string, bias?: string, name = "conv"): string {
    const attributes: Record<string, Attribute> = { kernel_shape: ints([3, 3]), pads: ints([1, 1, 1, 1]) };
    return this.builder.node("Conv", bias === undefined ? [value, weight] : [value, weight, bias], attributes, {
      name,
    });
  }

  node(opType: string, inputs: string[], attributes: Record<string, Attribute> = {}, name = opType): string {
    return this.builder.node(opType, inputs, attributes, { name });
  }
}

export const transB = { transB: int(1) };
