import { DataError } from "../errors.js";
import { binCounter } from "./bin-counter.js";
import { BIN_COUNT, FINITE_BINS, SIGN_BINS, type SortedBins, sortBins, TINY_EXPONENTS } from "./histogram-bins.js";

/** Values {@link ValueHistogram.add} handles at once: 32 kB, so that the next pass finds them in the first-level cache. */
const BLOCK = 8192;
/** From this many values on, the counter is worth the sweep over its tables at the end. */
const WORTH_COUNTER = 4096;

/** JSON form of a {@link ValueHistogram}; `runs` are [first bin, count, count, …] of neighbouring bins that are not empty. */
export interface ValueHistogramJson {
  schema: "equant.value-histogram/1";
  /** Finite values. */
  total: number;
  nan: number;
  positiveInfinity: number;
  negativeInfinity: number;
  /** `null` when there are no finite values. */
  min: number | null;
  max: number | null;
  /** `null` where only counts were collected. */
  sum: number | null;
  sumOfSquares: number | null;
  runs: number[][];
  /** Nonzero values below 2⁻¹³⁰ as runs of [floor(log2|x|) + 149, plus 19 if negative; counts]; absent if there are none. */
  tiny?: number[][];
}

/** [min, max, sum, sum of squares], read and written in place. */
function momentsOfBlock(values: Float32Array, from: number, to: number, moments: Float64Array): void {
  let min = moments[0]!;
  let max = moments[1]!;
  let sum = 0;
  let sumOther = 0;
  let squares = 0;
  let squaresOther = 0;
  let i = from;
  for (const end = to - 3; i < end; i += 4) {
    const a = values[i]!;
    const b = values[i + 1]!;
    const c = values[i + 2]!;
    const d = values[i + 3]!;
    if (a < min) min = a;
    if (a > max) max = a;
    if (b < min) min = b;
    if (b > max) max = b;
    if (c < min) min = c;
    if (c > max) max = c;
    if (d < min) min = d;
    if (d > max) max = d;
    sum += a + b;
    sumOther += c + d;
    squares += a * a + b * b;
    squaresOther += c * c + d * d;
  }
  for (; i < to; i++) {
    const a = values[i]!;
    if (a < min) min = a;
    if (a > max) max = a;
    sum += a;
    squares += a * a;
  }
  moments[0] = min;
  moments[1] = max;
  moments[2] = sum + sumOther;
  moments[3] = squares + squaresOther;
}

/**
 * One histogram for every purpose, keyed by the float's own bits (sign, exponent, top 4 mantissa bits). No range has to
 * be known before, and bins never move, so merging is exact addition: merge(of(A), of(B)) counts as of(A ∪ B) does.
 * Memory is fixed. NaN and ±∞ are counted apart; everything else here is about the finite values.
 */
export class ValueHistogram {
  /** NaN values seen. */
  nan = 0;
  positiveInfinity = 0;
  negativeInfinity = 0;
  /**
   * Sums in float64 over the finite values; their last bits depend on the order of the values, all else does not.
   * NaN once {@link addCounts} was used: they were not collected then.
   */
  sum = 0;
  sumOfSquares = 0;

  readonly #counts = new Float64Array(BIN_COUNT);
  readonly #tiny = new Float64Array(2 * TINY_EXPONENTS);
  #total = 0;
  #min = Infinity;
  #max = -Infinity;

  /** Histogram of some values. */
  static of(values: Float32Array): ValueHistogram {
    return new ValueHistogram().add(values);
  }

