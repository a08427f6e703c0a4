import fc from "fast-check";
import { expect, test } from "vitest";
import { SampleErrors } from "../../src/analyze/sample-errors.js";
import {
  confusionRows,
  createRandom,
  type ValidateOptions,
  type ValidationReport,
  validateModels,
} from "../../src/lab.js";
import { countingDataset, tableModel, tableRunner } from "./fake-runner.js";

type Rows = readonly (readonly number[])[];

async function validateTables(
  tables: { baseline?: Rows; candidate: Rows; labels?: readonly number[]; dims?: number[] },
  options: Partial<ValidateOptions> = {},
): Promise<ValidationReport> {
  const [baseline, candidate] = [tableModel(), tableModel()];
  const shape = tables.dims && { dims: tables.dims };
  const runner = tableRunner(
    new Map([
      [candidate, { rows: tables.candidate, ...shape }],
      [baseline, { rows: tables.baseline ?? [], ...shape }],
    ]),
  );
  return validateModels(
    candidate,
    { ...(tables.baseline && { baseline }), latency: false, ...options },
    { runner, data: countingDataset(tables.candidate.length, tables.labels) },
  );
}

/** Position by counting: how many values are larger, or equal and further left. No sorting, no shared code. */
function rankOf(row: readonly number[], index: number): number {
  return row.filter((value, i) => value > row[index]! || (value === row[index]! && i < index)).length;
}
const answerOf = (row: readonly number[]) => row.findIndex((_, i) => rankOf(row, i) === 0);

/** Everything the report says about accuracy, from full tables, in the most direct way. */
function naive(baseline: Rows, candidate: Rows, labels: readonly number[]) {
  const n = labels.length;
  const classes = baseline[0]!.length;
  const share = (holds: (i: number) => boolean) => labels.filter((_, i) => holds(i)).length / n;
  const right = (rows: Rows) => (i: number) => answerOf(rows[i]!) === labels[i];
  const matrix = (rows: Rows) =>
    Array.from({ length: classes }, (_, label) =>
      Array.from(
        { length: classes },
        (_, answer) => rows.filter((row, i) => labels[i] === label && answerOf(row) === answer).length,
      ),
    );
  const [b, c] = [right(baseline), right(candidate)];
  const onlyBaseline = labels.filter((_, i) => b(i) && !c(i)).length;
  const onlyCandidate = labels.filter((_, i) => !b(i) && c(i)).length;
  const all = baseline.flatMap((row, i) => row.map((y, j) => [y, candidate[i]![j]!] as const));
  const noise = all.reduce((sum, [y, z]) => sum + (y - z) ** 2, 0);
  const signal = all.reduce((sum, [y]) => sum + y ** 2, 0);
  // Fisher's exact coin: all outcomes at least as uneven, by Pascal's triangle.
  const trials = onlyBaseline + onlyCandidate;
  let row = [1n];
  for (let i = 0; i < trials; i++) row = [1n, ...row.slice(1).map((value, j) => value + row[j]!), 1n];
  const tail = row.slice(0, Math.min(onlyBaseline, onlyCandidate) + 1).reduce((sum, value) => sum + value, 0n);
  const p = Math.min(1, (2 * Number(tail)) / 2 ** trials);
  // Pearson's sum over the 2 × classes table of lost and kept.
  const eligible = Array.from({ length: classes }, (_, k) => labels.filter((label, i) => label === k && b(i)).length);
  const lost = Array.from({ length: classes }, (_, k) => labels.filter((l, i) => l === k && b(i) && !c(i)).length);
  const kept = eligible.map((count, k) => count - lost[k]!);
  const total = eligible.reduce((x, y) => x + y, 0);
  const rate = lost.reduce((x, y) => x + y, 0) / total;
  let statistic = 0;
  eligible.forEach((count, k) => {
    for (const [seen, expected] of [[lost[k]!, count * rate] as const, [kept[k]!, count * (1 - rate)] as const]) {
      if (expected > 0) statistic += (seen - expected) ** 2 / expected;
    }
  });
  return {
    top1: [share(b), share(c)],
    top5: [baseline, candidate].map((rows) => share((i) => rankOf(rows[i]!, labels[i]!) < 5)),
    confusion: [matrix(baseline), matrix(candidate)],
    mcNemar: { onlyBaseline, onlyCandidate, p },
    agreement: share((i) => answerOf(baseline[i]!) === answerOf(candidate[i]!)),
    sqnr: signal / noise,
    mse: noise / all.length,
    maxDifference: Math.max(...all.map(([y, z]) => Math.abs(y - z))),
    statistic: rate > 0 && rate < 1 ? statistic : 0,
  };
}

