import { describe, expect, test } from "vitest";
import { placementOf } from "../../src/data/framing.js";
import { framed } from "../../src/data/image.js";
import type { Dataset, SampleTruth } from "../../src/data/index.js";
import type { HostTensor } from "../../src/graph/index.js";
import { createRandom } from "../../src/math/index.js";
import { detectionMatches, detectionScore, meanPrecisionOfDraws } from "../../src/metrics/index.js";
import { TaskJudge, type TaskName, type TaskOptions } from "../../src/tasks/index.js";
import { randomSet } from "../metrics/random-sets.js";

const tensor = (dims: readonly number[], values: readonly number[]): HostTensor => ({
  dtype: "float32",
  dims,
  data: Float32Array.from(values),
});

function samples(count: number, truth?: readonly SampleTruth[], label?: readonly number[]): Dataset {
  return {
    length: count,
    shape: [3, 64, 64],
    fill() {},
    id: (index) => `${index}.jpg`,
    ...(truth && { truth: async (index: number) => truth[index]! }),
    ...(label && { label: (index: number) => label[index]! }),
  };
}

/** Feeds both networks' outputs, one batch each. */
async function reportOf(options: TaskOptions, dataset: Dataset, models: readonly HostTensor[]) {
  const judge = new TaskJudge(options, dataset);
  const batch = { feeds: {}, count: dataset.length, fed: dataset.length, firstIndex: 0 };
  for (const [model, output] of models.entries()) await judge.add(model, [["out", output]], batch);
  return judge.report();
}

describe("figures against a count by hand", () => {
  const cases: [TaskName, Dataset, HostTensor, HostTensor, Record<string, number>, Record<string, number>, number][] = [
    [
      "classification",
      samples(4, undefined, [0, 1, 2, 0]),
      tensor([4, 3], [9, 1, 0, 0, 9, 1, 0, 1, 9, 9, 1, 0]),
      tensor([4, 3], [9, 1, 0, 9, 0, 1, 0, 1, 9, 1, 9, 0]),
      { "top-1": 1, "top-5": 1 },
      { "top-1": 0.5, "top-5": 1 },
      0.5,
    ],
    [
      "segmentation",
      samples(1, [{ mask: { width: 2, height: 2, classes: Uint8Array.of(0, 0, 1, 255) } }]),
      tensor([1, 2, 2, 2], [1, 1, 0, 0, 0, 0, 1, 1]),
      tensor([1, 2, 2, 2], [1, 0, 0, 0, 0, 1, 1, 1]),
      { mIoU: 1, Dice: 1, "pixel accuracy": 1 },
      { mIoU: 0.5, Dice: 2 / 3, "pixel accuracy": 2 / 3 },
      0.5,
    ],
    [
      "score",
      samples(4, undefined, [1, 1, 0, 0]),
      tensor([4, 1], [0.9, 0.8, 0.2, 0.1]),
      tensor([4, 1], [0.9, 0.4, 0.6, 0.1]),
      { F1: 1, AUC: 1, accuracy: 1 },
      { F1: 0.5, AUC: 0.75, accuracy: 0.5 },
      0.5,
    ],
    [
      "regression",
      samples(2, [{ values: [1] }, { values: [3] }]),
      tensor([2, 1], [1, 4]),
      tensor([2, 1], [3, 3]),
      { RMSE: Math.SQRT1_2, MAE: 0.5, "R²": 0.5 },
      { RMSE: Math.SQRT2, MAE: 1, "R²": -1 },
      1,
    ],
    [
      "embedding",
      samples(4, undefined, [0, 0, 1, 1]),
      tensor([4, 2], [1, 0, 1, 0.1, 0, 1, 0.1, 1]),
      tensor([4, 2], [1, 0, 1, 1.2, 0, 1, 0.1, 1]),
      { "recall@1": 1 },
      { "recall@1": 0.75 },
      0.25,
    ],
  ];
  test.each(cases)("%s", async (task, dataset, before, after, first, second, drop) => {
    const report = await reportOf({ task }, dataset, [before, after]);
    expect(report.against).toBe("labels");
    const rounded = (figures: Readonly<Record<string, number | null>>) =>
      Object.fromEntries(Object.entries(figures).map(([name, value]) => [name, Number(value!.toFixed(6))]));
    const wanted = (figures: Record<string, number>) =>
      Object.fromEntries(Object.entries(figures).map(([name, value]) => [name, Number(value.toFixed(6))]));
    expect(rounded(report.baseline!.figures)).toEqual(wanted(first));
    expect(rounded(report.candidate.figures)).toEqual(wanted(second));
    expect(report.drop).toBeCloseTo(drop, 6);
    expect(report.metrics[0]!.name).toBe(Object.keys(first)[0]);
  });

  test("sequence: edits after CTC, by symbols", async () => {
    const rows = (classes: readonly number[]) => classes.flatMap((best) => [0, 1, 2].map((c) => (c === best ? 1 : 0)));
    const truth = [{ text: "aba" }];
    const decode = { symbols: ["a", "b"] };
    const report = await reportOf({ task: "sequence", decode }, samples(1, truth), [
      tensor([1, 6, 3], rows([1, 1, 0, 2, 0, 1])),
      tensor([1, 6, 3], rows([1, 1, 0, 2, 2, 0])),
    ]);
    expect(report.baseline!.figures).toEqual({ CER: 0, WER: 0, exact: 1 });
    expect(report.candidate.figures).toEqual({ CER: 1 / 3, WER: 1, exact: 0 });
    expect(report.drop).toBeCloseTo(1 / 3);
  });
});

