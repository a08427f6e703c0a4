import { describe, expect, test } from "vitest";
import { DARK, LIGHT, luminance } from "../../src/charts/colours.js";

/** CIE L*a*b* of a colour, D65. */
function lab(colour: string): [number, number, number] {
  const [r, g, b] = [1, 3, 5].map((at) => {
    const part = Number.parseInt(colour.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  const f = (t: number) => (t > 216 / 24389 ? Math.cbrt(t) : (24389 / 27 / 116) * t + 16 / 116);
  const x = f((0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.9505);
  const y = f(0.2126 * r + 0.7152 * g + 0.0722 * b);
  const z = f((0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.089);
  return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
}
const difference = (a: string, b: string) => Math.hypot(...lab(a).map((v, i) => v - lab(b)[i]!));
/** Only lightness is left: the strictest of the simulated deficiencies. */
const lightness = (colour: string) => lab(colour)[0];

describe.each([
  ["light", LIGHT],
  ["dark", DARK],
])("%s theme", (name, theme) => {
  test("sequential steps differ by 8 and more, in lightness too", () => {
    const steps = theme.sequential.map(lightness);
    for (let i = 1; i < steps.length; i++) {
      expect(difference(theme.sequential[i - 1]!, theme.sequential[i]!)).toBeGreaterThanOrEqual(8);
      // «More» is darker on white, lighter on black.
      expect((steps[i]! - steps[i - 1]!) * (name === "light" ? -1 : 1)).toBeGreaterThanOrEqual(6);
    }
  });

  test("diverging steps differ, and their centre is the ground", () => {
    for (let i = 1; i < theme.diverging.length; i++) {
      expect(difference(theme.diverging[i - 1]!, theme.diverging[i]!)).toBeGreaterThanOrEqual(8);
    }
    expect(theme.diverging[3]).toBe(theme.ground);
  });

  test("text and muted text are readable on the ground", () => {
    const contrast = (a: string, b: string) => {
      const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x);
      return (high! + 0.05) / (low! + 0.05);
    };
    for (const colour of [theme.ink, theme.muted, theme.select]) {
      expect(contrast(colour, theme.ground)).toBeGreaterThanOrEqual(4.5);
    }
    for (const colour of theme.category) expect(contrast(colour, theme.ground)).toBeGreaterThanOrEqual(2);
  });
});
