import { firstColumn, type WeightMagnitudes } from "./weight-magnitudes.js";

/** Entries whose weight in a smoothed maximum is below e^−20 are left out. */
const CUTOFF = 20;

/**
 * The maxima max_{j∈slot, i} M_ji·b_j/a_i of one part of a noise term, smoothed: (1/p)·log Σ exp(p·m) over the logarithms m of
 * the entries. Only entries near the maximum of their slot are kept, so that an evaluation costs little; `refresh` finds them.
 */
export class ActiveMaxima {
  /** Kept entries: row, column, log M, grouped by slot. */
  rows: Int32Array<ArrayBufferLike> = new Int32Array(64);
  columns: Int32Array<ArrayBufferLike> = new Int32Array(64);
  logs: Float64Array<ArrayBufferLike> = new Float64Array(64);
  readonly start: Int32Array;
  /** Entries that count at the point last smoothed, grouped by slot: kept entry, and share in the smoothed maximum. */
  readonly activeStart: Int32Array;
  activeRows: Int32Array<ArrayBufferLike> = new Int32Array(64);
  activeColumns: Int32Array<ArrayBufferLike> = new Int32Array(64);
  activeLogs: Float64Array<ArrayBufferLike> = new Float64Array(64);
  /** Sums to 1 in each slot that has entries. */
  shares: Float64Array<ArrayBufferLike> = new Float64Array(64);
  #scratch: Float64Array<ArrayBufferLike> = new Float64Array(64);
  /** Logarithm of the smoothed maximum of each slot; −Infinity where it has no entries. */
  readonly value: Float64Array;
  readonly #order: Int32Array;
  readonly #rowTop: Float64Array;

  constructor(
    readonly magnitudes: WeightMagnitudes,
    readonly slots: number,
    readonly slotOfRow: Int32Array,
  ) {
    this.start = new Int32Array(slots + 1);
    this.activeStart = new Int32Array(slots + 1);
    this.value = new Float64Array(slots);
    this.#rowTop = new Float64Array(magnitudes.rows);
    const rows = Array.from({ length: magnitudes.rows }, (_, row) => row);
    this.#order = Int32Array.from(rows.sort((x, y) => slotOfRow[x]! - slotOfRow[y]! || x - y));
  }

  /** Keeps the entries that stay relevant at sharpness `p` while no log factor moves by more than `drift`. */
  refresh(inverseA: Float64Array, b: Float64Array, p: number, drift: number): void {
    const { data, columns, rows } = this.magnitudes;
    const top = new Float64Array(this.slots);
    for (let j = 0; j < rows; j++) {
      const first = firstColumn(this.magnitudes, j);
      let most = 0;
      for (let i = 0, at = j * columns; i < columns; i++, at++) {
        const ratio = data[at]! * inverseA[first + i]!;
        if (ratio > most) most = ratio;
      }
      most *= b[j]!;
      this.#rowTop[j] = most;
      const slot = this.slotOfRow[j]!;
      if (most > top[slot]!) top[slot] = most;
    }
    // An entry and the maximum may each move by twice the drift.
    const keep = Math.exp(-(CUTOFF / p + 4 * drift));
    let count = 0;
    let slot = 0;
    for (const j of this.#order) {
      while (slot < this.slotOfRow[j]!) this.start[++slot] = count;
      const limit = top[slot]! * keep;
      if (limit === 0 || this.#rowTop[j]! < limit) continue;
      const first = firstColumn(this.magnitudes, j);
      const rowLimit = limit / b[j]!;
      for (let i = 0, at = j * columns; i < columns; i++, at++) {
        if (data[at]! * inverseA[first + i]! < rowLimit) continue;
        if (count === this.rows.length) this.#grow();
        this.rows[count] = j;
        this.columns[count] = first + i;
        this.logs[count++] = Math.log(data[at]!);
      }
    }
    while (slot < this.slots) this.start[++slot] = count;
  }

  #grow(): void {
    const size = this.rows.length * 2;
    const copy = <T extends Int32Array | Float64Array>(from: T, to: T): T => {
      to.set(from);
      return to;
    };
    this.rows = copy(this.rows, new Int32Array(size));
    this.columns = copy(this.columns, new Int32Array(size));
    this.logs = copy(this.logs, new Float64Array(size));
    this.#scratch = new Float64Array(size);
    this.activeRows = new Int32Array(size);
    this.activeColumns = new Int32Array(size);
    this.activeLogs = new Float64Array(size);
    this.shares = new Float64Array(size);
  }

  /** Smoothed maxima and shares at log factors (`logB` by row, `logA` by column). */
  smooth(logA: Float64Array, logB: Float64Array, p: number): void {
    const { rows, columns, logs, shares, start, activeRows, activeColumns, activeLogs, activeStart } = this;
    const scratch = this.#scratch;
    let active = 0;
    for (let slot = 0; slot < this.slots; slot++) {
      const from = start[slot]!;
      const to = start[slot + 1]!;
      let top = Number.NEGATIVE_INFINITY;
      for (let e = from; e < to; e++) {
        const m = logs[e]! + logB[rows[e]!]! - logA[columns[e]!]!;
        scratch[e] = m;
        if (m > top) top = m;
      }
      let sum = 0;
      const first = active;
      for (let e = from; e < to; e++) {
        const gap = p * (scratch[e]! - top);
        if (gap < -CUTOFF) continue;
        const share = Math.exp(gap);
        sum += share;
        activeRows[active] = rows[e]!;
        activeColumns[active] = columns[e]!;
        activeLogs[active] = logs[e]!;
        shares[active++] = share;
      }
      for (let e = first; e < active; e++) shares[e] = shares[e]! / sum;
      activeStart[slot + 1] = active;
      this.value[slot] = to > from ? top + Math.log(sum) / p : Number.NEGATIVE_INFINITY;
    }
  }

  /** Slope of a slot's smoothed maximum along a direction of log factors. */
  along(slot: number, vB: Float64Array, vA: Float64Array): number {
    const { activeRows, activeColumns, shares, activeStart } = this;
    let sum = 0;
    for (let e = activeStart[slot]!; e < activeStart[slot + 1]!; e++) {
      sum += shares[e]! * (vB[activeRows[e]!]! - vA[activeColumns[e]!]!);
    }
    return sum;
  }
}
