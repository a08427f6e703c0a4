import { describe, expect, test } from "vitest";
import { cosine, createRandom } from "../../src/math/index.js";
import {
  areaUnderCurve,
  binaryScore,
  ctcGreedy,
  editDistance,
  nearestOthers,
  neighboursKept,
  PixelConfusion,
  recallAt,
  regressionScore,
  segmentationScore,
  textScore,
} from "../../src/metrics/index.js";

const SEED = 11;

describe("segmentation", () => {
  test("equals a count of pixels; merging is counting together", () => {
    const random = createRandom(SEED);
    const classes = 5;
    const image = () => Array.from({ length: 300 }, () => random.below(classes));
    const [truth, found, more, others] = [image(), image(), image(), image()];
    truth[7] = 255;
    const score = segmentationScore(new PixelConfusion(classes).add(truth, found));
    for (let c = 0; c < classes; c++) {
      const pixels = truth.map((_, i) => i).filter((i) => truth[i] !== 255);
      const both = pixels.filter((i) => truth[i] === c && found[i] === c).length;
      const either = pixels.filter((i) => truth[i] === c || found[i] === c).length;
      expect(score.iou[c]).toBeCloseTo(both / either, 12);
      expect(score.dice[c]).toBeCloseTo((2 * both) / (both + either), 12);
    }
    const merged = new PixelConfusion(classes).add(truth, found).merge(new PixelConfusion(classes).add(more, others));
    expect(merged.counts).toEqual(new PixelConfusion(classes).add(truth, found).add(more, others).counts);
  });

  test("a class that is nowhere is left out of the mean", () => {
    const score = segmentationScore(new PixelConfusion(3).add([0, 0, 1], [0, 1, 1]));
    expect(score.iou).toEqual([0.5, 0.5, Number.NaN]);
    expect(score.mIoU).toBe(0.5);
    expect(score.pixelAccuracy).toBeCloseTo(2 / 3, 12);
  });
});

describe("sequences", () => {
  test("edit distance equals the textbook recursion", () => {
    const recursive = (a: string, b: string): number =>
      a === "" || b === ""
        ? a.length + b.length
        : Math.min(
            recursive(a.slice(1), b) + 1,
            recursive(a, b.slice(1)) + 1,
            recursive(a.slice(1), b.slice(1)) + (a[0] === b[0] ? 0 : 1),
          );
    const random = createRandom(SEED);
    const word = () => Array.from({ length: random.below(6) }, () => "abc"[random.below(3)]).join("");
    for (let i = 0; i < 50; i++) {
      const [a, b] = [word(), word()];
      expect(editDistance(a, b), `${a} → ${b}, seed ${SEED}`).toBe(recursive(a, b));
    }
  });

  test("error rates weigh texts by their length", () => {
    const score = textScore(["the cat sat", "añ😀"], ["the bat sat on", "añ😀"]);
    expect(score.wordErrorRate).toBeCloseTo(2 / 4, 12);
    expect(score.characterErrorRate).toBeCloseTo(4 / 14, 12);
    expect(score.exactMatch).toBe(0.5);
  });

  test("greedy decoding joins repeats unless a blank is between them", () => {
    const path = [0, 2, 2, 0, 2, 1, 1, 0];
    const scores = path.flatMap((best) => [0, 1, 2].map((c) => (c === best ? 1 : 0)));
    expect(ctcGreedy(scores, path.length, 3)).toEqual([2, 2, 1]);
  });
});

describe("embeddings", () => {
  test("neighbours are those of a full sort; one's own vector is not among them", () => {
    const random = createRandom(SEED);
    const vectors = Array.from({ length: 20 }, () => Float32Array.from({ length: 8 }, () => random.normal()));
    nearestOthers(vectors, 3).forEach((nearest, i) => {
      const sorted = vectors.map((_, j) => j).filter((j) => j !== i);
      sorted.sort((a, b) => cosine(vectors[i]!, vectors[b]!) - cosine(vectors[i]!, vectors[a]!));
      expect(nearest).toEqual(sorted.slice(0, 3));
    });
    expect(neighboursKept(vectors, vectors, 3)).toBe(1);
    expect(cosine([0, 0], [1, 2])).toBe(0);
    expect(
      recallAt(
        [
          [0.1, 0.9, 0.5],
          [0.9, 0.1, 0.2],
        ],
        [[2], [1]],
        2,
      ),
    ).toBe(0.5);
  });
});

describe("one number a sample", () => {
  test("AUC is the share of pairs in the right order, ties half", () => {
    const random = createRandom(SEED);
    const truth = Array.from({ length: 60 }, () => random.below(3) === 0);
    const scores = truth.map((yes) => random.below(6) + (yes ? 1 : 0));
    let pairs = 0;
    let right = 0;
    truth.forEach((yes, i) => {
      truth.forEach((other, j) => {
        if (!yes || other) return;
        pairs++;
        right += scores[i]! > scores[j]! ? 1 : scores[i] === scores[j] ? 0.5 : 0;
      });
    });
    expect(areaUnderCurve(truth, scores)).toBeCloseTo(right / pairs, 12);
  });

  test("precision, recall and F1 of a counted example", () => {
    const score = binaryScore([1, 1, 1, 0, 0], [0.9, 0.6, 0.2, 0.7, 0.5]);
    expect(score.precision).toBeCloseTo(2 / 3, 12);
    expect(score.recall).toBeCloseTo(2 / 3, 12);
    expect(score.f1).toBeCloseTo(2 / 3, 12);
    expect(score.accuracy).toBeCloseTo(3 / 5, 12);
  });

  test("R² is 1 for the truth, 0 for its mean", () => {
    expect(regressionScore([1, 2, 6], [1, 2, 6])).toEqual({ rmse: 0, mae: 0, r2: 1 });
    expect(regressionScore([1, 2, 6], [3, 3, 3]).r2).toBeCloseTo(0, 12);
    expect(regressionScore([1, 2, 6], [3, 3, 3]).mae).toBe(2);
    expect(regressionScore([2, 2], [1, 3]).r2).toBeNaN();
  });
});
