import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { createRandom } from "../../src/math/index.js";
import {
  type Box,
  bootstrap,
  bootstrapDifference,
  boxIou,
  COCO_KEYPOINTS,
  type DetectionScore,
  detectionMatches,
  detectionScore,
  keypointSimilarity,
  nonMaximumSuppression,
} from "../../src/metrics/index.js";
import { randomSet } from "./random-sets.js";

interface Reference {
  readonly pycocotools: string;
  readonly sets: readonly { seed: number; bbox: (number | null)[]; keypoints: (number | null)[] }[];
}
// EQUANT_DETECTION_REFERENCE names a larger file of scripts/detection-reference.mjs.
const reference = JSON.parse(
  readFileSync(process.env.EQUANT_DETECTION_REFERENCE ?? new URL("./fixtures/detection.json", import.meta.url), "utf8"),
) as Reference;

/** The twelve figures of pycocotools' summary in its order. */
function boxStats(score: DetectionScore): number[] {
  const { mAP, byThreshold, byArea, recallAt, recallByArea } = score;
  return [
    ...[mAP, byThreshold[0]!, byThreshold[5]!, byArea.small!, byArea.medium!, byArea.large!],
    ...[recallAt[1]!, recallAt[10]!, recallAt[100]!, recallByArea.small!, recallByArea.medium!, recallByArea.large!],
  ];
}

function expectFigures(actual: readonly number[], expected: readonly (number | null)[], what: string): void {
  expected.forEach((value, i) => {
    if (value === null) expect(actual[i], `${what}, figure ${i}`).toBeNaN();
    else expect(Math.abs(actual[i]! - value), `${what}, figure ${i}`).toBeLessThan(1e-9);
  });
}

/** The smallest box around points, as pycocotools gives found keypoints one. */
function boxAround(points: readonly number[]): Box {
  const [xs, ys] = [0, 1].map((axis) => points.filter((_, i) => i % 3 === axis)) as [number[], number[]];
  const [x, y] = [Math.min(...xs), Math.min(...ys)];
  return [x, y, Math.max(...xs) - x, Math.max(...ys) - y];
}

describe("average precision", () => {
  test(`boxes: the twelve figures of pycocotools ${reference.pycocotools} on ${reference.sets.length} random sets`, () => {
    expect(reference.sets.length).toBeGreaterThanOrEqual(40);
    for (const { seed, bbox } of reference.sets) {
      const { images, truth, found } = randomSet(seed);
      expectFigures(boxStats(detectionScore(detectionMatches(images, truth, found))), bbox, `set ${seed}`);
    }
  });

  test("keypoints: the ten figures of pycocotools", () => {
    for (const { seed, keypoints } of reference.sets) {
      const { images, truth, found } = randomSet(seed);
      const matches = detectionMatches(
        images,
        truth.map((own) => ({ ...own, ignore: own.keypoints.every((value, k) => k % 3 < 2 || value === 0) })),
        found.map((own) => ({ ...own, box: boxAround(own.keypoints) })),
        { ...COCO_KEYPOINTS, similarity: keypointSimilarity() },
      );
      const { mAP, byThreshold, byArea, recallAt, recallByArea } = detectionScore(matches);
      const stats = [mAP, byThreshold[0]!, byThreshold[5]!, byArea.medium!, byArea.large!, recallAt[20]!];
      const [, , , , , all, , , medium, large] = keypoints;
      expectFigures(stats, [...keypoints.slice(0, 5), all!], `set ${seed}`);
      expectFigures([recallByArea.medium!, recallByArea.large!], [medium!, large!], `set ${seed}, recall`);
    }
  });

  test("a perfect answer is 1, none is 0, whatever the interpolation", () => {
    const truth = [0, 1, 2].map((image) => ({ image, class: image % 2, box: [10, 10, 50 + image, 40] as Box }));
    const found = truth.map((own, i) => ({ ...own, score: 0.9 - i / 10 }));
    for (const interpolation of ["coco", "voc07", "voc12"] as const) {
      expect(detectionScore(detectionMatches(3, truth, found), { interpolation }).mAP).toBeCloseTo(1, 12);
      expect(detectionScore(detectionMatches(3, truth, []), { interpolation }).mAP).toBe(0);
    }
    expect(detectionScore(detectionMatches(3, [], found)).mAP).toBeNaN();
  });

  test("VOC: a hand-made curve of a hit, a miss and a hit", () => {
    const box: Box = [0, 0, 10, 10];
    const truth = [0, 1, 2].map((image) => ({ image, class: 0, box }));
    const found = [
      { image: 0, class: 0, box, score: 0.9 },
      { image: 1, class: 0, box: [50, 50, 10, 10] as Box, score: 0.8 },
      { image: 2, class: 0, box, score: 0.7 },
    ];
    const matches = detectionMatches(3, truth, found, { thresholds: [0.5] });
    // Precision 1 up to recall 1/3, then 2/3 up to recall 2/3; 11 points: 0…0.3 (4) and 0.4…0.6 (3).
    expect(detectionScore(matches, { interpolation: "voc12" }).mAP).toBeCloseTo(1 / 3 + (2 / 3) * (1 / 3), 12);
    expect(detectionScore(matches, { interpolation: "voc07" }).mAP).toBeCloseTo((4 + 3 * (2 / 3)) / 11, 12);
  });

  test("a selection of images counts repeats, as if the images were there twice", () => {
    const { images, truth, found } = randomSet(21);
    const twice = <T extends { image: number }>(objects: readonly T[]) =>
      Array.from({ length: images }, (_, image) => objects.filter((own) => own.image === image)).flatMap((own, image) =>
        [0, 1].flatMap((copy) => own.map((one) => ({ ...one, image: 2 * image + copy }))),
      );
    const selection = Array.from({ length: 2 * images }, (_, i) => i >> 1);
    const selected = detectionScore(detectionMatches(images, truth, found), { selection });
    const repeated = detectionScore(detectionMatches(2 * images, twice(truth), twice(found)));
    expect(selected).toEqual(repeated);
  });
});

