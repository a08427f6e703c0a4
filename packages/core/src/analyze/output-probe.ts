import { countedPart, fixedBatchOf, modelBatches } from "../calibrate/index.js";
import { BATCH_DEFAULTS, type Dataset, spread, subset } from "../data/index.js";
import { RunError } from "../errors.js";
import type { Model } from "../graph/index.js";
import { argmax, sqnrOfPowers, toDb } from "../math/index.js";
import type { Runner, SessionOptions, TransformContext } from "../runtime/index.js";
import { requireRunner } from "../runtime/index.js";
import { OutputDifference } from "./output-difference.js";
import type { SampleError } from "./validation-report.js";

/** How far a model's outputs are from the original's, over the probe's samples. No labels are needed. */
export interface OutputError {
  /** Signal power over noise power of all outputs, in dB (eq. 8 of Meller et al. 2019); Infinity when nothing differs. */
  readonly sqnrDb: number;
  /** Share of samples whose largest output is the same. */
  readonly agreement: number;
  /** Largest and mean difference, as share of the range of the original's outputs. */
  readonly maxDrift: number;
  readonly meanDrift: number;
}

/** Samples of a probe: enough for 0.2 dB, and small outputs stay in memory. */
export const PROBE_SAMPLES = 32;

/**
 * The original's outputs on a few samples, kept to compare every later state of the model with. What a step claims to
 * gain or to preserve is checked against it.
 */
export class OutputProbe {
  private constructor(
    readonly dataset: Dataset,
    readonly outputs: readonly Float32Array[],
    /** Samples the model insists on in every run; undefined where any number will do. */
    readonly fixedBatch: number | undefined,
  ) {}

  private get batchSize(): number {
    return this.fixedBatch ?? BATCH_DEFAULTS.batchSize;
  }

  /** Runs the original model over `samples` of the dataset. @throws {RunError} E7001 for NaN or Inf in its outputs. */
  static async of(
    model: Model,
    dataset: Dataset,
    context: TransformContext,
    samples = PROBE_SAMPLES,
  ): Promise<OutputProbe> {
    const chosen = spread(dataset, Math.min(samples, dataset.length));
    const runner = requireRunner(context, "probe");
    const fixed = fixedBatchOf(model);
    const probe = new OutputProbe(chosen, await runAll(runner, model, chosen, fixed, context.signal), fixed);
    for (const [at, output] of probe.outputs.entries()) {
      if (output.every(Number.isFinite)) continue;
      const sample = chosen.id(Math.min(at * probe.batchSize, chosen.length - 1));
      throw new RunError("E7001", `probe: NaN or Inf in the output for sample ${sample}`, {
        sample,
        hint: "check the preprocessing and the model's weights",
      });
    }
    return probe;
  }

  /** The same probe over its first samples only. */
  head(): OutputProbe {
    const runs = Math.ceil(BATCH_DEFAULTS.batchSize / this.batchSize);
    const count = Math.min(runs * this.batchSize, this.dataset.length);
    const indices = Array.from({ length: count }, (_, index) => index);
    return new OutputProbe(subset(this.dataset, indices), this.outputs.slice(0, runs), this.fixedBatch);
  }

  /** Runs another state of the model and compares. */
  async measure(
    model: Model | Uint8Array,
    context: TransformContext,
    options: SessionOptions = {},
  ): Promise<OutputError> {
    const runner = requireRunner(context, "probe");
    const outputs = await runAll(runner, model, this.dataset, this.fixedBatch, context.signal, options);
    return compare(this.outputs, outputs, this.dataset.length);
  }

  /** The same, sample by sample. */
  async measureSamples(model: Model | Uint8Array, context: TransformContext): Promise<SampleError[]> {
    const runner = requireRunner(context, "probe");
    const outputs = await runAll(runner, model, this.dataset, this.fixedBatch, context.signal);
    const [expected, actual] = [joined(this.outputs), joined(outputs)];
    const size = expected.length / this.dataset.length;
    const difference = new OutputDifference();
    return Array.from({ length: this.dataset.length }, (_, at) => {
      const { signal, noise, same } = difference.add(expected, actual, at * size, size);
      const label = this.dataset.label?.(at) ?? null;
      return { id: this.dataset.id(at), sqnrDb: toDb(sqnrOfPowers(signal, noise)), label, same };
    });
  }
}

function joined(parts: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

async function runAll(
  runner: Runner,
  model: Model | Uint8Array,
  dataset: Dataset,
  fixed: number | undefined,
  signal: AbortSignal | undefined,
  options: SessionOptions = {},
): Promise<Float32Array[]> {
  const run = async (session: Awaited<ReturnType<Runner["open"]>>) => {
    const results: Float32Array[] = [];
    const input = session.inputNames[0]!;
    const output = session.outputNames[0]!;
    for await (const batch of modelBatches(dataset, fixed, { ...(signal && { signal }) })) {
      const fetched = await session.run(
        { [input]: { dtype: "float32", dims: batch.dims, data: batch.data } },
        { fetches: [output] },
      );
      results.push(countedPart(fetched[output]!.data as Float32Array, batch).slice());
    }
    return results;
  };
  return runner.using(model, run, { purpose: "probe", ...options });
}

function compare(expected: readonly Float32Array[], actual: readonly Float32Array[], samples: number): OutputError {
  let signal = 0;
  let noise = 0;
  let worst = 0;
  let total = 0;
  let count = 0;
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  let same = 0;
  const width = expected.reduce((sum, part) => sum + part.length, 0) / samples;
  for (const [at, reference] of expected.entries()) {
    const other = actual[at]!;
    for (let i = 0; i < reference.length; i++) {
      const value = reference[i]!;
      const difference = Math.abs(value - other[i]!);
      signal += value * value;
      noise += difference * difference;
      total += difference;
      if (difference > worst) worst = difference;
      if (value < low) low = value;
      if (value > high) high = value;
    }
    count += reference.length;
    for (let start = 0; start < reference.length; start += width) {
      const winner = (values: Float32Array) => argmax(values.subarray(start, start + width));
      if (winner(reference) === winner(other)) same++;
    }
  }
  const range = high - low || 1;
  const sqnrDb = noise === 0 ? Number.POSITIVE_INFINITY : 10 * Math.log10(signal / noise);
  return { sqnrDb, agreement: same / samples, maxDrift: worst / range, meanDrift: total / count / range };
}