describe("detection", () => {
  const rows = (...found: number[][]) => tensor([1, found.length, 6], found.flat());

  test("boxes come back in pixels of the image, cut at its edges", async () => {
    const placement = placementOf(
      { fit: "letterbox" },
      { channels: 3, width: 64, height: 64, layout: "NCHW" },
      { width: 128, height: 64 },
    );
    const truth = [{ objects: [{ class: 1, box: [20, 10, 40, 30] as const }] }];
    const dataset = { ...samples(1, truth), placement: async () => placement };
    const report = await reportOf({ task: "detection" }, dataset, [rows([10, 21, 30, 36, 0.9, 1])]);
    expect(report.candidate.figures["mAP50-95"]).toBeCloseTo(1);
    expect(report.decoder).toMatch(/suppressed boxes/);
    const cut = await reportOf(
      { task: "detection" },
      { ...dataset, truth: async () => ({ objects: [{ class: 1, box: [0, 0, 128, 64] }] }) },
      [rows([-9, 2, 99, 60, 0.9, 1])],
    );
    expect(cut.candidate.figures["mAP50-95"]).toBeCloseTo(1);
  });

  test("without labels the float network is the truth, and the report says so", async () => {
    const float = rows([10, 10, 30, 30, 0.9, 1], [40, 40, 50, 50, 0.2, 1]);
    const report = await reportOf({ task: "detection" }, samples(1), [float, rows([10, 10, 30, 30, 0.8, 1])]);
    expect(report.against).toBe("float");
    expect(report.candidate.figures["mAP50-95"]).toBeCloseTo(1);
    const lost = await reportOf({ task: "detection" }, samples(1), [float, rows([10, 10, 30, 30, 0.8, 0])]);
    expect(lost.candidate.figures["mAP50-95"]).toBe(0);
    expect(lost.drop).toBeCloseTo(1);
    await expect(reportOf({ task: "detection" }, samples(1), [float])).rejects.toMatchObject({ code: "E5004" });
  });

  test("a figure of one's own is judged first; the task's stay", async () => {
    const metric = {
      name: "boxes",
      unit: "own" as const,
      better: "lower" as const,
      score: (answers: readonly { objects?: readonly unknown[] }[]) =>
        answers.reduce((sum, { objects = [] }) => sum + objects.length, 0),
    };
    const float = rows([10, 10, 30, 30, 0.9, 1], [40, 40, 50, 50, 0.8, 1]);
    const report = await reportOf({ task: "detection", metric }, samples(1), [float, rows([10, 10, 30, 30, 0.8, 1])]);
    expect(report.metrics.map(({ name }) => name).slice(0, 2)).toEqual(["boxes", "mAP50-95"]);
    expect([report.baseline!.figures.boxes, report.candidate.figures.boxes, report.drop]).toEqual([2, 1, -0.5]);
  });

  test("a decoder of one's own is asked instead", async () => {
    const decode = { name: "mine", decode: () => ({ objects: [{ class: 0, score: 1, box: [0, 0, 8, 8] as const }] }) };
    const truth = [{ objects: [{ class: 0, box: [0, 0, 8, 8] as const }] }];
    const report = await reportOf({ task: "detection", decode }, samples(1, truth), [
      tensor([1, 7], [1, 2, 3, 4, 5, 6, 7]),
    ]);
    expect(report.decoder).toBe("mine");
    expect(report.candidate.figures.mAP50).toBeCloseTo(1);
  });
});

test("the mean precision of a draw is that of the score of the same draw (property)", () => {
  for (let seed = 0; seed < 40; seed++) {
    const { images, truth, found } = randomSet(seed);
    // Equal scores of different images may come in another order.
    const random = createRandom(seed);
    const distinct = found.map((one) => ({ ...one, score: random.uniform() }));
    const matches = detectionMatches(images, truth, distinct);
    const mainOf = meanPrecisionOfDraws(matches);
    for (let draw = 0; draw < 5; draw++) {
      const selection = Array.from({ length: images }, () => random.below(images));
      const wanted = detectionScore(matches, { selection }).mAP;
      const value = mainOf(selection);
      if (Number.isNaN(wanted)) expect(value, `seed ${seed}`).toBeNaN();
      else expect(value, `seed ${seed}, draw ${draw}`).toBeCloseTo(wanted, 9);
    }
  }
});

test("an image laid into another keeps its pixels where it covers, the rest is the pad (property)", () => {
  const random = createRandom(5);
  for (let run = 0; run < 60; run++) {
    const [width, height, w, h] = [1, 1, 1, 1].map(() => 1 + random.below(9)) as [number, number, number, number];
    const [left, top] = [random.below(12) - 6, random.below(12) - 6];
    const image = { width, height, channels: 1, data: Uint8Array.from({ length: width * height }, (_, i) => i + 1) };
    const { data } = framed(image, left, top, { width: w, height: h }, 200);
    for (let y = 0; y < h; y++) {
      for (let x = 0; x < w; x++) {
        const inside = x >= left && x < left + width && y >= top && y < top + height;
        expect(data[y * w + x], `run ${run}`).toBe(inside ? (y - top) * width + (x - left) + 1 : 200);
      }
    }
  }
});
