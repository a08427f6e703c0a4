/** States that can be gone back to, and forward again. Immutable. */
export interface History<T> {
  readonly past: readonly T[];
  readonly present: T;
  readonly future: readonly T[];
}

/** States kept; older ones are forgotten. */
const LIMIT = 200;

export function history<T>(present: T): History<T> {
  return { past: [], present, future: [] };
}

/** A new state; what was undone is gone. The same state again changes nothing. */
export function change<T>(from: History<T>, next: T, same: (a: T, b: T) => boolean = Object.is): History<T> {
  if (same(from.present, next)) return from;
  return { past: [...from.past, from.present].slice(-LIMIT), present: next, future: [] };
}

export function undo<T>(from: History<T>): History<T> {
  const last = from.past.at(-1);
  if (last === undefined) return from;
  return { past: from.past.slice(0, -1), present: last, future: [from.present, ...from.future] };
}

export function redo<T>(from: History<T>): History<T> {
  const [next, ...future] = from.future;
  if (next === undefined) return from;
  return { past: [...from.past, from.present], present: next, future };
}
