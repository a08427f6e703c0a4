import { expect, it } from "vitest";
import { compress, type Dataset, randomDataset, type TuneBiasesReport } from "../../src/lab.js";
import { NETWORKS } from "../helpers/networks.js";
import { runner } from "../helpers/runner.js";

const steps = [{ use: "quantize" }, { use: "tune-biases", keep: "always", samples: 64, epochs: 2 }] as const;

/** Samples, and which of them were read. */
function watched(): { data: Dataset; read: Set<number> } {
  const inner = randomDataset([3, 8, 8], 96, 7, { min: -1, max: 2 });
  const read = new Set<number>();
  const data: Dataset = {
    ...inner,
    fill(index, out, offset) {
      read.add(index);
      return inner.fill(index, out, offset);
    },
  };
  return { data, read };
}

it("ranges come from few samples; a step that learns takes as many as it says", async () => {
  const { data, read } = watched();
  const few = await compress(NETWORKS.chain!(), { steps: [steps[0]], samples: 12 }, { runner, data });
  expect(few.calibration.samples).toBe(12);
  expect(read.size).toBe(12);
  const result = await compress(NETWORKS.chain!(), { steps, samples: 12 }, { runner, data });
  expect(result.calibration.samples).toBe(12);
  const report = result.steps.at(-1)!.report as TuneBiasesReport;
  expect(report).toMatchObject({ samples: 48, checkSamples: 16, complete: true });
});

it("a recipe that is stopped while biases are tuned is finished with what was learned", async () => {
  const { data } = watched();
  const controller = new AbortController();
  const onProgress = ({ phase, done }: { phase: string; done: number }) => {
    if (phase === "tune biases" && done === 3) controller.abort();
  };
  const context = { runner, data, signal: controller.signal, onProgress };
  const result = await compress(NETWORKS.chain!(), { steps }, context);
  expect(result.steps.at(-1)).toMatchObject({ step: "tune-biases", kept: true, report: { complete: false } });
  expect(result.verification.samples).toBeGreaterThan(0);
});
