import { mean } from "../math/index.js";

/** Pixels by true class (rows) and found class (columns). Counts add: images, shards and runs may be merged. */
export class PixelConfusion {
  readonly counts: Float64Array;

  constructor(readonly classes: number) {
    this.counts = new Float64Array(classes * classes);
  }

  /** Counts an image; pixels whose true class is `ignore`, or no class at all, are left out. */
  add(truth: ArrayLike<number>, found: ArrayLike<number>, ignore = 255): this {
    if (truth.length !== found.length)
      throw new RangeError(`PixelConfusion: ${truth.length} and ${found.length} pixels`);
    for (let i = 0; i < truth.length; i++) {
      const [row, column] = [truth[i]!, found[i]!];
      if (row === ignore || !(row >= 0 && row < this.classes)) continue;
      if (!(column >= 0 && column < this.classes)) throw new RangeError(`PixelConfusion: class ${column}`);
      this.counts[row * this.classes + column]!++;
    }
    return this;
  }

  merge(other: PixelConfusion): this {
    for (let i = 0; i < this.counts.length; i++) this.counts[i]! += other.counts[i]!;
    return this;
  }
}

/** Shares, 0–1; NaN for a class that neither occurs nor is found. */
export interface SegmentationScore {
  /** Mean of {@link iou} over classes that occur or are found. */
  readonly mIoU: number;
  /** Mean of {@link dice} over the same. */
  readonly meanDice: number;
  readonly pixelAccuracy: number;
  /** Intersection over union by class. */
  readonly iou: readonly number[];
  /** 2·intersection over the sum of both sizes by class (F1 of pixels). */
  readonly dice: readonly number[];
}

/** Mean intersection over union, Dice and share of right pixels. */
export function segmentationScore({ classes, counts }: PixelConfusion): SegmentationScore {
  const rows = new Float64Array(classes);
  const columns = new Float64Array(classes);
  let right = 0;
  let total = 0;
  for (let row = 0; row < classes; row++) {
    for (let column = 0; column < classes; column++) {
      const count = counts[row * classes + column]!;
      rows[row]! += count;
      columns[column]! += count;
      total += count;
      if (row === column) right += count;
    }
  }
  const ratio = (share: (hit: number, sum: number) => number) =>
    Array.from(rows, (row, c) => share(counts[c * classes + c]!, row + columns[c]!));
  const iou = ratio((hit, sum) => hit / (sum - hit));
  const dice = ratio((hit, sum) => (2 * hit) / sum);
  return {
    mIoU: mean(iou.filter(isDefined)),
    meanDice: mean(dice.filter(isDefined)),
    pixelAccuracy: right / total,
    iou,
    dice,
  };
}

const isDefined = (value: number) => !Number.isNaN(value);
