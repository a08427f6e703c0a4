import { createRandom } from "../../src/math/index.js";
import type { Box, FoundKeypoints, TrueKeypoints } from "../../src/metrics/index.js";

/** A random detection set; seeds 0–9 are of a kind each that has tripped implementations before. */
export interface RandomSet {
  readonly images: number;
  readonly truth: TrueKeypoints[];
  readonly found: FoundKeypoints[];
}

/** Points a thing. */
const POINTS = 17;

/**
 * Boxes on a coarse grid, so that equal overlaps and touching edges happen; scores of few values, so that ties happen;
 * crowds, empty images, classes that are only found or only there, objects of every size, more than 100 an image.
 */
export function randomSet(seed: number): RandomSet {
  const random = createRandom(seed);
  const kind = seed % 10;
  const images = kind === 0 ? 1 : 1 + random.below(6);
  const classes = 1 + random.below(4);
  const step = kind % 2 === 0 ? 8 : 1;
  const scores = kind < 4 ? 4 : 1000;
  const most = kind === 3 ? 130 : kind === 5 ? 2 : 8;
  const place = (most: number) => step * random.below(Math.ceil(most / step));
  const newBox = (): Box => [place(200), place(200), step + place(160), step + place(160)];
  const points = (box: Box, hidden: number) =>
    Array.from({ length: POINTS }, () => [
      Math.round(box[0] + random.uniform() * box[2]),
      Math.round(box[1] + random.uniform() * box[3]),
      random.uniform() < hidden ? 0 : 1 + random.below(2),
    ]).flat();
  const truth: TrueKeypoints[] = [];
  const found: FoundKeypoints[] = [];
  for (let image = 0; image < images; image++) {
    const empty = random.uniform();
    for (let i = random.below(most); i > 0 && empty > 0.15; i--) {
      const box = newBox();
      const area = Math.round(box[2] * box[3] * (0.5 + random.uniform() / 2));
      const crowd = random.uniform() < (kind === 7 ? 0.5 : 0.1);
      const hidden = random.uniform() < 0.15 ? 1 : 0.3;
      truth.push({ image, class: random.below(classes), box, area, crowd, keypoints: points(box, hidden) });
    }
    for (let i = random.below(most); i > 0 && empty < 0.9; i--) {
      const near = truth.length > 0 && random.uniform() < 0.7 ? truth[random.below(truth.length)] : undefined;
      const shift = (value: number) => value + step * (random.below(5) - 2);
      const box: Box = near
        ? [shift(near.box[0]), shift(near.box[1]), near.box[2], Math.max(step, shift(near.box[3]))]
        : newBox();
      const score = (1 + random.below(scores)) / (scores + 1);
      const keypoints =
        near && random.uniform() < 0.8
          ? near.keypoints.map((x, k) => (k % 3 < 2 ? x + random.below(9) - 4 : 1))
          : points(box, 0);
      found.push({
        image,
        class: near && random.uniform() < 0.8 ? near.class : random.below(classes),
        box,
        score,
        keypoints,
      });
    }
  }
  return { images, truth, found };
}