  /** Counts `values[from, to)`. */
  add(values: Float32Array, from = 0, to = values.length): this {
    const bits = new Int32Array(values.buffer, values.byteOffset, values.length);
    this.#count(bits, from, to);
    const moments = Float64Array.of(this.#min, this.#max, 0, 0);
    for (let start = from; start < to; start += BLOCK) {
      const end = Math.min(start + BLOCK, to);
      const min = moments[0]!;
      const max = moments[1]!;
      momentsOfBlock(values, start, end, moments);
      // Squares of float32 cannot overflow a double: a sum that is not finite means NaN or ∞ among the values.
      if (!(moments[3]! < Infinity)) {
        moments[0] = min;
        moments[1] = max;
        this.#redoWithoutNonFinite(values, bits, start, end, moments);
      }
      this.sum += moments[2]!;
      this.sumOfSquares += moments[3]!;
    }
    this.#min = moments[0]!;
    this.#max = moments[1]!;
    return this;
  }

  /**
   * Counts `values[from, to)` without looking at what bins do not need, which takes half the time of {@link add}: for who
   * knows the range of the values from elsewhere. `min` and `max` must be finite and bound the finite values; `sum` and
   * `sumOfSquares` become NaN. NaN and ±∞ are counted apart as in {@link add}.
   */
  addCounts(values: Float32Array, range: { min: number; max: number }, from = 0, to = values.length): this {
    const bits = new Int32Array(values.buffer, values.byteOffset, values.length);
    this.#count(bits, from, to);
    if (hasNonFinite(this.#counts)) this.#takeOutNonFinite(values, bits, from, to);
    if (to > from) {
      this.#min = Math.min(this.#min, range.min);
      this.#max = Math.max(this.#max, range.max);
      this.sum = Number.NaN;
      this.sumOfSquares = Number.NaN;
    }
    return this;
  }

  /** Adds the counts of another histogram to this one. */
  merge(other: ValueHistogram): this {
    const counts = this.counts;
    const others = other.counts;
    for (let i = 0; i < BIN_COUNT; i++) counts[i] = counts[i]! + others[i]!;
    for (let i = 0; i < this.#tiny.length; i++) this.#tiny[i] = this.#tiny[i]! + other.#tiny[i]!;
    this.nan += other.nan;
    this.positiveInfinity += other.positiveInfinity;
    this.negativeInfinity += other.negativeInfinity;
    this.sum += other.sum;
    this.sumOfSquares += other.sumOfSquares;
    this.#total += other.#total;
    this.#min = Math.min(this.#min, other.#min);
    this.#max = Math.max(this.#max, other.#max);
    return this;
  }

  /** Finite values by bin; a live view, not to be written to. Bins of exponent 255 stay 0. */
  get counts(): Float64Array {
    return this.#counts;
  }

  /** Number of finite values. */
  get total(): number {
    return this.#total;
  }

  /** Number of NaN and ±∞. */
  get nonFinite(): number {
    return this.nan + this.positiveInfinity + this.negativeInfinity;
  }

  /** Exact smallest finite value (never −0); ∞ when there is none. */
  get min(): number {
    return this.#min + 0;
  }

  /** Exact largest finite value (never −0); −∞ when there is none. */
  get max(): number {
    return this.#max + 0;
  }

  /** Exact number of zeros, +0 and −0. */
  get zeros(): number {
    const counts = this.counts;
    return counts[0]! + counts[SIGN_BINS]! - this.tinyCount(false) - this.tinyCount(true);
  }

  /** Nonzero values of one sign below 2⁻¹³⁰, which share a bin with zero. */
  tinyCount(negative: boolean): number {
    let total = 0;
    const from = negative ? TINY_EXPONENTS : 0;
    for (let i = 0; i < TINY_EXPONENTS; i++) total += this.#tiny[from + i]!;
    return total;
  }

  /** The same by floor(log2|x|) = −149 … −131, in this order. */
  tinyByExponent(negative: boolean): Float64Array {
    const from = negative ? TINY_EXPONENTS : 0;
    return this.#tiny.slice(from, from + TINY_EXPONENTS);
  }

  /** Non-empty bins in ascending order of value, without the exact zeros. */
  sorted(): SortedBins {
    return sortBins({
      counts: this.counts,
      positiveTiny: this.tinyCount(false),
      negativeTiny: this.tinyCount(true),
      min: this.min,
      max: this.max,
    });
  }

  toJSON(): ValueHistogramJson {
    const tiny = runsOf(this.#tiny);
    return {
      schema: "equant.value-histogram/1",
      total: this.#total,
      nan: this.nan,
      positiveInfinity: this.positiveInfinity,
      negativeInfinity: this.negativeInfinity,
      min: this.#total ? this.min : null,
      max: this.#total ? this.max : null,
      sum: Number.isNaN(this.sum) ? null : this.sum,
      sumOfSquares: Number.isNaN(this.sumOfSquares) ? null : this.sumOfSquares,
      runs: runsOf(this.counts),
      ...(tiny.length ? { tiny } : {}),
    };
  }

  /** Reads {@link toJSON}'s form. @throws {DataError} E5002 when it contradicts itself. */
  static fromJSON(json: ValueHistogramJson): ValueHistogram {
    if (json?.schema !== "equant.value-histogram/1") throw damaged(`schema '${String(json?.schema)}'`);
    const histogram = new ValueHistogram();
    for (const key of ["nan", "positiveInfinity", "negativeInfinity"] as const) {
      if (!isCount(json[key])) throw damaged(`${key} ${String(json[key])}`);
      histogram[key] = json[key];
    }
    histogram.#total = readRuns(json.runs, histogram.#counts, "runs");
    readRuns(json.tiny ?? [], histogram.#tiny, "tiny");
    if (histogram.#total !== json.total) throw damaged(`total ${json.total} where the bins hold ${histogram.#total}`);
    if (histogram.#counts.some((n, i) => n > 0 && i % SIGN_BINS >= FINITE_BINS)) throw damaged("a bin beyond float32");
    for (const negative of [false, true]) {
      if (histogram.tinyCount(negative) > histogram.#counts[negative ? SIGN_BINS : 0]!) throw damaged("tiny counts");
    }
    for (const key of ["sum", "sumOfSquares"] as const) {
      const value = json[key];
      if (value !== null && !Number.isFinite(value)) throw damaged(`${key} ${String(value)}`);
      histogram[key] = value ?? Number.NaN;
    }
    if (histogram.#total > 0) {
      const { min, max } = json;
      if (!(typeof min === "number" && typeof max === "number" && min <= max)) throw damaged(`range ${min} … ${max}`);
      histogram.#min = min;
      histogram.#max = max;
    }
    return histogram;
  }

  /** Counts all values, NaN and ±∞ too, into the bins of their upper bits. */
  #count(bits: Int32Array, from: number, to: number): void {
    const counts = this.#counts;
    this.#total += to - from;
    const counter = to - from < WORTH_COUNTER ? undefined : binCounter();
    let tiny = true;
    if (counter) tiny = counter.count(bits, from, to, counts);
    else for (let i = from; i < to; i++) counts[bits[i]! >>> 19]!++;
    if (tiny) this.#countTiny(bits, from, to);
  }

  /** Counts the nonzero values that fell into the bins of +0 and −0, by exponent. */
  #countTiny(bits: Int32Array, from: number, to: number): void {
    for (let i = from; i < to; i++) {
      const magnitude = bits[i]! & 0x7fffffff;
      // Unsigned wrap-around makes this one test for 0 < magnitude < 2^19.
      if ((magnitude - 1) >>> 0 < 0x7ffff) {
        const exponent = 31 - Math.clz32(magnitude); // floor(log2|x|) + 149
        const index = bits[i]! < 0 ? TINY_EXPONENTS + exponent : exponent;
        this.#tiny[index] = this.#tiny[index]! + 1;
      }
    }
  }

  /** Takes NaN and ±∞ of a block out of the counts again, and renews its moments. */
  #redoWithoutNonFinite(values: Float32Array, bits: Int32Array, from: number, to: number, moments: Float64Array): void {
    this.#takeOutNonFinite(values, bits, from, to);
    const finite = values.subarray(from, to).filter((x) => x - x === 0);
    momentsOfBlock(finite, 0, finite.length, moments);
  }

  #takeOutNonFinite(values: Float32Array, bits: Int32Array, from: number, to: number): void {
    for (let i = from; i < to; i++) {
      const x = values[i]!;
      if (x - x === 0) continue;
      const bin = bits[i]! >>> 19;
      this.#counts[bin] = this.#counts[bin]! - 1;
      this.#total--;
      if (Number.isNaN(x)) this.nan++;
      else if (x > 0) this.positiveInfinity++;
      else this.negativeInfinity++;
    }
  }
}

/** Whether anything was counted with exponent 255, which only NaN and ±∞ have. */
function hasNonFinite(counts: Float64Array): boolean {
  const found = (bin: number) => counts.subarray(bin + FINITE_BINS, bin + SIGN_BINS).some((count) => count > 0);
  return found(0) || found(SIGN_BINS);
}

function runsOf(counts: Float64Array): number[][] {
  const runs: number[][] = [];
  for (let i = 0; i < counts.length; i++) {
    if (counts[i] === 0) continue;
    if (i === 0 || counts[i - 1] === 0) runs.push([i]);
    runs.at(-1)!.push(counts[i]!);
  }
  return runs;
}

function readRuns(runs: number[][], counts: Float64Array, what: string): number {
  let total = 0;
  if (!Array.isArray(runs)) throw damaged(`${what} is not a list`);
  for (const [start, ...values] of runs) {
    if (!isCount(start) || start + values.length > counts.length) throw damaged(`${what} at ${String(start)}`);
    values.forEach((n, i) => {
      if (!isCount(n)) throw damaged(`${what}: count ${String(n)}`);
      counts[start + i] = n;
      total += n;
    });
  }
  return total;
}

function isCount(n: unknown): n is number {
  return Number.isSafeInteger(n) && (n as number) >= 0;
}

function damaged(what: string): DataError {
  return new DataError("E5002", `histogram: damaged data (${what})`, {
    actual: what,
    hint: "The file was changed or cut off: measure the calibration again.",
  });
}
