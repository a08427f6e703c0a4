import type { Box } from "../metrics/index.js";

/** Something in an image: what labels say and what a network finds. Pixels of the image. */
export interface PlacedObject {
  readonly class: number;
  readonly box: Box;
  /** x, y, visibility (0 not labelled, 1 hidden, 2 visible) or score, point by point. */
  readonly keypoints?: readonly number[];
}

/** An object as labels have it. */
export interface LabelledObject extends PlacedObject {
  /** Pixels², where it is not that of the box. */
  readonly area?: number;
  /** A group that is not told apart. */
  readonly crowd?: boolean;
  /** Not counted, whether it is found or not. */
  readonly ignore?: boolean;
}

/** A class for every pixel of an image, row by row; 255 counts as none. */
export interface ClassMask {
  readonly width: number;
  readonly height: number;
  readonly classes: Uint8Array;
}

/** What is in a sample, as far as its task asks: exactly one of the fields. */
export interface SampleTruth {
  readonly objects?: readonly LabelledObject[];
  readonly mask?: ClassMask;
  readonly text?: string;
  readonly values?: readonly number[];
}
