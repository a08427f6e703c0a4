import fc from "fast-check";
import { expect, test } from "vitest";
import { contrast, inkOn, luminance, parseColour, rampOf } from "../../src/graph-view/colour.js";

const hex = fc.integer({ min: 0, max: 0xffffff }).map((value) => `#${value.toString(16).padStart(6, "0")}`);

test("contrast agrees with known pairs", () => {
  expect(contrast("#000", "#ffffff")).toBeCloseTo(21, 10);
  expect(contrast("#767676", "#ffffff")).toBeCloseTo(4.54, 2);
  expect(contrast("rgb(255, 0, 0)", "#fff")).toBeCloseTo(4.0, 2);
  expect(parseColour("rgb(1 2 3)")).toEqual([1, 2, 3]);
});

test("text on any card is at least 4.5 : 1", () => {
  fc.assert(
    fc.property(hex, (fill) => {
      expect(contrast(inkOn(fill), fill)).toBeGreaterThanOrEqual(4.5);
    }),
    { numRuns: 1000, seed: 3 },
  );
});

/** CIE L*a*b* of an sRGB colour (D65), and the distance of 1976. */
function lab(colour: readonly number[]): readonly number[] {
  const [r, g, b] = colour.map(linear);
  const xyz = [
    (0.4124 * r! + 0.3576 * g! + 0.1805 * b!) / 0.9505,
    0.2126 * r! + 0.7152 * g! + 0.0722 * b!,
    (0.0193 * r! + 0.1192 * g! + 0.9505 * b!) / 1.089,
  ].map((t) => (t > 216 / 24389 ? Math.cbrt(t) : (841 / 108) * t + 4 / 29));
  return [116 * xyz[1]! - 16, 500 * (xyz[0]! - xyz[1]!), 200 * (xyz[1]! - xyz[2]!)];
}
const deltaE = (a: readonly number[], b: readonly number[]) =>
  Math.hypot(...lab(a).map((value, i) => value - lab(b)[i]!));

const linear = (c: number) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4);
const encoded = (c: number) => 255 * (c <= 0.0031308 ? 12.92 * Math.max(0, c) : 1.055 * c ** (1 / 2.4) - 0.055);

/** Projections of linear RGB for the two common deficiencies (Viénot, Brettel and Mollon 1999), and grayscale. */
const SIMULATED: Readonly<Record<string, (r: number, g: number, b: number) => readonly number[]>> = {
  normal: (r, g, b) => [r, g, b],
  protanopia: (r, g, b) => [0.11238 * r + 0.88762 * g, 0.11238 * r + 0.88762 * g, 0.00401 * (r - g) + b],
  deuteranopia: (r, g, b) => [0.29275 * r + 0.70725 * g, 0.29275 * r + 0.70725 * g, 0.02234 * (g - r) + b],
  grayscale: (r, g, b) => {
    const y = 0.2126 * r + 0.7152 * g + 0.0722 * b;
    return [y, y, y];
  },
};

test.each(["viridis", "blue"] as const)("neighbouring steps of %s are told apart by everybody", (kind) => {
  for (const dark of [false, true]) {
    for (const [name, simulate] of Object.entries(SIMULATED)) {
      const steps = rampOf(kind, dark).map((colour) => {
        const [r, g, b] = parseColour(colour).map(linear) as [number, number, number];
        return simulate(r, g, b).map(encoded);
      });
      for (let i = 1; i < steps.length; i++) {
        expect(deltaE(steps[i - 1]!, steps[i]!), `${kind} ${name} ${i}`).toBeGreaterThanOrEqual(8);
      }
    }
  }
});

test("lightness of a ramp is monotone, and more stands out from the ground", () => {
  const blue = (dark: boolean) => rampOf("blue", dark).map(luminance);
  expect(blue(false)).toEqual([...blue(false)].sort((a, b) => b - a));
  expect(blue(true)).toEqual([...blue(true)].sort((a, b) => a - b));
});