/** Random outputs with many ties: values are multiples of 1/4, exact in float32. */
function randomTables(seed: number, n: number, classes: number, noise: number) {
  const random = createRandom(seed);
  const coarse = (value: number) => Math.round(value * 4) / 4;
  const labels = Array.from({ length: n }, () => Math.floor(random.uniform() * classes));
  const baseline = labels.map((label) =>
    Array.from({ length: classes }, (_, i) => coarse(random.normal() + (i === label ? 1.5 : 0))),
  );
  const candidate = baseline.map((row) => row.map((value) => coarse(value + noise * random.normal())));
  return { labels, baseline, candidate };
}

const cases = fc.record({
  seed: fc.integer({ min: 0, max: 1e6 }),
  n: fc.integer({ min: 1, max: 40 }),
  classes: fc.integer({ min: 2, max: 9 }),
  noise: fc.constantFrom(0, 0.3, 1, 3),
  batchSize: fc.integer({ min: 1, max: 17 }),
});

test("every figure is that of a naive count, at any batch size", async () => {
  await fc.assert(
    fc.asyncProperty(cases, async ({ seed, n, classes, noise, batchSize }) => {
      const tables = randomTables(seed, n, classes, noise);
      const { baseline, candidate, labels } = tables;
      const expected = naive(baseline, candidate, labels);
      const report = await validateTables(tables, { batchSize });
      for (const [i, model] of [report.baseline!, report.candidate].entries()) {
        const { accuracy } = model;
        expect(model.top1).toBeCloseTo(expected.top1[i]!, 12);
        expect(model.top5).toBeCloseTo(expected.top5[i]!, 12);
        const rows = confusionRows(accuracy!.confusion);
        expect(rows).toEqual(expected.confusion[i]);
        const present = [...new Set(labels)].sort((a, b) => a - b);
        expect(accuracy!.perClass).toEqual(
          present.map((label) => {
            const samples = rows[label]!.reduce((a, b) => a + b, 0);
            const correct = rows[label]![label]!;
            return { class: label, name: String(label), samples, correct, accuracy: correct / samples };
          }),
        );
        const tied = [baseline, candidate][i]!.filter((row) => row.filter((v) => v === Math.max(...row)).length > 1);
        expect(accuracy!.ties).toBe(tied.length);
        // Wilson 1927: the ends are where |p − share| = z·√(p(1−p)/n).
        const { low, high } = accuracy!.top1Interval;
        for (const p of [low, high]) {
          expect(Math.abs(p - model.top1!)).toBeCloseTo(1.959963984540054 * Math.sqrt((p * (1 - p)) / n), 9);
        }
      }
      expect(report.drop).toBeCloseTo(expected.top1[0]! - expected.top1[1]!, 12);
      expect(report.mcNemar).toMatchObject({ ...expected.mcNemar, p: expect.closeTo(expected.mcNemar.p, 12) });
      expect(report.evenDrop!.statistic).toBeCloseTo(expected.statistic, 9);
      expect(report.agreement).toBeCloseTo(expected.agreement, 12);
      expect(10 ** (report.logitSqnrDb! / 10)).toSatisfy(
        (ratio: number) =>
          ratio === expected.sqnr || Math.abs(ratio / expected.sqnr - 1) < 1e-9 || Number.isNaN(expected.sqnr),
      );
      expect(report.mse).toBeCloseTo(expected.mse, 12);
      expect(report.maxDifference).toBe(expected.maxDifference);
    }),
    { seed: 20261, numRuns: 60 },
  );
});

test("the report does not depend on the batch size", async () => {
  const tables = randomTables(5, 33, 7, 0.8);
  const [one, five, all] = await Promise.all([1, 5, 64].map((batchSize) => validateTables(tables, { batchSize })));
  expect(five).toEqual(one);
  expect(all).toEqual(one);
});

