import { parentPort, workerData } from "node:worker_threads";
import { attempt, type Kind, kindsOf } from "./kinds.js";
import { mutated } from "./mutate.js";
import { mutatedText } from "./mutate-text.js";

/** Shared with who watches: the case at work, and how often one was done. */
export interface Work {
  readonly root: string;
  readonly seed: number;
  /** Cases `first`, `first + step`, … */
  readonly first: number;
  readonly step: number;
  readonly state: Int32Array<SharedArrayBuffer>;
}

/** The damaged file number `index`. Models come most often: there is most to them. */
export function caseOf(kinds: readonly Kind[], seed: number, index: number): { kind: Kind; bytes: Uint8Array } {
  const kind = kinds[index % 4 < 2 ? 0 : 1 + (Math.floor(index / 4) % (kinds.length - 1))]!;
  const bytes = kind.isText ? mutatedText(kind.files, seed, index) : mutated(kind.files, seed, index).bytes;
  return { kind, bytes };
}

if (parentPort) {
  const { root, seed, first, step, state } = workerData as Work;
  const kinds = kindsOf(root);
  for (let index = first; ; index += step) {
    Atomics.store(state, 0, index);
    const { kind, bytes } = caseOf(kinds, seed, index);
    const error = await attempt(kind, bytes);
    if (error) parentPort.postMessage({ index, error: error instanceof Error ? error.stack : String(error) });
    Atomics.add(state, 1, 1);
  }
}
