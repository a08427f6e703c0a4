/** A seeded stream of random numbers: the same seed gives the same numbers in every engine. */
export interface Random {
  /** Next 32 random bits as an integer in [0, 2³²). */
  nextUint32(): number;
  /** Uniform in [0, 1), in steps of 2⁻³². */
  uniform(): number;
  /** Normal with mean 0 and variance 1. */
  normal(): number;
  /** Uniform integer in [0, n), without modulo bias. Requires 1 ≤ n ≤ 2³². */
  below(n: number): number;
  /** The integers 0 … n−1 in random order (Fisher–Yates). */
  permutation(n: number): Uint32Array;
}

const GOLDEN = 0x9e3779b97f4a7c15n;

/** One SplitMix64 output (Steele, Lea, Flood 2014) for the counter value `state`. */
function mix64(state: bigint): bigint {
  let z = BigInt.asUintN(64, state);
  z = BigInt.asUintN(64, (z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n);
  z = BigInt.asUintN(64, (z ^ (z >> 27n)) * 0x94d049bb133111ebn);
  return z ^ (z >> 31n);
}

/** The first `count` outputs of SplitMix64 for `seed`, as its authors advise for seeding larger generators. */
export function splitMix64(seed: bigint, count: number): bigint[] {
  return Array.from({ length: count }, (_, i) => mix64(seed + GOLDEN * BigInt(i + 1)));
}

/**
 * xoshiro128** (Blackman, Vigna 2018: 128 bits of state, period 2¹²⁸ − 1) from four 32-bit words, not all zero.
 * Chosen because it needs only 32-bit integer operations, which JavaScript does exactly.
 */
export function xoshiro128ss(state: readonly [number, number, number, number]): () => number {
  let [a, b, c, d] = state;
  return () => {
    const scrambled = Math.imul(b, 5);
    const result = Math.imul((scrambled << 7) | (scrambled >>> 25), 9) >>> 0;
    const shifted = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= shifted;
    d = (d << 11) | (d >>> 21);
    return result;
  };
}

/**
 * A generator for `seed`; `stream` numbers independent generators of one seed (one a sample, say),
 * so that sample i is the same whatever was drawn before it.
 *
 * @throws {RangeError} `seed` or `stream` is not an integer.
 */
export function createRandom(seed: number, stream = 0): Random {
  const [high, low] = splitMix64(BigInt(seed) ^ mix64(BigInt(stream) * GOLDEN), 2) as [bigint, bigint];
  const word = (value: bigint, shift: bigint) => Number((value >> shift) & 0xffffffffn);
  // All-zero state is the one fixed point of the generator; two zero outputs in a row cannot come from SplitMix64.
  const nextUint32 = xoshiro128ss([word(high, 0n), word(high, 32n), word(low, 0n), word(low, 32n)]);
  const uniform = () => nextUint32() / 2 ** 32;

  function below(n: number): number {
    if (!(Number.isInteger(n) && n >= 1 && n <= 2 ** 32)) throw new RangeError(`below: invalid n ${n}`);
    // Values past the last whole multiple of n would favour small remainders; draw again.
    const limit = 2 ** 32 - (2 ** 32 % n);
    for (;;) {
      const value = nextUint32();
      if (value < limit) return value % n;
    }
  }

  /**
   * Ratio of uniforms with quadratic bounds (Leva 1992, ACM TOMS 18(4), Algorithm 712). The logarithm only decides
   * acceptance, never enters the value: engines whose `Math.log` differs in the last bit return identical numbers.
   */
  function normal(): number {
    for (;;) {
      const u = (nextUint32() + 1) / 2 ** 32;
      const v = 1.7156 * (uniform() - 0.5);
      const x = u - 0.449871;
      const y = Math.abs(v) + 0.386595;
      const q = x * x + y * (0.196 * y - 0.25472 * x);
      if (q < 0.27597) return v / u;
      if (q <= 0.27846 && v * v <= -4 * Math.log(u) * u * u) return v / u;
    }
  }

  function permutation(n: number): Uint32Array {
    const order = Uint32Array.from({ length: n }, (_, i) => i);
    for (let i = n - 1; i > 0; i--) {
      const j = below(i + 1);
      const swap = order[i]!;
      order[i] = order[j]!;
      order[j] = swap;
    }
    return order;
  }

  return { nextUint32, uniform, normal, below, permutation };
}
