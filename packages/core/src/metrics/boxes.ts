/** A rectangle in pixels: left, top, width, height, as COCO writes it. */
export type Box = readonly [x: number, y: number, width: number, height: number];

/** width · height. */
export function boxArea(box: Box): number {
  return box[2] * box[3];
}

/** Left, top, right, bottom → {@link Box}. */
export function boxOfCorners(left: number, top: number, right: number, bottom: number): Box {
  return [left, top, right - left, bottom - top];
}

/** Area that two boxes share; 0 where they only touch. */
export function intersection(a: Box, b: Box): number {
  const width = Math.min(a[0] + a[2], b[0] + b[2]) - Math.max(a[0], b[0]);
  if (width <= 0) return 0;
  const height = Math.min(a[1] + a[3], b[1] + b[3]) - Math.max(a[1], b[1]);
  return height <= 0 ? 0 : width * height;
}

/**
 * Intersection over union, 0–1. Against a crowd the union is the found box alone, so that any part of a crowd counts as
 * all of it (COCO's rule). Two boxes without area: 0.
 */
export function boxIou(found: Box, truth: Box, crowd = false): number {
  const shared = intersection(found, truth);
  if (shared === 0) return 0;
  return shared / (crowd ? boxArea(found) : boxArea(found) + boxArea(truth) - shared);
}

/** What {@link nonMaximumSuppression} reads of a box. */
export interface ScoredBox {
  readonly box: Box;
  readonly score: number;
  readonly class: number;
}

/** Options for {@link nonMaximumSuppression}. */
export interface SuppressionOptions {
  /** A box is dropped where it overlaps a better one by more than this. Default: 0.5. */
  readonly iou?: number;
  /** Whether a box also suppresses those of other classes. Default: false. */
  readonly agnostic?: boolean;
  /** Boxes kept at most, the best ones. Default: all. */
  readonly most?: number;
}

/**
 * Greedy non-maximum suppression: the best box stays, all that overlap it by more than `iou` go, and so on (as
 * torchvision's `nms`, `batched_nms`). Returns indices into `boxes`, best first; the earlier one among equal scores.
 */
export function nonMaximumSuppression(boxes: readonly ScoredBox[], options: SuppressionOptions = {}): number[] {
  const { iou = 0.5, agnostic = false, most = Number.POSITIVE_INFINITY } = options;
  const order = boxes.map((_, index) => index).sort((a, b) => boxes[b]!.score - boxes[a]!.score || a - b);
  const kept: number[] = [];
  const rivals = new Map<number, Box[]>();
  for (const index of order) {
    if (kept.length >= most) break;
    const { box, class: name } = boxes[index]!;
    const group = agnostic ? 0 : name;
    const better = rivals.get(group) ?? [];
    if (better.some((other) => boxIou(box, other) > iou)) continue;
    better.push(box);
    rivals.set(group, better);
    kept.push(index);
  }
  return kept;
}
