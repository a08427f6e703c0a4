import { expect, test } from "vitest";
import { verdictOf } from "../../src/page/verdict.js";
import type { Report, TaskSection } from "../../src/schema.js";

const figures = (mAP: number) => ({
  figures: { "mAP50-95": mAP, mAP50: null },
  interval: { low: mAP - 0.02, high: mAP + 0.02 },
});

function verdict(change: Partial<TaskSection>) {
  const task: TaskSection = {
    task: "detection",
    against: "labels",
    decoder: "GFL, strides 8, 16",
    metrics: [
      { name: "mAP50-95", better: "higher", unit: "share" },
      { name: "mAP50", better: "higher", unit: "share" },
    ],
    samples: 60,
    baseline: figures(0.7314),
    candidate: figures(0.6902),
    drop: 0.0412,
    paired: { p: 0.002 },
    ...change,
  };
  // Only what the verdict reads.
  const validation = { task, samples: 60, baseline: null, candidate: { accuracy: null } };
  const report = { validation, steps: [], findings: [], layers: [] };
  return verdictOf(report as unknown as Report);
}

test("a drop that the samples tell from chance is a loss, in the task's figure", () => {
  const { kind, sentence, figures: shown } = verdict({});
  expect([kind, sentence]).toEqual(["loss", "mAP50-95 is worse by 4.12 pp (p = 0.002)."]);
  expect(shown[0]).toMatchObject({ name: "mAP50-95", value: "73.14 % → 69.02 %" });
  expect(shown[0]!.note).toMatch(/60 samples/);
  expect(shown[1]).toMatchObject({ name: "mAP50", value: "- → -", note: "GFL, strides 8, 16" });
});

test("a drop that may be chance is none that is known; none is good", () => {
  expect(verdict({ paired: { p: 0.4 } }).kind).toBe("unknown");
  expect(verdict({ drop: 0.001, paired: { p: 0.4 } }).kind).toBe("good");
  expect(verdict({ drop: 0, paired: { p: 1 } }).sentence).toMatch(/does not change/);
  expect(verdict({ drop: -0.02, paired: { p: 0.2 } }).sentence).toMatch(/better by 2 pp/);
});

test("agreement says what it is", () => {
  const { kind, sentence, figures: shown } = verdict({ against: "float" });
  expect([kind, sentence]).toEqual(["unknown", "Against the float model's own answers: agreement mAP50-95 69.02 %."]);
  expect(shown[0]).toMatchObject({ name: "agreement mAP50-95", value: "69.02 %" });
});
