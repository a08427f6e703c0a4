import type { ClassMask } from "../data/index.js";
import { DataError } from "../errors.js";
import { truthOfAnswer } from "./answer.js";
import type { Task } from "./task.js";

/** Class that is not counted. */
const NONE = 255;

/** A class for every pixel. Counts a sample: right, true and found pixels of every class, from which all figures follow. */
export const segmentation: Task = {
  help: "a class for every pixel",
  head: "mask",
  metrics: [
    {
      name: "mIoU",
      better: "higher",
      unit: "share",
      help: "mean over classes of intersection over union, all pixels together",
    },
    {
      name: "Dice",
      better: "higher",
      unit: "share",
      help: "mean over classes of 2·intersection over the sum of both sizes",
    },
    { name: "pixel accuracy", better: "higher", unit: "share", help: "share of pixels with the right class" },
  ],
  labels: ["mask PNG, index or palette"],
  truthOf: truthOfAnswer,
  judge(truths, answers) {
    const masks = [...truths, ...answers].flatMap(({ mask }) => (mask ? [mask] : []));
    const classes =
      1 + masks.reduce((most, { classes: own }) => own.reduce((a, b) => (b === NONE ? a : Math.max(a, b)), most), 0);
    const counts = truths.map(({ mask }, i) => countOf(mask!, answers[i]!.mask!, classes));
    const all = scoreOf(
      counts,
      classes,
      Array.from(counts, (_, i) => i),
    );
    const { mIoU, dice, accuracy, byClass } = all;
    return {
      figures: { mIoU, Dice: dice, "pixel accuracy": accuracy },
      main: (selection) => scoreOf(counts, classes, selection).mIoU,
      byClass,
    };
  },
};

/** Right, true and found pixels, class after class. */
function countOf(truth: ClassMask, found: ClassMask, classes: number): Float64Array {
  if (truth.width !== found.width || truth.height !== found.height) {
    const [a, b] = [truth, found].map(({ width, height }) => `${width}x${height}`);
    throw new DataError("E5003", `segmentation: a mask of ${a} pixels, the answer has ${b}`, {
      expected: a,
      actual: b,
    });
  }
  const counts = new Float64Array(3 * classes);
  for (let i = 0; i < truth.classes.length; i++) {
    const [is, was] = [truth.classes[i]!, found.classes[i]!];
    if (is === NONE) continue;
    if (is === was) counts[3 * is]!++;
    counts[3 * is + 1]!++;
    if (was < classes) counts[3 * was + 2]!++;
  }
  return counts;
}

function scoreOf(counts: readonly Float64Array[], classes: number, selection: ArrayLike<number>) {
  const sum = new Float64Array(3 * classes);
  for (let i = 0; i < selection.length; i++) {
    counts[selection[i]!]!.forEach((value, at) => {
      sum[at]! += value;
    });
  }
  const byClass = new Map<number, number>();
  let [iou, dice, right, total] = [0, 0, 0, 0];
  for (let c = 0; c < classes; c++) {
    const [hit, is, was] = [sum[3 * c]!, sum[3 * c + 1]!, sum[3 * c + 2]!];
    right += hit;
    total += is;
    if (is + was === 0) continue;
    byClass.set(c, hit / (is + was - hit));
    iou += hit / (is + was - hit);
    dice += (2 * hit) / (is + was);
  }
  return { mIoU: iou / byClass.size, dice: dice / byClass.size, accuracy: right / total, byClass };
}
