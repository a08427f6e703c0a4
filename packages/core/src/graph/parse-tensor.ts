import { type TensorProto, TensorProto_DataLocation } from "onnx-buf";
import { ModelError } from "../errors.js";
import { bitsOf, byteLengthOf, type DType, dtypeFromCode } from "./dtype.js";
import { withSource } from "./proto.js";
import { type ExternalLocation, sizeOf, Tensor } from "./tensor.js";

/** Reads `length` bytes at `offset` of the external data file `location`; throws {@link ModelError} E3005 where it cannot. */
export type ExternalReader = (location: string, offset: number, length: number) => Uint8Array;

/** More axes than any operator takes. */
const MAX_RANK = 64;
/** Elements beyond this cannot be counted exactly in bytes. */
const MAX_ELEMENTS = 2 ** 49;

/** Wraps a TensorProto; bytes stay where they are, typed fields (float_data, int32_data…) are converted on first use. */
export function parseTensor(proto: TensorProto, external: ExternalReader | undefined): Tensor {
  const dtype = dtypeFromCode(proto.dataType);
  if (!dtype || dtype === "undefined") damaged(proto, `unknown element type ${proto.dataType}`);
  const dims = proto.dims.map(Number);
  const size = sizeOf(dims);
  // A zero beside a huge size hides it in the product, so each is checked too.
  if (dims.length > MAX_RANK || dims.some((dim) => dim < 0 || dim > MAX_ELEMENTS) || size > MAX_ELEMENTS) {
    damaged(proto, `invalid shape ${shapeText(dims)}`);
  }
  const tensor =
    proto.dataLocation === TensorProto_DataLocation.EXTERNAL
      ? externalTensor(proto, dtype, dims, external)
      : new Tensor(dtype, dims, embeddedBytes(proto, dtype, size));
  return withSource(tensor, proto);
}

function damaged(proto: TensorProto, why: string): never {
  throw new ModelError("E3004", `initializer "${proto.name}": ${why}`, { tensor: proto.name });
}

/** A damaged shape may have millions of sizes: the message shows the first. */
function shapeText(dims: readonly (number | bigint)[]): string {
  return `[${dims.slice(0, 8).join(", ")}${dims.length > 8 ? `, … ${dims.length} axes` : ""}]`;
}

function embeddedBytes(proto: TensorProto, dtype: DType, size: number): Uint8Array | (() => Uint8Array) {
  const expected = byteLengthOf(dtype, size);
  const stored = storedCount(proto, dtype);
  if (stored === undefined) {
    if (expected !== undefined && proto.rawData.byteLength !== expected) {
      damaged(
        proto,
        `${proto.rawData.byteLength} bytes for shape ${shapeText(proto.dims)} ${dtype}, expected ${expected}`,
      );
    }
    return proto.rawData;
  }
  const perElement = dtype === "complex64" || dtype === "complex128" ? 2 : 1;
  const packed = (bitsOf(dtype) ?? 8) < 8;
  const count = packed && stored !== size ? expected! : size * perElement;
  if (stored !== count) damaged(proto, `${stored} values for shape ${shapeText(proto.dims)}, expected ${count}`);
  let bytes: Uint8Array | undefined;
  return () => {
    bytes ??= convert(proto, dtype, size);
    return bytes;
  };
}

type TypedField = "floatData" | "doubleData" | "int64Data" | "uint64Data" | "int32Data" | "stringData";

/** The typed field in which ONNX keeps elements of a type. */
function fieldOf(dtype: DType): TypedField {
  switch (dtype) {
    case "float32":
    case "complex64":
      return "floatData";
    case "float64":
    case "complex128":
      return "doubleData";
    case "int64":
      return "int64Data";
    case "uint64":
    case "uint32":
      return "uint64Data";
    case "string":
      return "stringData";
    default:
      return "int32Data";
  }
}

/** Number of values in the typed field that holds the data; undefined when raw_data does. Values in a field of other types are refused. */
function storedCount(proto: TensorProto, dtype: DType): number | undefined {
  if (proto.rawData.byteLength > 0 && dtype !== "string") return undefined;
  const expected = fieldOf(dtype);
  const fields: readonly TypedField[] = ["floatData", "doubleData", "int64Data", "uint64Data", "int32Data"];
  const wrong = fields.find((field) => field !== expected && proto[field].length > 0);
  if (wrong)
    damaged(proto, `its values are in ${snake(wrong)}, those of ${dtype} belong in ${snake(expected)} or raw_data`);
  const count = proto[expected].length;
  return count > 0 || dtype === "string" ? count : undefined;
}

