import { beforeAll, describe, expect, it } from "vitest";
import { ModelError } from "../../src/lab.js";
import {
  centralDifferences,
  type GradientCase,
  gradientsOf,
  inputsOf,
  naiveLoss,
  relativeError,
  type Sampled,
} from "./case.js";
import { ELEMENTWISE_CASES } from "./elementwise-cases.js";
import { LAYER_CASES } from "./layer-cases.js";
import { STRUCTURE_CASES } from "./structure-cases.js";

/** Float32 against float64: a hundred roundings. The bar of the issue is 1e-3. */
const TOLERANCE = 2e-5;

const CASES: GradientCase[] = [...ELEMENTWISE_CASES, ...LAYER_CASES, ...STRUCTURE_CASES];

describe.each(CASES)("gradient of $name", (testCase) => {
  let expected: Sampled[] = [];
  let loss = 0;
  beforeAll(() => {
    expected = centralDifferences(testCase);
    loss = naiveLoss(testCase, inputsOf(testCase.inputs));
  });

  it.each(["fixed", "batch"] as const)("equals central differences, sizes %s", async (openness) => {
    const actual = await gradientsOf(testCase, openness);
    expect(Math.abs(actual.loss - loss) / Math.max(1, Math.abs(loss))).toBeLessThan(TOLERANCE);
    actual.gradients.forEach((gradient, i) => {
      expect(gradient.dims).toEqual(expected[i]!.dims);
      expect(relativeError(gradient.data as Float32Array, expected[i]!)).toBeLessThan(TOLERANCE);
    });
  });

  it("without known shapes is the same, or says that it needs them", async () => {
    let actual: Awaited<ReturnType<typeof gradientsOf>>;
    try {
      actual = await gradientsOf(testCase, "open");
    } catch (error) {
      expect(error).toBeInstanceOf(ModelError);
      expect(error).toMatchObject({ code: "E4001" });
      return;
    }
    actual.gradients.forEach((gradient, i) => {
      expect(gradient.dims).toEqual(expected[i]!.dims);
      expect(relativeError(gradient.data as Float32Array, expected[i]!)).toBeLessThan(TOLERANCE);
    });
  });
});
