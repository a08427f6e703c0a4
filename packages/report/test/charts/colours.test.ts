import { describe, expect, test } from "vitest";
import { DARK, DASHES, LIGHT, luminance, readableOn } from "../../src/charts/colours.js";
import { ciede2000, SIGHTS, seen } from "./colour-sight.js";

/** Difference that two steps of a legend must have, in CIEDE2000. */
const APART = 8;
const contrast = (a: string, b: string) => {
  const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (high! + 0.05) / (low! + 0.05);
};
/** The two colours that are seen as most alike. */
function closest(colours: readonly string[], sight: string, neighbours = false) {
  let least = { difference: Number.POSITIVE_INFINITY, pair: "" };
  colours.forEach((a, i) => {
    for (const b of neighbours ? colours.slice(i + 1, i + 2) : colours.slice(i + 1)) {
      const difference = ciede2000(seen(a, sight), seen(b, sight));
      if (difference < least.difference) least = { difference, pair: `${a} ${b}` };
    }
  });
  return least;
}

test("the reference for CIEDE2000 gives the published differences", () => {
  // Pairs 1, 7, 17 and 25 of Sharma, Wu, Dalal 2005, table 1.
  expect(ciede2000([50, 2.6772, -79.7751], [50, 0, -82.7485])).toBeCloseTo(2.0425, 4);
  expect(ciede2000([50, 0, 0], [50, -1, 2])).toBeCloseTo(2.3669, 4);
  expect(ciede2000([50, 2.5, 0], [73, 25, -18])).toBeCloseTo(27.1492, 4);
  expect(ciede2000([60.2574, -34.0099, 36.2677], [60.4626, -34.1751, 39.4387])).toBeCloseTo(1.2644, 4);
});

describe.each([
  ["light", LIGHT],
  ["dark", DARK],
])("%s theme", (name, theme) => {
  describe.each(Object.keys(SIGHTS))("seen with %s", (sight) => {
    test("steps of the ramps differ, from the ground too", () => {
      expect(closest([theme.ground, ...theme.sequential], sight, true).difference).toBeGreaterThanOrEqual(APART);
      expect(closest(theme.sqnr, sight, true).difference).toBeGreaterThanOrEqual(APART);
    });

    test("no two steps of the differences look alike, less and more neither", () => {
      expect(closest(theme.diverging, sight).difference).toBeGreaterThanOrEqual(APART);
    });

    test("categories differ: all by colour, in gray the three that fill areas, the others by their dash", () => {
      const categories = sight === "gray" ? theme.category.slice(0, 3) : theme.category;
      expect(closest(categories, sight).difference).toBeGreaterThanOrEqual(APART);
    });
  });

  test("more is always further from the ground, and the centre of differences is the ground", () => {
    const steps = theme.sequential.map((colour) => seen(colour, "gray")[0] * (name === "light" ? -1 : 1));
    expect(steps).toEqual([...steps].sort((a, b) => a - b));
    expect(theme.diverging[3]).toBe(theme.ground);
  });

  test("text is readable wherever it stands", () => {
    for (const colour of [theme.ink, theme.muted, theme.select, theme.category[1]!]) {
      expect(contrast(colour, theme.ground), colour).toBeGreaterThanOrEqual(4.5);
    }
    for (const colour of [...theme.sequential, ...theme.diverging, ...theme.category, ...theme.sqnr]) {
      expect(contrast(readableOn(colour), colour), colour).toBeGreaterThanOrEqual(4.5);
    }
    // Bits that a type does not represent are printed on the hatch.
    for (const ground of [theme.hatchGround, theme.hatch]) {
      expect(contrast(theme.ink, ground), ground).toBeGreaterThanOrEqual(4.5);
    }
  });

  test("lines and areas are seen on the ground", () => {
    for (const colour of theme.category.slice(0, 3)) {
      expect(contrast(colour, theme.ground), colour).toBeGreaterThanOrEqual(3);
    }
    for (const colour of theme.category) expect(contrast(colour, theme.ground), colour).toBeGreaterThanOrEqual(2);
  });
});

test("every category has a dash of its own", () => {
  expect(new Set(DASHES).size).toBe(LIGHT.category.length);
});
