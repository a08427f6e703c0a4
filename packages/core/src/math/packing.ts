/**
 * Packs 4-bit integers as ONNX stores int4 and uint4 in raw_data: two to a byte, the first in the low half, the last
 * byte padded with 0.
 */
export function packInt4(values: Int8Array | Uint8Array): Uint8Array {
  const packed = new Uint8Array((values.length + 1) >> 1);
  for (let i = 0; i < values.length; i++) {
    packed[i >> 1] = packed[i >> 1]! | ((values[i]! & 15) << ((i & 1) << 2));
  }
  return packed;
}

/** Undoes {@link packInt4}: `length` values, sign-extended when `signed`. */
export function unpackInt4(packed: Uint8Array, length: number, signed: true): Int8Array;
export function unpackInt4(packed: Uint8Array, length: number, signed: false): Uint8Array;
export function unpackInt4(packed: Uint8Array, length: number, signed: boolean): Int8Array | Uint8Array {
  const values = signed ? new Int8Array(length) : new Uint8Array(length);
  for (let i = 0; i < length; i++) {
    const half = (packed[i >> 1]! >> ((i & 1) << 2)) & 15;
    values[i] = signed ? (half << 28) >> 28 : half;
  }
  return values;
}
