import { type ChiSquareResult, evenDropTest, mcNemarExact } from "../math/index.js";
import type { ClassScore } from "./class-score.js";

/** Accuracy of a class before and after. */
export interface ClassDrop {
  readonly class: number;
  readonly name: string;
  readonly samples: number;
  /** 0–1. */
  readonly baseline: number;
  readonly candidate: number;
  /** baseline − candidate. */
  readonly drop: number;
}

/** A wrong answer the candidate often gives, and how often each network gives it. */
export interface Confusion {
  readonly class: number;
  readonly name: string;
  readonly answer: number;
  readonly answerName: string;
  readonly baseline: number;
  readonly candidate: number;
}

/** What the same labelled samples say about two networks. */
export interface PairedAccuracy {
  /** baseline.top1 − candidate.top1, from the counts. */
  readonly drop: number;
  /** Samples that one network alone gets right, and the exact two-sided p-value: below 0.05 the two really differ. */
  readonly mcNemar: { readonly onlyBaseline: number; readonly onlyCandidate: number; readonly p: number };
  /** Are the samples that were lost spread evenly over the classes? A small p says no (MathWorks' pruning page). */
  readonly evenDrop: ChiSquareResult;
  /** Classes that lost most, worst first. */
  readonly worstClasses: readonly ClassDrop[];
}

/** How many classes and confusions a report names. */
const LISTED = 10;

/** Counts what two networks answer to the same samples. */
export class ClassPair {
  #onlyBaseline = 0;
  #onlyCandidate = 0;
  readonly #lost: Uint32Array;

  constructor(
    readonly baseline: ClassScore,
    readonly candidate: ClassScore,
  ) {
    this.#lost = new Uint32Array(baseline.classes);
  }

  add(label: number, baselineAnswer: number, candidateAnswer: number): void {
    if (baselineAnswer === label && candidateAnswer !== label) {
      this.#onlyBaseline++;
      this.#lost[label]!++;
    } else if (baselineAnswer !== label && candidateAnswer === label) this.#onlyCandidate++;
  }

  summary(className: (index: number) => string): PairedAccuracy {
    const { baseline, candidate } = this;
    const [onlyBaseline, onlyCandidate] = [this.#onlyBaseline, this.#onlyCandidate];
    const drops = baseline.summary(className).perClass.map(({ class: index, name, samples, correct, accuracy }) => {
      const after = candidate.right[index]!;
      const drop = (correct - after) / samples;
      return { class: index, name, samples, baseline: accuracy, candidate: after / samples, drop };
    });
    return {
      drop: (baseline.correct - candidate.correct) / baseline.samples,
      mcNemar: { onlyBaseline, onlyCandidate, p: mcNemarExact(onlyBaseline, onlyCandidate) },
      evenDrop: evenDropTest(this.#lost, baseline.right),
      worstClasses: drops
        .filter(({ drop }) => drop > 0)
        .sort((a, b) => b.drop - a.drop || b.samples - a.samples || a.class - b.class)
        .slice(0, LISTED),
    };
  }
}

/** The candidate's most frequent wrong answers, beside the baseline's count where there is one. */
export function topConfusions(
  candidate: ClassScore,
  baseline: ClassScore | undefined,
  className: (index: number) => string,
): Confusion[] {
  return candidate
    .summary(className)
    .confusion.entries.filter(([label, answer]) => label !== answer)
    .map(([label, answer, count]) => ({
      class: label,
      name: className(label),
      answer,
      answerName: className(answer),
      baseline: baseline?.count(label, answer) ?? 0,
      candidate: count,
    }))
    .sort((a, b) => b.candidate - a.candidate || b.candidate - b.baseline - (a.candidate - a.baseline))
    .slice(0, LISTED);
}
