import { mean } from "../math/index.js";
import { type Box, boxArea, boxIou } from "./boxes.js";
import { type AreaRange, matchDetections } from "./match-detections.js";
import {
  type ImageVerdicts,
  type Interpolation,
  type PrecisionRecall,
  precisionOfDraws,
  precisionRecall,
} from "./precision-recall.js";

/** An object that is in an image. */
export interface TrueObject {
  readonly image: number;
  readonly class: number;
  readonly box: Box;
  /** Pixels², where it is not that of the box (masks). */
  readonly area?: number;
  /** A group that is not told apart. */
  readonly crowd?: boolean;
  /** Not counted, whether it is found or not (VOC's «difficult»). */
  readonly ignore?: boolean;
}

/** An object that a network found. */
export interface FoundObject {
  readonly image: number;
  readonly class: number;
  readonly box: Box;
  readonly score: number;
}

/** How much a found object is like a true one, 0–1. */
export type Similarity<T, F> = (found: F, truth: T) => number;

/** Options for {@link detectionMatches}. */
export interface DetectionOptions<T, F> {
  /** Default: {@link COCO_THRESHOLDS}. */
  readonly thresholds?: readonly number[];
  /** Found objects an image and class, the best ones, that are looked at. Default: 100. */
  readonly most?: number;
  /** Default: intersection over union of the boxes. */
  readonly similarity?: Similarity<T, F>;
  /** Default: {@link COCO_AREAS}. */
  readonly areas?: Readonly<Record<string, AreaRange>>;
}

/** IoU 0.5, 0.55 … 0.95, in the numbers of the reference. */
const COCO_THRESHOLDS: readonly number[] = Array.from({ length: 10 }, (_, i) =>
  i === 9 ? 0.95 : 0.5 + i * ((0.95 - 0.5) / 9),
);

/** Sizes of objects in pixels². */
const COCO_AREAS = {
  all: { least: 0, most: 1e10 },
  small: { least: 0, most: 32 ** 2 },
  medium: { least: 32 ** 2, most: 96 ** 2 },
  large: { least: 96 ** 2, most: 1e10 },
} as const;

/** Who matches whom, image by image, from which scores follow for any selection of images. */
export interface DetectionMatches {
  readonly images: number;
  readonly thresholds: readonly number[];
  readonly most: number;
  /** Name of the area → class → image → verdicts; images without anything of the class are left out. */
  readonly byArea: ReadonlyMap<string, ReadonlyMap<number, ReadonlyMap<number, ImageVerdicts>>>;
}

/**
 * Matches found objects with true ones, class by class and image by image, as COCO does: greedy from the best score down.
 * `images` is how many there are; objects name theirs by its index.
 */
export function detectionMatches<T extends TrueObject, F extends FoundObject>(
  images: number,
  truth: readonly T[],
  found: readonly F[],
  options: DetectionOptions<T, F> = {},
): DetectionMatches {
  const { thresholds = COCO_THRESHOLDS, most = 100, areas = COCO_AREAS } = options;
  const similarity: Similarity<T, F> =
    options.similarity ?? ((one, other) => boxIou(one.box, other.box, other.crowd === true));
  const byArea = new Map(Object.keys(areas).map((name) => [name, new Map<number, Map<number, ImageVerdicts>>()]));
  for (const [name, cells] of cellsOf(truth, found)) {
    const byImage = new Map(Object.keys(areas).map((area) => [area, new Map<number, ImageVerdicts>()]));
    for (const [image, cell] of [...cells].sort(([a], [b]) => a - b)) {
      const best = cell.found.map((one, index) => ({ one, index }));
      best.sort((a, b) => b.one.score - a.one.score || a.index - b.index);
      const kept = best.slice(0, most).map(({ one }) => one);
      const scores = Float64Array.from(kept, ({ score }) => score);
      const input = {
        foundAreas: Float64Array.from(kept, ({ box }) => boxArea(box)),
        truthAreas: Float64Array.from(cell.truth, ({ box, area }) => area ?? boxArea(box)),
        crowd: cell.truth.map(({ crowd }) => crowd === true),
        ignored: cell.truth.map(({ crowd, ignore }) => crowd === true || ignore === true),
        similarities: Float64Array.from(kept.flatMap((one) => cell.truth.map((other) => similarity(one, other)))),
      };
      for (const [area, range] of Object.entries(areas)) {
        byImage.get(area)!.set(image, { scores, ...matchDetections(input, thresholds, range) });
      }
    }
    for (const [area, own] of byImage) byArea.get(area)!.set(name, own);
  }
  return { images, thresholds, most, byArea };
}

