/** Element types of numeric files, by our own names; `bool` is one byte, 0 or 1. */
export type ElementType =
  | "bool"
  | "uint8"
  | "int8"
  | "uint16"
  | "int16"
  | "uint32"
  | "int32"
  | "uint64"
  | "int64"
  | "float16"
  | "float32"
  | "float64";

const ELEMENT_BYTES: Record<ElementType, number> = {
  bool: 1,
  uint8: 1,
  int8: 1,
  uint16: 2,
  int16: 2,
  uint32: 4,
  int32: 4,
  uint64: 8,
  int64: 8,
  float16: 2,
  float32: 4,
  float64: 8,
};

export function elementBytes(type: ElementType): number {
  return ELEMENT_BYTES[type];
}

/** IEEE 754 binary16 from its bits: 1 sign, 5 exponent, 10 fraction. */
function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}

type ElementReader = (view: DataView, at: number, little: boolean) => number;

const READERS: Record<ElementType, ElementReader> = {
  bool: (view, at) => view.getUint8(at),
  uint8: (view, at) => view.getUint8(at),
  int8: (view, at) => view.getInt8(at),
  uint16: (view, at, little) => view.getUint16(at, little),
  int16: (view, at, little) => view.getInt16(at, little),
  uint32: (view, at, little) => view.getUint32(at, little),
  int32: (view, at, little) => view.getInt32(at, little),
  uint64: (view, at, little) => Number(view.getBigUint64(at, little)),
  int64: (view, at, little) => Number(view.getBigInt64(at, little)),
  float16: (view, at, little) => halfToNumber(view.getUint16(at, little)),
  float32: (view, at, little) => view.getFloat32(at, little),
  float64: (view, at, little) => view.getFloat64(at, little),
};

/** The numbers in `bytes`. uint8 comes back as it is, without a copy; float64 holds every other type (64-bit integers rounded). */
export function decodeElements(bytes: Uint8Array, type: ElementType, little: boolean): Uint8Array | Float64Array {
  if (type === "uint8") return bytes;
  const size = ELEMENT_BYTES[type];
  const values = new Float64Array(Math.floor(bytes.length / size));
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const read = READERS[type];
  for (let i = 0; i < values.length; i++) values[i] = read(view, i * size, little);
  return values;
}
