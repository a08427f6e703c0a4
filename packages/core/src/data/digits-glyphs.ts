/**
 * Skeletons of the ten digits: several ways of writing each, as a person's pen would travel.
 *
 * A glyph is a list of strokes. A stroke lists the points the pen passes, `x,y` in a box about 60 wide and 100 high with y
 * downwards; the pen runs smoothly through them, except at points marked `*`, where it turns sharply.
 */

/** One point of a stroke. */
export interface PenPoint {
  readonly x: number;
  readonly y: number;
  /** The pen turns sharply here. */
  readonly corner: boolean;
}

export type Stroke = readonly PenPoint[];
export type Glyph = readonly Stroke[];

/** Written forms by class; one string is a glyph, `|` separates its strokes. A form listed twice is written twice as often. */
const FORMS: readonly (readonly string[])[] = [
  [
    // Closed oval from the top, and the same begun at the right shoulder with an overlapping end.
    "30,0 11,14 2,50 11,87 30,100 49,87 58,50 49,14 30,0 20,4",
    "46,9 26,0 7,20 2,54 12,89 32,100 52,84 58,48 49,15 30,3 17,10",
    // Narrow, written clockwise; round and wide; not quite closed.
    "22,2 38,4 47,30 46,72 34,99 18,95 10,66 12,26 22,2",
    "34,12 14,16 2,40 4,72 26,90 50,84 64,58 58,28 40,12 28,14",
    "40,2 18,4 3,38 5,78 25,100 47,90 58,56 53,20 42,8",
    // Slashed.
    "30,0 11,14 2,50 11,87 30,100 49,87 58,50 49,14 30,0 | 50,12 10,90",
  ],
  [
    "30,0 30,100",
    "31,0 29,50 30,100",
    // With an upstroke, short or long; with an upstroke and a foot.
    "14,22 32,0* 32,100",
    "4,34 20,20 33,0* 33,100",
    "12,22 31,0* 31,98 | 8,99 54,98",
    "22,10 34,0* 31,100",
    "34,0 27,52 22,100",
  ],
  [
    // Sharp at the foot; with a loop there; swan neck with a wavy foot; flat as a Z.
    "4,24 14,5 34,0 52,12 52,34 34,62 3,99* 58,97",
    "5,20 20,2 44,4 52,26 40,56 16,88 6,96 8,80 22,82 40,96 60,92",
    "8,28 12,8 32,0 50,14 46,42 26,72 4,94* 22,90 42,98 60,90",
    "6,6 30,0 50,4 50,22 30,56 4,98* 30,96 58,97",
    "2,30 10,6 34,0 54,18 48,44 22,76 2,98* 32,94 58,100",
  ],
  [
    // Two bows with a cusp between them; a small loop instead of the cusp; flat top; both bows equal and soft.
    "6,14 24,0 46,8 46,32 24,46* 50,56 54,82 30,100 4,88",
    "8,10 28,0 48,12 42,36 26,46 20,42 30,42 52,60 50,86 26,100 2,86",
    "6,2* 52,2* 26,42* 50,52 56,78 34,100 4,90",
    "4,18 22,1 48,6 48,34 30,46 22,47* 34,48 58,62 52,92 24,100 2,82",
    "10,6 34,0 50,16 40,40 18,48* 46,52 56,74 40,98 8,96",
  ],
  [
    // Open: a bent stroke and a stem.
    "14,0 8,34 4,62* 60,60 | 44,26 42,100",
    "10,4 6,56* 34,60 58,54 | 46,8 44,52 42,100",
    // Closed: the diagonal and the stem meet at the top; in one line or in two.
    "46,0* 2,66* 60,66 | 46,0 45,100",
    "40,100 43,50 44,0* 20,36 2,64* 58,62",
    // Open with a round bowl; the right half taller.
    "8,6 4,38 12,54 32,54 48,40 | 52,0 47,42 42,100",
    "12,18 6,58* 56,54 | 50,0 44,48 36,100",
  ],
  [
    // Body first, then the bar; in one line; soft as an S; with a long bar.
    "14,2* 10,42* 32,36 54,54 54,82 30,100 4,90 | 14,2 54,0",
    "52,0* 14,3* 8,44* 34,36 56,58 52,86 28,100 2,90",
    "54,4 28,0 12,14 14,38 40,48 56,66 46,94 20,100 4,88",
    "16,0* 8,46* 28,38 48,44 56,68 42,94 6,98 | 16,0 62,4",
    "48,2* 18,2* 16,40* 38,42 50,64 42,90 18,100 6,94",
  ],
  [
    // One sweep into a round bowl; a straight stem; a low small bowl; a bowl that crosses the stem.
    "44,2 22,18 6,48 6,82 26,100 48,90 52,66 36,50 14,58 6,74",
    "36,0 14,40 4,72 14,96 36,100 54,82 46,60 24,58 6,76",
    "26,0 10,32 4,70 14,97 32,98 44,82 36,66 18,68 7,82",
    "50,8 30,0 10,26 2,64 14,95 38,100 56,78 46,54 22,52 4,68",
    "40,0 20,20 6,60 10,90 30,100 48,88 48,68 30,60 10,72 2,84",
  ],
  [
    "4,4* 56,2* 26,100",
    // Curved stem; with a serif; crossed; with both; bent like a 1 with a long flag.
    "2,6 28,6 56,2* 36,44 26,100",
    "4,18 6,4* 56,4* 24,100",
    "4,4* 56,2* 24,100 | 16,52 56,48",
    "4,18 6,4* 56,4* 36,46 28,100 | 18,54 54,52",
    "2,10 20,4 52,4* 42,44 32,100",
  ],
  [
    // An S closed back to its start; two rings; open at the top; begun in the middle; narrow.
    "48,10 26,0 8,16 16,38 42,54 56,78 32,100 6,84 16,58 44,38 52,16 42,4",
    "30,0 12,12 14,36 30,46 48,34 48,12 30,0 | 30,46 8,62 8,88 30,100 52,88 52,62 30,46",
    "56,6 30,0 10,14 18,40 44,58 52,84 28,100 6,86 14,60 40,40 58,14",
    "32,48 12,32 14,8 34,0 50,14 44,36 20,54 6,78 22,99 46,94 52,70 32,48",
    "40,8 26,0 16,20 26,42 42,66 38,94 22,100 12,82 22,56 38,34 44,12 34,2",
  ],
  [
    // A ring and a straight stem; a hooked stem; a ring that runs into a curved tail; a small ring; one sweep.
    "52,14 30,0 8,16 8,42 28,52 48,38 53,12* 51,100",
    "50,12 28,0 6,20 10,46 32,50 50,26 52,10 54,50 44,92 18,98",
    "50,24 40,2 18,2 4,24 14,46 38,44 50,22 46,60 30,100",
    "46,10 30,0 16,12 16,32 30,40 44,28 47,8* 44,54 38,100",
    "54,18 38,2 14,6 4,30 20,50 44,42 54,16 56,56 42,90 10,96",
  ],
];

function parseStroke(text: string): Stroke {
  return text
    .trim()
    .split(" ")
    .map((word) => {
      const [x, y] = word.replace("*", "").split(",").map(Number);
      return { x: x!, y: y!, corner: word.endsWith("*") };
    });
}

/** The written forms of every class, 0 to 9. */
export const DIGIT_GLYPHS: readonly (readonly Glyph[])[] = FORMS.map((forms) =>
  forms.map((form) => form.split("|").map(parseStroke)),
);
