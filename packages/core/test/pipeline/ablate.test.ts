import { expect, test } from "vitest";
import { calibrate } from "../../src/calibrate/index.js";
import { ensureBiases } from "../../src/correct/index.js";
import { type Dataset, randomDataset } from "../../src/data/index.js";
import { RunError } from "../../src/errors.js";
import { cloneModel, type Model } from "../../src/graph/index.js";
import { ablate } from "../../src/pipeline/ablate.js";
import { quantizationRequests, quantize } from "../../src/quantize/index.js";
import { NETWORKS } from "../helpers/networks.js";
import { runner } from "../helpers/runner.js";

const context = { runner };
const COARSE = { target: "ort-web", weightBits: 3, activationBits: 3 } as const;
const samples = (count: number): Dataset => ({
  ...randomDataset([3, 8, 8], count, 7, { min: -1, max: 1 }),
  random: false,
});

/** Class by class, run one by one, graph executed literally. */
async function answers(model: Model, data: Dataset): Promise<number[]> {
  const found: number[] = [];
  for (let at = 0; at < data.length; at++) {
    const input = new Float32Array(192);
    await data.fill(at, input, 0);
    const feeds = { input: { dtype: "float32" as const, dims: [1, 3, 8, 8], data: input } };
    const outputs = await runner.using(model, (session) => session.run(feeds), { optimization: "disabled" });
    const values = Array.from(Object.values(outputs)[0]!.data as Float32Array);
    found.push(values.indexOf(Math.max(...values)));
  }
  return found;
}

test("degradation of weights, activations and both is what a plain count says, with labels and without", async () => {
  const float = NETWORKS.residual!();
  const measured = samples(40);
  const labels = (await answers(float, measured)).map((answer, at) => (at % 4 === 0 ? (answer + 1) % 4 : answer));
  const labelled: Dataset = { ...measured, label: (at) => labels[at]! };
  const calibration = samples(16);
  const options = { quantize: COARSE, calibrationSamples: 16, correct: false };
  const report = await ablate(float, { calibration, measured: labelled }, options, context);
  expect(report).toMatchObject({ samples: 40, calibrationSamples: 16, labelled: true, top1: 0.75 });
  expect(report.columns.map(({ name }) => name)).toEqual([
    ...["none", "one-step", "two-step", "dfq", "optimal", "dead channels + optimal"],
  ]);
  const reference = cloneModel(float);
  ensureBiases(reference);
  const emulation = { ...COARSE, format: "emulation" } as const;
  const statistics = await calibrate(
    reference,
    { requests: quantizationRequests(reference, COARSE) },
    { ...context, data: calibration },
  );
  await quantize({ calibration: statistics, ...emulation })(reference, {});
  const [before, after] = [await answers(float, measured), await answers(reference, measured)];
  const right = (found: number[]) => found.filter((answer, at) => answer === labels[at]).length;
  const [none] = report.columns;
  expect(none!.parts.both.drop).toBeCloseTo((right(before) - right(after)) / 40, 12);
  expect(none!.float).toEqual({ drop: 0, low: 0, high: 0 });
  const unlabelled = await ablate(float, { calibration, measured }, options, context);
  const changed = after.filter((answer, at) => answer !== before[at]).length;
  expect(unlabelled.columns[0]!.parts.both.drop).toBeCloseTo(changed / 40, 12);
  expect(unlabelled.top1).toBeUndefined();
  for (const { parts } of unlabelled.columns) {
    for (const { drop, low, high } of Object.values(parts)) expect([low <= drop, drop <= high]).toEqual([true, true]);
  }
});

test("cancelled, it gives the columns that are complete; before the first it throws", async () => {
  const data = { calibration: samples(8), measured: samples(20) };
  const options = { quantize: COARSE, correct: false };
  const whole = await ablate(NETWORKS.residual!(), data, options, context);
  expect(whole.stopped).toBe(false);
  const controller = new AbortController();
  const onProgress = ({ phase, done }: { phase: string; done: number }) => {
    if (phase === "ablate" && done === 2) controller.abort(new RunError("E6005", "stopped"));
  };
  const part = await ablate(NETWORKS.residual!(), data, options, { ...context, signal: controller.signal, onProgress });
  expect(part).toEqual({ ...whole, columns: whole.columns.slice(0, 3), stopped: true });
  const early = { ...context, signal: AbortSignal.abort(new RunError("E6005", "stopped")) };
  await expect(ablate(NETWORKS.residual!(), data, options, early)).rejects.toMatchObject({ code: "E6005" });
});

test("with 16 bits nothing degrades, whatever was scaled; no samples are refused", async () => {
  const float = NETWORKS.inception!();
  const wide = { target: "ort-web", weightBits: 16, activations: "uint16" } as const;
  const data = { calibration: samples(8), measured: samples(20) };
  const report = await ablate(float, data, { quantize: wide, correct: false }, context);
  for (const { parts } of report.columns) {
    for (const { drop } of Object.values(parts)) expect(drop).toBe(0);
  }
  const none = { ...data, measured: { ...data.measured, length: 0 } };
  await expect(ablate(float, none, {}, context)).rejects.toMatchObject({ code: "E5001" });
});
