import type { SampleTruth } from "../data/index.js";
import {
  boxArea,
  COCO_KEYPOINT_SIGMAS,
  COCO_KEYPOINTS,
  type DetectionMatches,
  detectionMatches,
  detectionScore,
  keypointSimilarity,
  meanPrecisionOfDraws,
} from "../metrics/index.js";
import { type SampleAnswer, truthOfAnswer } from "./answer.js";
import type { Judgement, Metric, Task } from "./task.js";

const precision = (name: string, help: string): Metric => ({ name, better: "higher", unit: "share", help });

/** Boxes and their classes, judged as COCO does. */
export const detection: Task = {
  help: "boxes with classes and scores",
  head: "objects",
  metrics: [
    precision("mAP50-95", "mean over classes and IoU 0.50 to 0.95 of the average precision, as COCO"),
    precision("mAP50", "the same at IoU 0.50"),
    precision("mAP75", "the same at IoU 0.75"),
    precision("small", "mAP50-95 of objects below 32² pixels"),
    precision("medium", "of objects up to 96² pixels"),
    precision("large", "of objects above"),
    precision("recall", "mean recall with 100 boxes an image and class"),
  ],
  labels: ["COCO JSON", "YOLO text with data.yaml", "VOC XML"],
  truthOf: truthOfAnswer,
  judge(truths, answers) {
    const matches = detectionMatches(truths.length, ...inOneList(truths, answers));
    const { mAP, byThreshold, byArea, recallAt, byClass } = detectionScore(matches);
    const [small, medium, large] = [byArea.small!, byArea.medium!, byArea.large!];
    const figures = {
      "mAP50-95": mAP,
      mAP50: byThreshold[0]!,
      mAP75: byThreshold[5]!,
      small,
      medium,
      large,
      recall: recallAt[100]!,
    };
    return judged(figures, matches, byClass);
  },
};

/** A thing's area where labels do not have it, in parts of its box: that of a person. */
const AREA_OF_BOX = 0.53;

/** Things with named points, judged as COCO does. */
export const keypoints: Task = {
  help: "things with named points and scores",
  head: "points",
  metrics: [
    precision("OKS AP", "mean over object keypoint similarity 0.50 to 0.95 of the average precision, as COCO"),
    precision("OKS AP50", "the same at 0.50"),
    precision("OKS AP75", "the same at 0.75"),
  ],
  labels: ["COCO JSON with keypoints"],
  truthOf: truthOfAnswer,
  judge(truths, answers) {
    const [truth, found] = inOneList(truths, answers);
    const points = [...truth, ...found].find((one) => one.keypoints)?.keypoints?.length ?? 0;
    const sigmas =
      points === 3 * COCO_KEYPOINT_SIGMAS.length ? COCO_KEYPOINT_SIGMAS : new Array(points / 3).fill(3 / points);
    const withArea = truth.map((one) => ({
      ...one,
      keypoints: one.keypoints ?? [],
      area: one.area ?? AREA_OF_BOX * boxArea(one.box),
    }));
    const withPoints = found.map((one) => ({ ...one, keypoints: one.keypoints ?? [] }));
    const matches = detectionMatches(truths.length, withArea, withPoints, {
      ...COCO_KEYPOINTS,
      similarity: keypointSimilarity(sigmas),
    });
    const { mAP, byThreshold } = detectionScore(matches);
    return judged({ "OKS AP": mAP, "OKS AP50": byThreshold[0]!, "OKS AP75": byThreshold[5]! }, matches);
  },
};

function inOneList(truths: readonly SampleTruth[], answers: readonly SampleAnswer[]) {
  const truth = truths.flatMap(({ objects = [] }, image) => objects.map((object) => ({ ...object, image })));
  const found = answers.flatMap(({ objects = [] }, image) => objects.map((object) => ({ ...object, image })));
  return [truth, found] as const;
}

function judged(
  figures: Readonly<Record<string, number>>,
  matches: DetectionMatches,
  byClass?: ReadonlyMap<number, number>,
): Judgement {
  return { figures, main: meanPrecisionOfDraws(matches), ...(byClass && { byClass }) };
}
