import { createRandom } from "../../src/math/random.js";

/** Laplace(0, 1) from a uniform number in [0, 1). */
const laplace = (u: number) => (u < 0.5 ? Math.log(2 * u + 1e-12) : -Math.log(2 - 2 * u + 1e-12));

/** Named distributions like those of weights and activations; every call with the same size gives the same values. */
export const DISTRIBUTIONS = {
  gaussian: (n: number) => draw(n, 1, (r) => r.normal()),
  laplace: (n: number) => draw(n, 2, (r) => laplace(r.uniform())),
  relu: (n: number) => draw(n, 3, (r) => Math.max(0, r.normal() + 0.3)),
  uniform: (n: number) => draw(n, 4, (r) => r.uniform() * 5 - 2),
  outliers: (n: number) => draw(n, 5, (r) => (r.uniform() < 2e-4 ? 40 * r.normal() : r.normal())),
} satisfies Record<string, (n: number) => Float32Array>;

function draw(n: number, seed: number, one: (random: ReturnType<typeof createRandom>) => number): Float32Array {
  const random = createRandom(seed);
  return Float32Array.from({ length: n }, () => one(random));
}

/** Floats of every kind: any bit pattern is possible, with many zeros, denormals, infinities and NaN. */
export function wildFloats(n: number, seed: number): Float32Array {
  const random = createRandom(seed);
  const bits = new Uint32Array(n);
  for (let i = 0; i < n; i++) {
    const word = random.nextUint32();
    const sign = word & 0x80000000;
    switch (random.below(8)) {
      case 0: // ±0
        bits[i] = sign;
        break;
      case 1: // denormals of all sizes
        bits[i] = sign | ((word & 0x7fffff) >>> random.below(23));
        break;
      case 2: // ±∞ and NaN
        bits[i] = sign | 0x7f800000 | (random.below(2) * (word & 0x7fffff));
        break;
      default:
        bits[i] = word;
    }
  }
  return new Float32Array(bits.buffer);
}

/** Mean squared difference, in float64. */
export function meanSquaredError(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i]! - b[i]!) ** 2;
  return sum / a.length;
}