test("worst classes, top confusions and worst samples are the largest ones, in order", async () => {
  const tables = randomTables(8, 400, 6, 1.2);
  const report = await validateTables(tables);
  const { baseline, candidate, labels } = tables;
  const expected = naive(baseline, candidate, labels);
  const shares = (matrix: number[][]) => matrix.map((row, k) => row[k]! / row.reduce((a, b) => a + b, 0));
  const [before, after] = expected.confusion.map(shares) as [number[], number[]];
  const drops = before.map((value, k) => value - after[k]!);
  expect(report.worstClasses[0]!.drop).toBeCloseTo(Math.max(...drops), 12);
  expect(report.worstClasses.map(({ drop }) => drop)).toEqual(
    report.worstClasses.map(({ drop }) => drop).sort((a, b) => b - a),
  );
  expect(report.worstClasses.length).toBe(drops.filter((drop) => drop > 0).length);

  const cells = expected.confusion[1]!.flatMap((row, k) => row.filter((_, answer) => answer !== k));
  expect(report.topConfusions.map((entry) => entry.candidate)).toEqual(cells.sort((a, b) => b - a).slice(0, 10));
  for (const { class: k, answer, baseline: count, candidate: now } of report.topConfusions) {
    expect(count).toBe(expected.confusion[0]![k]![answer]);
    expect(now).toBe(expected.confusion[1]![k]![answer]);
  }

  const ratios = baseline.map((row, i) => {
    const noise = row.reduce((sum, y, j) => sum + (y - candidate[i]![j]!) ** 2, 0);
    return 10 * Math.log10(row.reduce((sum, y) => sum + y * y, 0) / noise);
  });
  const order = labels.map((_, i) => i).sort((a, b) => ratios[a]! - ratios[b]! || a - b);
  expect(report.worstSamples.map(({ id }) => id)).toEqual(order.slice(0, 10).map((i) => `sample-${i}`));
  report.worstSamples.forEach((sample, i) => {
    expect(sample.sqnrDb).toBeCloseTo(ratios[order[i]!]!, 9);
    expect(sample.label).toBe(labels[order[i]!]);
  });
  const largest = (row: number[]) => row.indexOf(Math.max(...row));
  expect(report.sampleErrors).toEqual(
    labels.map((label, i) => ({
      id: `sample-${i}`,
      sqnrDb: expect.closeTo(ratios[i]!, 9),
      label,
      same: largest(baseline[i]!) === largest(candidate[i]!),
    })),
  );
});

test("errors of many samples are kept evenly", () => {
  const errors = new SampleErrors();
  for (let i = 0; i < 5000; i++) errors.add(() => ({ id: String(i), sqnrDb: i, label: null, same: true }));
  const kept = errors.kept.map(({ sqnrDb }) => sqnrDb);
  expect(kept.length).toBeLessThanOrEqual(512);
  expect(kept.length).toBeGreaterThan(256);
  expect(kept).toEqual(kept.map((_, at) => at * kept[1]!));
});

test("without labels: agreement and SQNR, no accuracy; alone: no comparison", async () => {
  const { baseline, candidate, labels } = randomTables(3, 20, 4, 1);
  const unlabelled = await validateTables({ baseline, candidate });
  const labelled = await validateTables({ baseline, candidate, labels });
  expect(unlabelled).toMatchObject({
    output: { kind: "classes", classes: 4, labelled: false },
    baseline: { top1: null, top5: null, accuracy: null },
    drop: null,
    mcNemar: null,
    evenDrop: null,
    worstClasses: [],
    topConfusions: [],
  });
  expect(unlabelled.agreement).toBe(labelled.agreement);
  expect(unlabelled.logitSqnrDb).toBe(labelled.logitSqnrDb);
  expect(unlabelled.worstSamples[0]!.label).toBeNull();

  const alone = await validateTables({ candidate, labels });
  expect(alone.candidate.accuracy).toEqual(labelled.candidate.accuracy);
  expect(alone).toMatchObject({ baseline: null, drop: null, agreement: null, logitSqnrDb: null, mse: null });
});

test("outputs that are not one number a class: SQNR and MSE only, and labels are said to be unused", async () => {
  const { baseline, candidate, labels } = randomTables(4, 12, 6, 1);
  const report = await validateTables({ baseline, candidate, labels, dims: [2, 3] });
  expect(report.output).toEqual({ name: "y", dims: [2, 3], kind: "values", classes: null, labelled: false });
  expect(report.candidate.top1).toBeNull();
  expect(report.agreement).toBeNull();
  expect(report.mse).toBeCloseTo(naive(baseline, candidate, labels).mse, 12);
  expect(report.warnings.map(({ code }) => code)).toEqual(["W5003"]);
  // [classes, 1, 1] is still one number a class.
  const pooled = await validateTables({ baseline, candidate, labels, dims: [6, 1, 1] });
  expect(pooled.output).toMatchObject({ kind: "classes", classes: 6 });
  expect(pooled.drop).toBe((await validateTables({ baseline, candidate, labels })).drop);
});

test("accuracy at chance raises the question of the preset, real accuracy does not", async () => {
  const { baseline, candidate, labels } = randomTables(6, 100, 5, 0.2);
  const shuffled = labels.map((label) => (label * 3 + 1) % 5);
  const chance = await validateTables({ baseline, candidate, labels: shuffled });
  expect(chance.warnings.map(({ code }) => code)).toEqual(["W5002"]);
  expect(chance.warnings[0]!.message).toMatch(/is this the right preset/);
  expect((await validateTables({ baseline, candidate, labels })).warnings).toEqual([]);
  const few = await validateTables({ candidate: candidate.slice(0, 10), labels: shuffled.slice(0, 10) });
  expect(few.warnings).toEqual([]);
});
