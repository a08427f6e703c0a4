import type { SampleTruth } from "../data/index.js";
import type { SampleAnswer } from "./answer.js";
import type { HeadKind } from "./heads/recognise.js";

/** A figure of a task. */
export interface Metric {
  /** As people know it: `mAP50-95`. */
  readonly name: string;
  readonly better: "higher" | "lower";
  /** `share`: 0–1, written in percent. `own`: a number in the unit of the data. */
  readonly unit: "share" | "own";
  /** Whether it needs labels or the float network's answers. Default: either will do. */
  readonly against?: "labels" | "float";
  readonly help: string;
}

/** What answers are worth against what is true. */
export interface Judgement {
  /** By name of the metric. NaN where nothing defines it. */
  readonly figures: Readonly<Record<string, number>>;
  /** The task's first figure for a draw of samples, repeats allowed. */
  readonly main: (selection: ArrayLike<number>) => number;
  /** The first figure by class, where a class has one. */
  readonly byClass?: ReadonlyMap<number, number>;
}

/** What a network is for: everything that asks what a change costs reads it here. */
export interface Task {
  /** One line: what an answer is. */
  readonly help: string;
  /** Which heads its outputs may be. */
  readonly head: HeadKind;
  /** The first one that applies is the one limits are set in, with its interval. */
  readonly metrics: readonly Metric[];
  /** Formats of labels, in people's words. */
  readonly labels: readonly string[];
  /** Labels are a class a sample, which every dataset may have. */
  readonly classLabels?: true;
  /** A float network's answer as the truth. */
  truthOf(answer: SampleAnswer, score?: number): SampleTruth;
  /** Truth and answers of the same samples. `against` says what the truth is. */
  judge(truths: readonly SampleTruth[], answers: readonly SampleAnswer[], against: "labels" | "float"): Judgement;
}

/** Mean of a figure a sample over a draw; samples without one say nothing. */
export function meanOver(values: ArrayLike<number>): (selection: ArrayLike<number>) => number {
  return (selection) => {
    let sum = 0;
    let count = 0;
    for (let i = 0; i < selection.length; i++) {
      const value = values[selection[i]!]!;
      if (Number.isNaN(value)) continue;
      sum += value;
      count++;
    }
    return count === 0 ? Number.NaN : sum / count;
  };
}

export const allOf = (samples: number): Uint32Array => Uint32Array.from({ length: samples }, (_, i) => i);