interface Cell<T, F> {
  readonly truth: T[];
  readonly found: F[];
}

/** Objects by class and image; only classes and images that occur. */
function cellsOf<T extends TrueObject, F extends FoundObject>(
  truth: readonly T[],
  found: readonly F[],
): Map<number, Map<number, Cell<T, F>>> {
  const classes = new Map<number, Map<number, Cell<T, F>>>();
  const cell = (name: number, image: number): Cell<T, F> => {
    const images = classes.get(name) ?? new Map<number, Cell<T, F>>();
    const own = images.get(image) ?? { truth: [], found: [] };
    classes.set(name, images.set(image, own));
    return own;
  };
  for (const one of truth) cell(one.class, one.image).truth.push(one);
  for (const one of found) cell(one.class, one.image).found.push(one);
  return classes;
}

/** Means over classes that have true objects; NaN where no class has. Shares, 0–1. */
export interface DetectionScore {
  /** Mean over classes and thresholds. */
  readonly mAP: number;
  /** By threshold, in their order. */
  readonly byThreshold: readonly number[];
  /** Mean over classes and thresholds, by the size of objects. */
  readonly byArea: Readonly<Record<string, number>>;
  /** Mean recall over classes and thresholds, by the number of found objects an image that count. */
  readonly recallAt: Readonly<Record<number, number>>;
  /** Mean recall by the size of objects. */
  readonly recallByArea: Readonly<Record<string, number>>;
  /** Mean over thresholds, of classes that have true objects. */
  readonly byClass: ReadonlyMap<number, number>;
}

/** Options for {@link detectionScore}. */
export interface DetectionScoreOptions {
  /** Images that count, repeats allowed (as a bootstrap draws them). Default: all, once. */
  readonly selection?: ArrayLike<number>;
  /** Default: `coco`. */
  readonly interpolation?: Interpolation;
}

/** Average precision and recall from matches: equal to pycocotools for boxes of all images with `interpolation: "coco"`. */
export function detectionScore(matches: DetectionMatches, options: DetectionScoreOptions = {}): DetectionScore {
  const { interpolation = "coco" } = options;
  const { thresholds, most } = matches;
  const curves = (area: string, count: number): Map<number, PrecisionRecall> => {
    const result = new Map<number, PrecisionRecall>();
    for (const [name, byImage] of matches.byArea.get(area)!) {
      const images = options.selection
        ? Array.from(options.selection).flatMap((image) => byImage.get(image) ?? [])
        : [...byImage.values()];
      const curve = precisionRecall(images, thresholds.length, count, interpolation);
      if (curve) result.set(name, curve);
    }
    return result;
  };
  const names = [...matches.byArea.keys()];
  const byArea = new Map(names.map((area) => [area, curves(area, most)]));
  const all = [...byArea.get(names[0]!)!].sort(([a], [b]) => a - b);
  const counts = [...new Set([1, 10, most].filter((count) => count <= most))];
  const meanOf = (own: Iterable<PrecisionRecall>, key: keyof PrecisionRecall) =>
    mean([...own].flatMap((curve) => [...curve[key]]));
  return {
    mAP: meanOf(
      all.map(([, curve]) => curve),
      "averagePrecision",
    ),
    byThreshold: thresholds.map((_, row) => mean(all.map(([, curve]) => curve.averagePrecision[row]!))),
    byArea: Object.fromEntries(names.map((area) => [area, meanOf(byArea.get(area)!.values(), "averagePrecision")])),
    recallAt: Object.fromEntries(
      counts.map((count) => [count, meanOf(curves(names[0]!, count).values(), "recall")] as const),
    ),
    recallByArea: Object.fromEntries(names.map((area) => [area, meanOf(byArea.get(area)!.values(), "recall")])),
    byClass: new Map(all.map(([name, curve]) => [name, mean([...curve.averagePrecision])])),
  };
}

/** The mean precision of any draw of images, for a bootstrap: found objects are put in order once. */
export function meanPrecisionOfDraws(matches: DetectionMatches): (selection: ArrayLike<number>) => number {
  const { images, thresholds, most, byArea } = matches;
  const [all] = byArea.values();
  const ofTimes = precisionOfDraws([...all!.values()], thresholds.length, most);
  const times = new Uint32Array(images);
  return (selection) => {
    times.fill(0);
    for (let i = 0; i < selection.length; i++) times[selection[i]!]!++;
    return ofTimes(times);
  };
}
