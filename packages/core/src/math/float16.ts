/** The float32 bits of one float16 pattern: 1 sign, 5 exponent (bias 15), 10 mantissa bits. Exact, NaN payloads kept. */
function float32BitsOfFloat16(half: number): number {
  const sign = (half & 0x8000) << 16;
  const exponent = (half >>> 10) & 31;
  const mantissa = half & 0x3ff;
  if (exponent === 31) return sign | 0x7f800000 | (mantissa << 13);
  if (exponent !== 0) return sign | ((exponent + 112) << 23) | (mantissa << 13);
  if (mantissa === 0) return sign;
  // Subnormal m·2⁻²⁴: shift the leading one to the place of the implicit bit.
  const shift = Math.clz32(mantissa) - 21;
  return sign | ((113 - shift) << 23) | (((mantissa << shift) & 0x3ff) << 13);
}

/** The float16 pattern nearest to the float with these bits, ties to even; too large becomes ±∞, NaN stays a NaN. */
function float16OfFloat32Bits(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude >= 0x7f800000) {
    // The payload's top bits are kept; the quiet bit keeps a NaN from turning into ∞ when they are 0.
    return magnitude === 0x7f800000 ? sign | 0x7c00 : sign | 0x7e00 | ((magnitude >>> 13) & 0x3ff);
  }
  if (magnitude >= 0x38800000) {
    // Normal: drop 13 bits, ties to even; a carry into the exponent is the right result, up to ∞ at 65520 and above.
    const rounded = (magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13;
    return sign | Math.min(rounded, 0x7c00);
  }
  if (magnitude < 0x33000000) return sign; // below 2⁻²⁵, half the smallest subnormal
  // Subnormal, m·2⁻²⁴: the mantissa with its implicit bit, shifted right by 14 … 24 places, ties to even.
  const shift = 126 - (magnitude >>> 23);
  const mantissa = (magnitude & 0x7fffff) | 0x800000;
  const kept = mantissa >>> shift;
  const rest = mantissa & ((1 << shift) - 1);
  const half = 1 << (shift - 1);
  return sign | (kept + (rest > half || (rest === half && (kept & 1) === 1) ? 1 : 0));
}

/** The bfloat16 pattern (the upper half of a float32) nearest to the float with these bits, ties to even. */
function bfloat16OfFloat32Bits(bits: number): number {
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 0x40;
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}

/** float32 values of float16 bits; exact. */
export function float16ToFloat32(bits: Uint16Array, out = new Float32Array(bits.length)): Float32Array {
  const words = new Uint32Array(out.buffer, out.byteOffset, bits.length);
  for (let i = 0; i < bits.length; i++) words[i] = float32BitsOfFloat16(bits[i]!);
  return out;
}

/** float16 bits of float32 values, nearest, ties to even; 65520 and above become ∞, below 2⁻²⁵ becomes 0. */
export function float32ToFloat16(values: Float32Array, out = new Uint16Array(values.length)): Uint16Array {
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  for (let i = 0; i < values.length; i++) out[i] = float16OfFloat32Bits(words[i]!);
  return out;
}

/** float32 values of bfloat16 bits; exact. */
export function bfloat16ToFloat32(bits: Uint16Array, out = new Float32Array(bits.length)): Float32Array {
  const words = new Uint32Array(out.buffer, out.byteOffset, bits.length);
  for (let i = 0; i < bits.length; i++) words[i] = bits[i]! << 16;
  return out;
}

/** bfloat16 bits of float32 values, nearest, ties to even. */
export function float32ToBfloat16(values: Float32Array, out = new Uint16Array(values.length)): Uint16Array {
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  for (let i = 0; i < values.length; i++) out[i] = bfloat16OfFloat32Bits(words[i]!);
  return out;
}
