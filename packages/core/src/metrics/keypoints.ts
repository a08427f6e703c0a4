import type { FoundObject, Similarity, TrueObject } from "./detection.js";

/** A person, or another thing with named points. */
export interface TrueKeypoints extends TrueObject {
  /** x, y, visibility (0 not labelled, 1 hidden, 2 visible), point by point. */
  readonly keypoints: readonly number[];
  /** Pixels² of the thing itself: what distances are measured against. */
  readonly area: number;
}

export interface FoundKeypoints extends FoundObject {
  /** x, y, anything, point by point. */
  readonly keypoints: readonly number[];
}

/** Spread of human annotators for COCO's 17 points, in parts of the square root of the area. */
export const COCO_KEYPOINT_SIGMAS: readonly number[] = [
  0.26, 0.25, 0.25, 0.35, 0.35, 0.79, 0.79, 0.72, 0.72, 0.62, 0.62, 1.07, 1.07, 0.87, 0.87, 0.89, 0.89,
].map((tenths) => tenths / 10);

/**
 * Object keypoint similarity: the mean of exp(−d² / (2·area·(2σ)²)) over labelled points. Where none is labelled, d is the
 * distance to twice the box, so that whoever finds nothing there is not punished (COCO's rule).
 */
export function keypointSimilarity(
  sigmas: readonly number[] = COCO_KEYPOINT_SIGMAS,
): Similarity<TrueKeypoints, FoundKeypoints> {
  return (found, truth) => {
    const labelled = sigmas.some((_, k) => truth.keypoints[3 * k + 2]! > 0);
    const [left, top, width, height] = truth.box;
    let sum = 0;
    let count = 0;
    for (const [k, sigma] of sigmas.entries()) {
      const [x, y] = [found.keypoints[3 * k]!, found.keypoints[3 * k + 1]!];
      let dx: number;
      let dy: number;
      if (labelled) {
        if (!(truth.keypoints[3 * k + 2]! > 0)) continue;
        dx = x - truth.keypoints[3 * k]!;
        dy = y - truth.keypoints[3 * k + 1]!;
      } else {
        dx = Math.max(0, left - width - x) + Math.max(0, x - (left + 2 * width));
        dy = Math.max(0, top - height - y) + Math.max(0, y - (top + 2 * height));
      }
      sum += Math.exp(-(dx * dx + dy * dy) / (2 * sigma) ** 2 / (truth.area + Number.EPSILON) / 2);
      count++;
    }
    return sum / count;
  };
}

/** How COCO scores keypoints: 20 an image, without small objects. */
export const COCO_KEYPOINTS = {
  most: 20,
  areas: {
    all: { least: 0, most: 1e10 },
    medium: { least: 32 ** 2, most: 96 ** 2 },
    large: { least: 96 ** 2, most: 1e10 },
  },
} as const;
