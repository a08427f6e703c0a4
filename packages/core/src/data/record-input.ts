import { DataError } from "../errors.js";
import { type HostTensor, isFixed, type SignatureInput, sizeOf, Tensor } from "../graph/index.js";
import { float32ToFloat16 } from "../math/index.js";

/** Numbers of one array as they were read. */
export type Numbers = ArrayLike<number | bigint>;

/**
 * How samples lie in an array for one input: sizes of one sample as the network takes it, or the whole array as a constant of all samples.
 * An array of one dimension more than the input has one sample a row; one of as many has the batch dimension in common with it.
 */
export interface SampleLayout {
  /** Samples; undefined for a constant. */
  readonly count: number | undefined;
  readonly dims: readonly number[];
}

/** @throws {DataError} E5003 an array that does not fit its input. */
export function sampleLayout({ name, dims }: SignatureInput, shape: readonly number[], file: string): SampleLayout {
  const [count = 0, ...rest] = shape;
  const one = { count, dims: [1, ...rest] };
  if (!dims) return shape.length === 0 ? { count: undefined, dims: [] } : one;
  const misfit = () =>
    new DataError(
      "E5003",
      `data: "${file}" has shape [${shape.join(", ")}], input "${name}" takes [${written(dims)}]`,
      {
        file,
        tensor: name,
        expected: [...dims],
        actual: [...shape],
        hint: "one array an input, whose first dimension counts the samples",
      },
    );
  const fits = (sizes: readonly number[], from: number) =>
    sizes.length === dims.length && dims.every((dim, axis) => axis < from || !isFixed(dim) || dim === sizes[axis]);
  if (shape.length === 0 || (dims.length > 0 && shape.length === dims.length && isConstant(dims, shape))) {
    if (!fits(shape, 0)) throw misfit();
    return { count: undefined, dims: shape };
  }
  if (fits(rest, 0)) return { count, dims: rest };
  if (shape.length === dims.length && fits(shape, 1)) return one;
  // One number a sample for an input of [N, 1].
  const ones = dims.slice(1).every((dim) => dim === 1 || !isFixed(dim));
  if (shape.length === 1 && ones) return { count, dims: dims.map(() => 1) };
  throw misfit();
}

/** All sizes are said and met, and the first is none of a batch: a state or a table, the same for all samples. */
function isConstant(dims: SignatureInput["dims"] & object, shape: readonly number[]): boolean {
  return dims.every((dim, axis) => isFixed(dim) && dim === shape[axis]);
}

function written(dims: readonly (number | string | undefined)[]): string {
  return dims.map((dim) => dim ?? "?").join(", ");
}

/** Sizes of a sample read from nested lists: with the batch dimension in front where the input has one more. */
export function fitted({ name, dims }: SignatureInput, shape: readonly number[], file: string): readonly number[] {
  const candidates = [shape, [1, ...shape]];
  const fits = (sizes: readonly number[]) =>
    !dims ||
    (sizes.length === dims.length &&
      sizes.every((size, axis) => axis === 0 || !isFixed(dims[axis]) || dims[axis] === size));
  const found = dims ? candidates.find(fits) : candidates[1];
  if (found) return found;
  throw new DataError(
    "E5003",
    `data: ${file}: "${name}" has shape [${shape.join(", ")}], the input takes [${written(dims!)}]`,
    {
      file,
      tensor: name,
      expected: [...dims!],
      actual: [...shape],
      hint: "give every sample the sizes that the model takes",
    },
  );
}

/**
 * Numbers as a tensor of the input's element type.
 * @throws {DataError} E5002 a number that the type cannot hold: NaN, or a fraction where an integer belongs.
 */
export function tensorOf(
  { name, dtype = "float32" }: SignatureInput,
  dims: readonly number[],
  values: Numbers,
  file: string,
): HostTensor {
  const bad = (value: number | bigint) =>
    new DataError("E5002", `data: ${file}: ${value} in "${name}", which takes ${dtype}`, {
      file,
      tensor: name,
      actual: String(value),
      hint: "remove the sample, or mend what wrote it",
    });
  if (values.length !== sizeOf(dims)) throw bad(values.length);
  if (dtype === "float32" || dtype === "float64" || dtype === "float16") {
    const floats = dtype === "float64" ? new Float64Array(values.length) : new Float32Array(values.length);
    for (let i = 0; i < floats.length; i++) {
      floats[i] = Number(values[i]);
      if (Number.isNaN(floats[i])) throw bad(Number.NaN);
    }
    return { dtype, dims, data: dtype === "float16" ? float32ToFloat16(floats as Float32Array) : floats };
  }
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (typeof value === "number" && !Number.isSafeInteger(value)) throw bad(value);
  }
  if (dtype === "int64") return { dtype, dims, data: BigInt64Array.from(values, (value) => BigInt(value)) };
  if (dtype === "uint64") return { dtype, dims, data: BigUint64Array.from(values, (value) => BigInt(value)) };
  const data = new Tensor(dtype, dims, new Uint8Array(BYTES.get(dtype)! * values.length)).array() as Int32Array;
  for (let i = 0; i < values.length; i++) {
    data[i] = Number(values[i]);
    if (data[i] !== Number(values[i])) throw bad(values[i]!);
  }
  return { dtype, dims, data };
}

const BYTES: ReadonlyMap<string, number> = new Map(
  Object.entries<number>({
    bool: 1,
    int8: 1,
    uint8: 1,
    int16: 2,
    uint16: 2,
    int32: 4,
    uint32: 4,
  }),
);
