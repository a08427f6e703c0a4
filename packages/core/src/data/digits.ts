import { OptionsError, rejectUnknownOptions } from "../errors.js";
import { createRandom } from "../math/random.js";
import type { Dataset } from "./dataset.js";
import { DIGIT_GLYPHS, type Glyph } from "./digits-glyphs.js";
import { drawStroke, type InkPoint } from "./digits-raster.js";

/** Height and width of a digit image in pixels. */
const DIGIT_SIZE = 28;

/** The images that the network in the command's assets was trained on and held out from: 75 % and 25 % of every class, as in MathWorks' pruning page. */
export const DIGIT_SPLIT = {
  train: { seed: 0, offset: 0, count: 7500 },
  heldOut: { seed: 0, offset: 7500, count: 2500 },
} as const satisfies Record<string, Required<DigitDatasetOptions>>;

/** Options for {@link digitDataset}. */
export interface DigitDatasetOptions {
  /** Number of images, ≥ 1; a multiple of 10 is balanced exactly. */
  count: number;
  /** Chooses the writer: 0 to 2³² − 1. */
  seed: number;
  /** Index of the first image in the endless row of images of this seed. Default: 0. */
  offset?: number;
}

const PIXELS = DIGIT_SIZE * DIGIT_SIZE;
const CLASS_NAMES = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"] as const;
const MAX_UINT32 = 2 ** 32 - 1;

/**
 * Handwritten-looking digits, drawn on demand: grayscale 28×28, shape [1, 28, 28], values pixel / 255 ("rescale-zero-one" of MathWorks' pruning page).
 *
 * Image i of a seed shows the digit i mod 10, so every prefix is balanced. Same seed and index, same bytes, on every platform.
 * @throws {OptionsError} E2001 for an unknown key, E2002 when an option is not an integer in its range.
 * @example const test = digitDataset({ count: 2500, seed: 0, offset: 7500 });
 */
export function digitDataset(options: DigitDatasetOptions): Dataset {
  rejectUnknownOptions("digits", options, ["count", "seed", "offset"]);
  const { count, seed, offset = 0 } = options;
  requireInteger("count", count, 1, MAX_UINT32);
  requireInteger("seed", seed, 0, MAX_UINT32);
  requireInteger("offset", offset, 0, MAX_UINT32 + 1 - count);
  return {
    length: count,
    shape: [1, DIGIT_SIZE, DIGIT_SIZE],
    classNames: CLASS_NAMES,
    fill(index, out, at) {
      const image = digitImage(offset + index, seed);
      for (let i = 0; i < PIXELS; i++) out[at + i] = image[i]! / 255;
    },
    label: (index) => (offset + index) % 10,
    id: (index) => `digit-${seed}-${offset + index}`,
  };
}

/**
 * Image `index` of `seed`: 784 gray values 0–255, row-major, ink bright on a dark ground. It shows the digit `index` mod 10.
 * @throws {OptionsError} E2002 when `index` or `seed` is not an integer from 0 to 2³² − 1.
 */
export function digitImage(index: number, seed: number): Uint8Array {
  requireInteger("index", index, 0, MAX_UINT32);
  requireInteger("seed", seed, 0, MAX_UINT32);
  const random = createRandom(seed, index).uniform;
  const forms = DIGIT_GLYPHS[index % 10]!;
  const cover = new Float64Array(PIXELS);
  for (const stroke of write(forms[Math.floor(random() * forms.length)]!, random)) {
    drawStroke(stroke, cover, DIGIT_SIZE);
  }
  return develop(cover, random);
}

/** Places a glyph on the image the way a hand would: every point off a little, the whole turned, slanted, stretched and shifted. */
function write(glyph: Glyph, random: () => number): InkPoint[][] {
  const height = 16 + 6.5 * random();
  const unit = height / 100;
  const stretch = unit * (0.85 + 0.35 * random() + 0.12 * centred(random));
  const slant = 0.22 * centred(random);
  // Rotation from t = tan(angle / 2): cos = (1 − t²) / (1 + t²), sin = 2t / (1 + t²), exact in every engine.
  const t = 0.19 * centred(random);
  const cos = (1 - t * t) / (1 + t * t);
  const sin = (2 * t) / (1 + t * t);
  const bow = 0.0022 * centred(random);
  const lean = 0.0022 * centred(random);
  const wobble = 1.5 + 7 * random() * random();
  const radius = 0.75 + 1.25 * random() * (0.35 + 0.65 * random());
  const pressure = 0.3 * random();

  const strokes = glyph.map((stroke) => {
    const [swayX, swayY] = [2.5 * centred(random), 2.5 * centred(random)];
    return stroke.map((point) => {
      const u = point.x - 30 + swayX + wobble * centred(random);
      const v = point.y - 50 + swayY + wobble * centred(random);
      const x = stretch * (u + bow * v * v) + slant * unit * -v;
      const y = unit * (v + lean * u * u);
      return {
        x: cos * x - sin * y,
        y: sin * x + cos * y,
        radius: radius * (1 + pressure * centred(random)),
        corner: point.corner,
      };
    });
  });
  return centre(strokes, random);
}

/** Moves strokes to the middle of the image, off by up to 2.5 pixels where there is room. */
function centre(strokes: InkPoint[][], random: () => number): InkPoint[][] {
  const shift = (axis: "x" | "y") => {
    let low = Number.POSITIVE_INFINITY;
    let high = Number.NEGATIVE_INFINITY;
    for (const stroke of strokes) {
      for (const point of stroke) {
        low = Math.min(low, point[axis]);
        high = Math.max(high, point[axis]);
      }
    }
    const room = Math.min(2.5, Math.max(0, (DIGIT_SIZE - 3 - (high - low)) / 2));
    return DIGIT_SIZE / 2 - (low + high) / 2 + room * (2 * random() - 1);
  };
  const byX = shift("x");
  const byY = shift("y");
  return strokes.map((stroke) => stroke.map((point) => ({ ...point, x: point.x + byX, y: point.y + byY })));
}

/** Ink cover to gray values: ink of varying strength and grain, on a ground with a little noise. */
function develop(cover: Float64Array, random: () => number): Uint8Array {
  const ink = 150 + 105 * random() * (2 - random());
  const grain = 0.25 * random();
  const ground = 10 * random();
  const noise = 24 * random() * random();
  const image = new Uint8Array(PIXELS);
  for (let i = 0; i < PIXELS; i++) {
    const covered = cover[i]!;
    const drawn = covered > 0 ? ink * covered * (1 - grain * random()) : 0;
    const value = drawn + (1 - covered) * ground + noise * centred(random);
    image[i] = value <= 0 ? 0 : value >= 255 ? 255 : Math.floor(value + 0.5);
  }
  return image;
}

/** A random number in (−1, 1), triangular: small deviations are likelier than large ones. */
function centred(random: () => number): number {
  return random() + random() - 1;
}

function requireInteger(name: string, value: number, min: number, max: number): void {
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new OptionsError("E2002", `digits: invalid ${name} ${value}, expected an integer from ${min} to ${max}`, {
      actual: value,
      expected: [min, max],
    });
  }
}
