import { expect, test } from "vitest";
import { labelOfOption, type OptionSpec } from "../src/option.js";
import { STEPS } from "../src/steps/book.js";

test.each(STEPS.map((step) => [step.use, step.options] as const))(
  "%s: a form calls its options by words",
  (_, options) => {
    const specs: [string, OptionSpec][] = Object.entries(options);
    const labels = specs.map(([name, spec]) => labelOfOption(name, spec));
    for (const label of labels) expect(label).toMatch(/^[A-Z][A-Za-z0-9]*([ -][a-zA-Z0-9]+)*$/);
    expect(new Set(labels).size).toBe(labels.length);
  },
);

test("a key is its own label where it says enough", () => {
  const { weightBits, calibrator } = STEPS.find(({ use }) => use === "quantize")!.options as Record<string, OptionSpec>;
  expect([labelOfOption("weightBits", weightBits!), labelOfOption("calibrator", calibrator!)]).toEqual([
    "Weight bits",
    "Activation ranges",
  ]);
});
