import { describe, expect, test } from "vitest";
import { bitExamples, CHARTS, type Chart, type PairRatios, type PairRow, paretoFront } from "../../src/index.js";
import { fixtureReport } from "../fixture.js";
import { expectChart } from "../helpers.js";

const report = fixtureReport();
const candidates = [
  { name: "int8", bytes: 3.6e6, metric: 0.76, low: 0.75, high: 0.77 },
  { name: "per channel", bytes: 3.7e6, metric: 0.85 },
  { name: "odd", bytes: 8e6, metric: 0.8 },
  { name: "float", bytes: 14e6, metric: 0.859 },
];

/** Predicted two and half a dB too high. */
function pair(first: string, second: string, measured: PairRatios): PairRow {
  const more = (db: number) =>
    Object.fromEntries(Object.entries(measured).map(([kind, ratio]) => [kind, ratio + db])) as unknown as PairRatios;
  return { first, second, measured, ranges: more(2), refined: more(0.5) };
}

describe("every chart has its texts and looks as committed", () => {
  const charts: [Chart | undefined, string][] = [
    [CHARTS["range-table"].draw(report.ranges!), "widest range is 0 to 110, the activations of fc"],
    [CHARTS.histogram.draw(report.histograms![0]!), "0 to 2.6, is chosen by mse"],
    [CHARTS["sqnr-kinds"].draw(report.sqnr!), "is block/conv2 with 17.0 dB"],
    [CHARTS["sqnr-states"].draw(report.curves!), "3 of 3 layers gain; the median gain is 3.0 dB"],
    [
      CHARTS["sqnr-optimal"].draw(report.curves!),
      "could win 6.0 dB of the weights in the median layer, 9.5 dB at most",
    ],
    [CHARTS["channel-maxima"].draw(report.equalization!.pairs[0]!), "the values between them 30 and 1.5"],
    [CHARTS["accuracy-sparsity"].draw(report.pruning!), "synflow keeps 80 % at a sparsity of 90 %"],
    [CHARTS["layer-sparsity"].draw(report.pruning!), "fc is pruned most (90 %)"],
    [CHARTS["layer-channels"].draw(report.pruning!), "3 of 24 output channels"],
    [CHARTS.confusion.draw(report.validation!), "uneven over the classes (χ² test, p < 0.001)"],
    [CHARTS["class-drop"].draw(report.validation!), "cat loses most (17 % of its 100 samples)"],
    [CHARTS["layer-sizes"].draw(report.layers), "shrink from 4.03 kB to 2.57 kB"],
    [
      CHARTS["layer-treemap"].draw(report.layers),
      "1 layer of 3 holds half of the bytes, the largest is fc with 2.02 kB (78.3 %); 78.3 % are float",
    ],
    [
      CHARTS["sample-errors"].draw(report.sampleErrors!),
      "Of 4 of 300 samples, 1 changes the answer; the median ratio is 27.0 dB, the worst 8.3 dB (cat/2.jpg)",
    ],
    [CHARTS.pareto.draw(candidates), "3 of 4 candidates are on the front"],
    [CHARTS["range-convergence"].draw(report.convergence!), "after 3 samples of 4"],
    [CHARTS.latency.draw(report.latency!), "after takes 50 % of before"],
    [
      CHARTS["training-curve"].draw([
        { epoch: 1, loss: 2.1, top1: 0.2, validationTop1: 0.4 },
        { epoch: 2, loss: 0.8, top1: 0.7, validationTop1: 0.85 },
        { epoch: 3, loss: 0.5, top1: 0.9, validationTop1: 0.84 },
      ]),
      "epoch 2 is best on held-out samples (85 %), the last has 84 %; the loss goes from 2.1 to 0.5",
    ],
    [
      CHARTS["sqnr-pairs"].draw([
        pair("conv1", "conv2", { firstWeights: 40, firstActivations: 42, secondWeights: 38, all: 35 }),
        pair("conv2", "conv3", { firstWeights: 30, firstActivations: 33, secondWeights: 20, all: 19.5 }),
        pair("conv3", "fc", { firstWeights: 44, firstActivations: 41, secondWeights: 47, all: 38 }),
      ]),
      "3 pairs: the lowest ratio is 19.5 dB, from conv2 to conv3; the median prediction is off by 2.0 dB from ranges and 0.5 dB refined",
    ],
    [CHARTS.network.draw(report), "5 operators in 4 cards with 504 learnables; 2 layers of 3 on integers"],
  ];
  for (const [chart, summary] of charts) {
    test(chart!.id, async () => {
      await expectChart(chart!);
      expect(chart!.summary).toContain(summary);
    });
  }
});

test("MathWorks' worked example: words, most significant bits, and what becomes of the values", async () => {
  const type = { msb: 3, lsb: -3, signed: true };
  const examples = bitExamples([0.03125, 2.1, 16.25], type);
  expect(examples.map(({ fate, msb }) => [fate, msb])).toEqual([
    ["underflow", -5],
    ["precision loss", 1],
    ["overflow", 4],
  ]);
  expect(examples.map(({ quantized }) => quantized)).toEqual([0, 2.125, 15.875]);
  const chart = CHARTS["msb-bits"].draw(report.msb![0]!, { values: [0.03125, 2.1, 16.25, -0.75, 7.9], type })!;
  await expectChart(chart, "msb-bits");
});

test("the Pareto front holds what no other candidate beats", () => {
  const naive = candidates.filter(
    (a) => !candidates.some((b) => b !== a && b.bytes <= a.bytes && b.metric >= a.metric),
  );
  expect(paretoFront(candidates)).toEqual(naive);
});

test("many classes give a list of the answers that changed most", async () => {
  const many = structuredClone(report.validation!);
  for (const measured of [many.baseline!, many.candidate]) measured.accuracy!.confusion.classes = 100;
  const chart = CHARTS.confusion.draw(many)!;
  expect(chart.title).toBe("Wrong answers that changed most");
  expect(chart.table.rows[0]).toEqual(["cat → dog", 3, 20]);
  await expectChart(chart, "confusion-many");
});

test("without labels there is no confusion", () => {
  const { validation } = fixtureReport();
  const none = { ...validation!, candidate: { ...validation!.candidate, accuracy: null } };
  expect(CHARTS.confusion.draw(none)).toBeUndefined();
  expect(CHARTS["class-drop"].draw(none)).toBeUndefined();
});
