import type { ClassMask, PlacedObject, SampleTruth } from "../data/index.js";

/** Something that a network found. */
export interface FoundThing extends PlacedObject {
  /** 0–1 usually; only its order counts. */
  readonly score: number;
}

/** What a network says of one sample: the field that its task asks for. */
export interface SampleAnswer {
  readonly objects?: readonly FoundThing[];
  readonly mask?: ClassMask;
  readonly text?: string;
  readonly values?: readonly number[];
}

/** Found objects with at least this score count as there where a network's own answers are the truth. */
const TRUTH_SCORE = 0.5;

/** An answer taken for the truth, to see how far another network agrees with it. */
export function truthOfAnswer({ objects, ...answer }: SampleAnswer, score = TRUTH_SCORE): SampleTruth {
  if (!objects) return answer;
  const sure = objects.filter((object) => object.score > score);
  return { objects: sure.map(({ score: _score, ...object }) => object) };
}
