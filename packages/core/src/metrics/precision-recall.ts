import { FALSE, TRUE, UNCOUNTED } from "./match-detections.js";

/** The found objects of one class in one image, as far as precision and recall need them. */
export interface ImageVerdicts {
  /** Best first. */
  readonly scores: Float64Array;
  /** Thresholds · scores, row by row: see {@link matchDetections}. */
  readonly verdicts: Uint8Array;
  readonly wanted: number;
}

/** Precision at 101 recalls and the recall that was reached, for one class and each threshold. Without true objects: null. */
export interface PrecisionRecall {
  /** Area under the interpolated curve, the mean of precision at recall 0, 0.01 … 1, by threshold. */
  readonly averagePrecision: Float64Array;
  readonly recall: Float64Array;
}

/** How the area under the curve is taken: COCO's 101 points, VOC 2007's 11, or all of it (VOC since 2010). */
export type Interpolation = "coco" | "voc07" | "voc12";

const POINTS = { coco: 100, voc07: 10 } as const;

/**
 * Precision over recall for one class from all images, in the order of images where scores are equal; only the `most`
 * best of every image count. Null where nothing was to be found: the class is left out of means.
 */
export function precisionRecall(
  images: readonly ImageVerdicts[],
  thresholds: number,
  most: number,
  interpolation: Interpolation = "coco",
): PrecisionRecall | null {
  let wanted = 0;
  let founds = 0;
  for (const image of images) {
    wanted += image.wanted;
    founds += Math.min(most, image.scores.length);
  }
  if (wanted === 0) return null;
  const order = byScore(images, founds, most);
  const averagePrecision = new Float64Array(thresholds);
  const recall = new Float64Array(thresholds);
  const precisions = new Float64Array(founds);
  const recalls = new Float64Array(founds);
  for (let row = 0; row < thresholds; row++) {
    let hits = 0;
    let misses = 0;
    let last = 0;
    for (let i = 0; i < founds; i++) {
      const { verdicts, scores } = images[order.image[i]!]!;
      const verdict = verdicts[row * scores.length + order.rank[i]!];
      if (verdict === TRUE) hits++;
      else if (verdict === FALSE) misses++;
      else if (verdict !== UNCOUNTED) throw new RangeError(`precisionRecall: verdict ${verdict}`);
      recalls[i] = last = hits / wanted;
      precisions[i] = hits / (misses + hits + Number.EPSILON);
    }
    recall[row] = last;
    // The envelope: the best precision at this recall or a higher one.
    for (let i = founds - 1; i > 0; i--) if (precisions[i]! > precisions[i - 1]!) precisions[i - 1] = precisions[i]!;
    averagePrecision[row] =
      interpolation === "voc12" ? wholeArea(recalls, precisions) : sampled(recalls, precisions, POINTS[interpolation]);
  }
  return { averagePrecision, recall };
}

/**
 * The mean average precision (COCO's 101 points) of any draw of images, in one pass over found objects that were put in order once:
 * an image that was drawn n times counts n times. Equal to {@link precisionRecall} of the draw, but for the order of equal scores.
 */
export function precisionOfDraws(
  classes: readonly ReadonlyMap<number, ImageVerdicts>[],
  thresholds: number,
  most: number,
): (times: Uint32Array) => number {
  const prepared = classes.map((byImage) => {
    const images = [...byImage.keys()];
    const verdicts = [...byImage.values()];
    const founds = verdicts.reduce((sum, { scores }) => sum + Math.min(most, scores.length), 0);
    const order = byScore(verdicts, founds, most);
    const rows = Array.from({ length: thresholds }, (_, row) =>
      order.image.map((image, i) => {
        const { scores, verdicts: own } = verdicts[image]!;
        return own[row * scores.length + order.rank[i]!]!;
      }),
    );
    return {
      image: order.image.map((i) => images[i]!),
      rows,
      wanted: [...byImage].map(([image, own]) => [image, own.wanted] as const),
    };
  });
  return (times) => {
    let sum = 0;
    let count = 0;
    for (const { image, rows, wanted } of prepared) {
      const total = wanted.reduce((all, [index, own]) => all + own * times[index]!, 0);
      if (total === 0) continue;
      for (const row of rows) sum += drawnPrecision(row, image, times, total);
      count += rows.length;
    }
    return count === 0 ? Number.NaN : sum / count;
  };
}

function drawnPrecision(row: Uint32Array, image: Uint32Array, times: Uint32Array, wanted: number): number {
  const points = POINTS.coco;
  const best = new Float64Array(points + 1);
  let hits = 0;
  let misses = 0;
  for (let i = 0; i < row.length; i++) {
    const drawn = times[image[i]!]!;
    if (drawn === 0) continue;
    if (row[i] === TRUE) {
      hits += drawn;
      // The last recall that this one reaches: what it is worth there, it is worth at all lower ones.
      const recall = hits / wanted;
      let point = Math.floor(recall * points);
      while (point < points && (point + 1) * (1 / points) <= recall) point++;
      while (point * (1 / points) > recall) point--;
      const precision = hits / (misses + hits + Number.EPSILON);
      if (precision > best[point]!) best[point] = precision;
    } else if (row[i] === FALSE) misses += drawn;
  }
  let sum = 0;
  let envelope = 0;
  for (let point = points; point >= 0; point--) {
    if (best[point]! > envelope) envelope = best[point]!;
    sum += envelope;
  }
  return sum / (points + 1);
}

/** Mean of the precision at recall 0, 1/steps … 1; 0 at recalls that are never reached. */
function sampled(recalls: Float64Array, precisions: Float64Array, steps: number): number {
  let sum = 0;
  let at = 0;
  for (let point = 0; point <= steps; point++) {
    const recall = point === steps ? 1 : point * (1 / steps);
    while (at < recalls.length && recalls[at]! < recall) at++;
    if (at === recalls.length) break;
    sum += precisions[at]!;
  }
  return sum / (steps + 1);
}

function wholeArea(recalls: Float64Array, precisions: Float64Array): number {
  let area = 0;
  let before = 0;
  for (let i = 0; i < recalls.length; i++) {
    area += (recalls[i]! - before) * precisions[i]!;
    before = recalls[i]!;
  }
  return area;
}

/** All found objects by falling score: image and rank within it. */
function byScore(
  images: readonly ImageVerdicts[],
  founds: number,
  most: number,
): { image: Uint32Array; rank: Uint32Array } {
  const scores = new Float64Array(founds);
  const fromImage = new Uint32Array(founds);
  const fromRank = new Uint32Array(founds);
  let next = 0;
  images.forEach(({ scores: own }, image) => {
    const count = Math.min(most, own.length);
    for (let rank = 0; rank < count; rank++) {
      scores[next] = own[rank]!;
      fromImage[next] = image;
      fromRank[next++] = rank;
    }
  });
  const order = Uint32Array.from({ length: founds }, (_, i) => i).sort((a, b) => scores[b]! - scores[a]! || a - b);
  return { image: order.map((i) => fromImage[i]!), rank: order.map((i) => fromRank[i]!) };
}