test("non-maximum suppression: what stays overlaps no better one, what goes overlaps one that stayed", () => {
  const seed = 7;
  const random = createRandom(seed);
  const boxes = Array.from({ length: 200 }, () => ({
    box: [random.below(60), random.below(60), 5 + random.below(30), 5 + random.below(30)] as Box,
    score: random.below(20) / 20,
    class: random.below(3),
  }));
  for (const agnostic of [false, true]) {
    const kept = nonMaximumSuppression(boxes, { iou: 0.45, agnostic });
    const better = (a: number, b: number) =>
      boxes[a]!.score > boxes[b]!.score || (boxes[a]!.score === boxes[b]!.score && a < b);
    const suppresses = (a: number, b: number) =>
      better(a, b) && (agnostic || boxes[a]!.class === boxes[b]!.class) && boxIou(boxes[a]!.box, boxes[b]!.box) > 0.45;
    const stays = new Set(kept);
    boxes.forEach((_, i) => {
      expect(
        kept.some((j) => suppresses(j, i)),
        `seed ${seed}, box ${i}`,
      ).toBe(!stays.has(i));
    });
    expect(nonMaximumSuppression(boxes, { iou: 0.45, agnostic, most: 5 })).toEqual(kept.slice(0, 5));
  }
});

describe("bootstrap", () => {
  test("the interval of a mean is that of the normal approximation", () => {
    const random = createRandom(3);
    const values = Array.from({ length: 400 }, () => random.normal());
    const mean = (selection: ArrayLike<number>) =>
      Array.from(selection, (i) => values[i]!).reduce((sum, x) => sum + x, 0) / selection.length;
    const { low, high } = bootstrap(400, mean, { seed: 5 });
    const all = mean(values.map((_, i) => i));
    expect(low).toBeCloseTo(all - 1.96 / 20, 1.5);
    expect(high).toBeCloseTo(all + 1.96 / 20, 1.5);
    expect(bootstrap(400, mean, { seed: 5 })).toEqual({ low, high });
  });

  test("paired: the same shift on every sample is certain, however widely the samples differ", () => {
    const random = createRandom(4);
    const values = Array.from({ length: 50 }, () => 100 * random.normal());
    const mean = (shift: number) => (selection: Uint32Array) =>
      selection.reduce((sum, i) => sum + values[i]! + shift, 0) / selection.length;
    const shifted = bootstrapDifference(50, mean(0), mean(1), { resamples: 200 });
    expect(shifted.difference).toBeCloseTo(1, 9);
    expect(shifted.interval.low).toBeCloseTo(1, 9);
    expect(shifted.p).toBe(1 / 200);
    expect(bootstrapDifference(50, mean(0), mean(0), { resamples: 200 }).p).toBe(1);
  });

  test.each([{ resamples: 0 }, { confidence: 1 }])("refuses %o", (options) => {
    expect(() => bootstrap(3, () => 1, options)).toThrow(expect.objectContaining({ code: "E2002" }));
  });
});
