import type { SampleTruth } from "../data/index.js";
import { argmax, cosine, topK } from "../math/index.js";
import {
  areaUnderCurve,
  binaryScore,
  editDistance,
  nearestOthers,
  regressionScore,
  textScore,
} from "../metrics/index.js";
import type { SampleAnswer } from "./answer.js";
import { allOf, type Judgement, type Metric, meanOver, type Task } from "./task.js";

const share = (name: string, help: string, against?: Metric["against"]): Metric => ({
  name,
  better: "higher",
  unit: "share",
  help,
  ...(against && { against }),
});
const sameValues = ({ values = [] }: SampleAnswer): SampleTruth => ({ values });

/** One class a sample; the truth is its number. */
export const classification: Task = {
  help: "one number a class, of which the largest counts",
  head: "values",
  metrics: [
    share("top-1", "share of samples whose class is the largest"),
    share("top-5", "whose class is among the five largest"),
  ],
  labels: ["class folders", "labels.csv", "npy"],
  classLabels: true,
  truthOf: ({ values = [] }) => ({ values: [argmax(values)] }),
  judge(truths, answers) {
    const within = (count: number) =>
      Float64Array.from(answers, ({ values = [] }, i) =>
        topK(values, Math.min(count, values.length)).includes(truths[i]!.values![0]!) ? 1 : 0,
      );
    const first = meanOver(within(1));
    const all = allOf(truths.length);
    return { figures: { "top-1": first(all), "top-5": meanOver(within(5))(all) }, main: first };
  },
};

/** Symbols in order. */
export const sequence: Task = {
  help: "text, or symbols in order",
  head: "text",
  metrics: [
    { name: "CER", better: "lower", unit: "share", help: "edits of characters over true characters" },
    { name: "WER", better: "lower", unit: "share", help: "edits of words over true words" },
    share("exact", "share of samples without an error"),
  ],
  labels: ["CSV: file,text"],
  truthOf: ({ text = "" }) => ({ text }),
  judge(truths, answers) {
    const [is, was] = [truths.map(({ text = "" }) => text), answers.map(({ text = "" }) => text)];
    const { characterErrorRate, wordErrorRate, exactMatch } = textScore(is, was);
    const edits = is.map((text, i) => editDistance([...text], [...was[i]!]));
    const lengths = is.map((text) => [...text].length);
    const main = (selection: ArrayLike<number>) => {
      let [wrong, length] = [0, 0];
      for (let i = 0; i < selection.length; i++) {
        wrong += edits[selection[i]!]!;
        length += lengths[selection[i]!]!;
      }
      return wrong / length;
    };
    return { figures: { CER: characterErrorRate, WER: wordErrorRate, exact: exactMatch }, main };
  },
};

/** Nearest others that are looked at. */
const NEIGHBOURS = 10;

/** Vectors of which nearness counts. Labels are classes: the nearest other should be of the same. */
export const embedding: Task = {
  help: "a vector; what counts is which others are near",
  head: "values",
  metrics: [
    share("recall@1", "share of samples whose nearest other is of the same class", "labels"),
    share("neighbours@10", "of the float network's ten nearest others, those still among the ten", "float"),
    share("cosine", "mean cosine with the float network's vector", "float"),
  ],
  labels: ["class folders", "labels.csv"],
  classLabels: true,
  truthOf: sameValues,
  judge(truths, answers, against): Judgement {
    const found = answers.map(({ values = [] }) => values);
    const truth = truths.map(({ values = [] }) => values);
    const all = allOf(truths.length);
    if (against === "labels") {
      const hits = nearestOthers(found, 1).map(([nearest], i) => (truth[nearest!]?.[0] === truth[i]![0] ? 1 : 0));
      return { figures: { "recall@1": meanOver(hits)(all) }, main: meanOver(hits) };
    }
    const k = Math.min(NEIGHBOURS, truths.length - 1);
    const [before, after] = [nearestOthers(truth, k), nearestOthers(found, k)];
    const kept = before.map((others, i) => others.filter((other) => after[i]!.includes(other)).length / k);
    const cosines = truth.map((vector, i) => cosine(vector, found[i]!));
    return { figures: { "neighbours@10": meanOver(kept)(all), cosine: meanOver(cosines)(all) }, main: meanOver(kept) };
  },
};

/** The one number that decides; of two, the second one (yes) against the first. */
function decisive({ values = [] }: SampleAnswer): number {
  return values.length === 2 ? values[1]! - values[0]! : values[0]!;
}

/** Yes or no by one number. */
export const score: Task = {
  help: "one number a sample, yes above a threshold",
  head: "values",
  metrics: [
    share("F1", "2·hits over 2·hits, false alarms and misses"),
    share("AUC", "probability that a true sample scores higher than a false one"),
    share("accuracy", "share of right answers"),
  ],
  labels: ["class folders", "CSV: file,label with 0 and 1"],
  classLabels: true,
  truthOf: (answer) => ({ values: [decisive(answer) > thresholdOf([answer]) ? 1 : 0] }),
  judge(truths, answers) {
    const is = truths.map(({ values = [] }) => values[0] === 1);
    const scores = answers.map(decisive);
    const threshold = thresholdOf(answers);
    const { f1, accuracy } = binaryScore(is, scores, threshold);
    const main = (selection: ArrayLike<number>) => {
      const chosen = Array.from(selection);
      return binaryScore(
        chosen.map((i) => is[i]!),
        chosen.map((i) => scores[i]!),
        threshold,
      ).f1;
    };
    return { figures: { F1: f1, AUC: areaUnderCurve(is, scores), accuracy }, main };
  },
};

/** A half for shares, else 0. */
function thresholdOf(answers: readonly SampleAnswer[]): number {
  return answers.every(({ values = [] }) => values.length === 1 && values[0]! >= 0 && values[0]! <= 1) ? 0.5 : 0;
}

/** Numbers in their own unit. */
export const regression: Task = {
  help: "numbers in a unit of their own",
  head: "values",
  metrics: [
    { name: "RMSE", better: "lower", unit: "own", help: "square root of the mean squared error" },
    { name: "MAE", better: "lower", unit: "own", help: "mean absolute error" },
    { name: "R²", better: "higher", unit: "share", help: "1 − squared error over variance" },
  ],
  labels: ["CSV: file,value"],
  truthOf: sameValues,
  judge(truths, answers): Judgement {
    const [is, was] = [truths.map(({ values = [] }) => values), answers.map(({ values = [] }) => values)];
    const { rmse, mae, r2 } = regressionScore(is.flat(), was.flat());
    const squares = is.map((own, i) => own.reduce((sum, value, j) => sum + (value - was[i]![j]!) ** 2, 0) / own.length);
    const mean = meanOver(squares);
    return { figures: { RMSE: rmse, MAE: mae, "R²": r2 }, main: (selection) => Math.sqrt(mean(selection)) };
  },
};
