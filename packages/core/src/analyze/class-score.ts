import { type Interval, topK, wilsonInterval } from "../math/index.js";

/** Accuracy on the samples of one class. */
export interface ClassAccuracy {
  readonly class: number;
  readonly name: string;
  readonly samples: number;
  readonly correct: number;
  /** correct / samples, 0–1. */
  readonly accuracy: number;
}

/** Counts of (true class, answered class), without the zeros: 1000 classes make a million cells. */
export interface ConfusionMatrix {
  readonly classes: number;
  /** [true class, answered class, samples], in order of class. */
  readonly entries: readonly (readonly [number, number, number])[];
}

/** What labelled samples say about one network. */
export interface AccuracySummary {
  /** Share of samples whose largest output is their class, 0–1. */
  readonly top1: number;
  /** 95 % Wilson interval of {@link top1}. */
  readonly top1Interval: Interval;
  /** Share of samples whose class is among the five largest outputs (all of them when there are fewer), 0–1. */
  readonly top5: number;
  readonly correct: number;
  /** Samples with several equal largest outputs: the first of them counts as the answer. Coarse outputs have many. */
  readonly ties: number;
  /** Classes that have samples, in order of class. */
  readonly perClass: readonly ClassAccuracy[];
  readonly confusion: ConfusionMatrix;
}

/** Counts right answers of one network, sample by sample. */
export class ClassScore {
  samples = 0;
  correct = 0;
  #correct5 = 0;
  #ties = 0;
  readonly #perClass: Uint32Array;
  readonly #right: Uint32Array;
  readonly #cells = new Map<number, number>();

  constructor(readonly classes: number) {
    this.#perClass = new Uint32Array(classes);
    this.#right = new Uint32Array(classes);
  }

  /** Adds one sample, the outputs of all classes from `at`; returns the answer. */
  add(outputs: ArrayLike<number>, at: number, label: number): number {
    const best = topK(outputs, 5, at, at + this.classes);
    const answer = best[0]!;
    this.samples++;
    this.#perClass[label]!++;
    if (best.length > 1 && outputs[at + best[1]!] === outputs[at + answer]) this.#ties++;
    if (best.includes(label)) this.#correct5++;
    if (answer === label) {
      this.correct++;
      this.#right[label]!++;
    }
    const cell = label * this.classes + answer;
    this.#cells.set(cell, (this.#cells.get(cell) ?? 0) + 1);
    return answer;
  }

  /** Right answers by class. */
  get right(): Readonly<Uint32Array> {
    return this.#right;
  }

  /** Samples of class `label` that were answered `answer`. */
  count(label: number, answer: number): number {
    return this.#cells.get(label * this.classes + answer) ?? 0;
  }

  summary(className: (index: number) => string): AccuracySummary {
    const { samples, correct, classes } = this;
    const perClass: ClassAccuracy[] = [];
    this.#perClass.forEach((count, index) => {
      if (count === 0) return;
      const right = this.#right[index]!;
      perClass.push({ class: index, name: className(index), samples: count, correct: right, accuracy: right / count });
    });
    const entries = [...this.#cells]
      .sort(([a], [b]) => a - b)
      .map(([cell, count]) => [Math.floor(cell / classes), cell % classes, count] as const);
    return {
      top1: correct / samples,
      top1Interval: wilsonInterval(correct, samples),
      top5: this.#correct5 / samples,
      correct,
      ties: this.#ties,
      perClass,
      confusion: { classes, entries },
    };
  }
}

/** The matrix in full: `rows[true class][answered class]`. */
export function confusionRows({ classes, entries }: ConfusionMatrix): number[][] {
  const rows = Array.from({ length: classes }, () => new Array<number>(classes).fill(0));
  for (const [label, answer, count] of entries) rows[label]![answer] = count;
  return rows;
}