function snake(field: TypedField): string {
  return field.replace("Data", "_data");
}

function convert(proto: TensorProto, dtype: DType, size: number): Uint8Array {
  const bytesOf = (array: ArrayBufferView) =>
    new Uint8Array(array.buffer as ArrayBuffer, array.byteOffset, array.byteLength);
  switch (dtype) {
    case "float32":
    case "complex64":
      return bytesOf(Float32Array.from(proto.floatData));
    case "float64":
    case "complex128":
      return bytesOf(Float64Array.from(proto.doubleData));
    case "int64":
      return bytesOf(BigInt64Array.from(proto.int64Data));
    case "uint64":
      return bytesOf(BigUint64Array.from(proto.uint64Data));
    case "uint32":
      return bytesOf(Uint32Array.from(proto.uint64Data, Number));
    case "int32":
      return bytesOf(Int32Array.from(proto.int32Data));
    case "int16":
    case "uint16":
    case "float16":
    case "bfloat16":
      return bytesOf(Uint16Array.from(proto.int32Data));
    case "string":
      return damaged(proto, "strings have no raw bytes");
    default:
      return convertBytes(proto, dtype, size);
  }
}

/** One-byte types store a byte per int32_data entry; 4- and 2-bit types either that or one packed byte per entry. */
function convertBytes(proto: TensorProto, dtype: DType, size: number): Uint8Array {
  const values = proto.int32Data;
  const length = byteLengthOf(dtype, size)!;
  if (values.length === length) return Uint8Array.from(values);
  const bits = bitsOf(dtype)!;
  const packed = new Uint8Array(length);
  const perByte = 8 / bits;
  const mask = (1 << bits) - 1;
  values.forEach((value, index) => {
    const at = Math.floor(index / perByte);
    packed[at] = packed[at]! | ((value & mask) << ((index % perByte) * bits));
  });
  return packed;
}

function externalTensor(
  proto: TensorProto,
  dtype: DType,
  dims: readonly number[],
  read: ExternalReader | undefined,
): Tensor {
  const entries = new Map(proto.externalData.map(({ key, value }) => [key, value]));
  const location = entries.get("location") ?? "";
  const expected = byteLengthOf(dtype, sizeOf(dims));
  const offset = wholeNumber(entries.get("offset") ?? "0");
  const length = wholeNumber(entries.get("length") ?? String(expected));
  if (location === "" || offset === undefined || length === undefined) {
    throw new ModelError("E3005", `initializer "${proto.name}": damaged external data entry`, { tensor: proto.name });
  }
  if (length !== expected) {
    damaged(proto, `external data of ${length} bytes for shape ${shapeText(dims)} ${dtype}, expected ${expected}`);
  }
  const place: ExternalLocation = { location, offset, length };
  const range = (start: number, end: number) =>
    readExternal(proto.name, { location, offset: offset + start, length: end - start }, read);
  // Read again after it was forgotten: weights of models larger than memory come and go.
  let kept: WeakRef<Uint8Array> | undefined;
  const all = () => {
    let bytes = kept?.deref();
    if (!bytes) {
      bytes = range(0, length);
      kept = new WeakRef(bytes);
    }
    return bytes;
  };
  return new Tensor(dtype, dims, all, place, range);
}

function wholeNumber(text: string): number | undefined {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  return Number.isSafeInteger(value) ? value : undefined;
}

function readExternal(name: string, place: ExternalLocation, read: ExternalReader | undefined): Uint8Array {
  const { location, offset, length } = place;
  if (length === 0) return new Uint8Array(0);
  const details = { tensor: name, file: location };
  if (!read) {
    const hint = `put ${location} beside the model, or open the model together with it`;
    throw new ModelError("E3005", `initializer "${name}": its data is in ${location}, which was not given`, {
      ...details,
      hint,
    });
  }
  const bytes = read(location, offset, length);
  if (bytes.byteLength !== length) {
    throw new ModelError("E3005", `initializer "${name}": ${location} ends before byte ${offset + length}`, {
      ...details,
      hint: "the file is cut or belongs to another model: download or export both again",
    });
  }
  return bytes;
}
