import type { DType, HostTensor } from "../graph/index.js";
import { float16ToFloat32 } from "../math/index.js";
import { OutputDifference, type OutputDifferenceSummary } from "./output-difference.js";

/** One output of a network against the original's. */
export interface NamedDifference extends OutputDifferenceSummary {
  readonly name: string;
}

/** How far a model's outputs are from the original's, over the samples of a probe. No labels are needed. */
export interface OutputError {
  /**
   * Signal power over noise power in dB (eq. 8 of Meller et al. 2019) of the float output that lost most; Infinity when nothing differs.
   * Where all outputs are integers, the share of equal elements as 10·log10(1 / (1 − share)).
   */
  readonly sqnrDb: number;
  /** What the first output that allows such a claim says in common with the original, 0–1; null where none does. */
  readonly agreement: number | null;
  /** Largest and mean difference, as share of the range of the original's output; of the output where it is largest. */
  readonly maxDrift: number;
  readonly meanDrift: number;
  /** Every output, in the model's order. */
  readonly outputs: readonly NamedDifference[];
}

/** JSON and sums have no infinity: what no noise at all, or nothing but noise, counts as, in dB. */
export const DECIBEL_LIMIT = 300;

/** Losses of one output below this are noise of the probe where several outputs decide. */
const NOISE_DB = 0.05;

/** The value of an output that decides, in dB. */
function decibels({ kind, sqnrDb, agreement }: OutputDifferenceSummary): number {
  const db = kind === "exact" ? -10 * Math.log10(1 - agreement!) : sqnrDb;
  return Math.max(-DECIBEL_LIMIT, Math.min(DECIBEL_LIMIT, db));
}

/** Outputs by which steps are judged: the float ones; integers and booleans only where there is no other. */
function deciding(outputs: readonly NamedDifference[]): readonly NamedDifference[] {
  const floats = outputs.filter(({ kind }) => kind !== "exact");
  return floats.length > 0 ? floats : outputs;
}

/** Joins what was measured of each output. */
export function outputError(outputs: readonly NamedDifference[]): OutputError {
  const judged = deciding(outputs);
  const drifts = judged.map(({ maxDifference, meanDifference, range }) => [
    maxDifference / (range || 1),
    meanDifference / (range || 1),
  ]);
  const worst = Math.min(...judged.map((output) => (output.kind === "exact" ? decibels(output) : output.sqnrDb)));
  return {
    sqnrDb: worst,
    agreement: outputs.find(({ agreement }) => agreement !== null)?.agreement ?? null,
    maxDrift: Math.max(...drifts.map(([max]) => max!)),
    meanDrift: Math.max(...drifts.map(([, mean]) => mean!)),
    outputs,
  };
}

/** What the share in {@link OutputError.agreement} counts, for people. */
export function agreementWords({ outputs }: OutputError): string {
  const kind = outputs.find(({ agreement }) => agreement !== null)?.kind ?? "values";
  return AGREEMENT_WORDS[kind];
}

export const AGREEMENT_WORDS = {
  class: "same answer",
  sequence: "same answer by position",
  mask: "overlap of masks",
  exact: "equal elements",
  number: "",
  values: "",
} as const;

/** By how many dB outputs came closer to the original's: the one that gained least, and the mean over all. */
export interface OutputGain {
  readonly worst: number;
  readonly mean: number;
}

export function outputGain(before: OutputError, after: OutputError): OutputGain {
  const earlier = new Map(before.outputs.map((output) => [output.name, output]));
  const gains = deciding(after.outputs).map(
    (output) => decibels(output) - decibels(earlier.get(output.name) ?? output),
  );
  return { worst: Math.min(...gains), mean: gains.reduce((sum, gain) => sum + gain, 0) / gains.length };
}

/**
 * The rule by which outputs decide whether a step stays: the worst of the outputs' gains is not a loss, and their mean is a gain.
 * `toleranceDb` is a loss that what the step is good for besides may cost; a negative one is a gain that it must bring.
 */
export function isGain(before: OutputError, after: OutputError, toleranceDb?: number): boolean {
  const { worst, mean } = outputGain(before, after);
  if (toleranceDb !== undefined) return mean >= -toleranceDb && worst >= Math.min(-toleranceDb, -NOISE_DB);
  return mean > 0 && worst >= (after.outputs.length > 1 ? -NOISE_DB : 0);
}

/** Values of an output as numbers that can be compared; float16 is widened. */
export function comparable({ dtype, data }: HostTensor): ArrayLike<number | bigint> {
  return dtype === "float16" ? float16ToFloat32(data as Uint16Array) : (data as ArrayLike<number | bigint>);
}

const FLOATS: readonly (DType | undefined)[] = ["float32", "float16", "bfloat16", "float64"];

/** Whether elements of this type are equal or not, and not more or less different. */
export function isExact(dtype: DType | undefined): boolean {
  return !FLOATS.includes(dtype);
}

/** Compares all outputs of two networks, batch by batch. */
export class OutputComparison {
  readonly #differences = new Map<string, OutputDifference>();

  /** Adds `count` of the `fed` samples of a batch; returns the signal, noise and sameness of each by output. */
  add(
    expected: Readonly<Record<string, HostTensor>>,
    actual: Readonly<Record<string, HostTensor>>,
    { fed, count }: { readonly fed: number; readonly count: number },
  ): Map<string, { signal: number; noise: number; same: boolean }[]> {
    const samples = new Map<string, { signal: number; noise: number; same: boolean }[]>();
    for (const [name, reference] of Object.entries(expected)) {
      const other = actual[name];
      if (!other) continue;
      const size = reference.data.length / fed;
      const dims = fed > 1 || reference.dims[0] === 1 ? reference.dims.slice(1) : reference.dims;
      let difference = this.#differences.get(name);
      if (!difference) {
        difference = new OutputDifference(dims, isExact(reference.dtype));
        this.#differences.set(name, difference);
      }
      const [y, z] = [comparable(reference), comparable(other)];
      samples.set(
        name,
        Array.from({ length: count }, (_, at) => difference.add(y, z, at * size, size)),
      );
    }
    return samples;
  }

  outputs(): NamedDifference[] {
    return [...this.#differences].map(([name, difference]) => ({ name, ...difference.summary() }));
  }

  error(): OutputError {
    return outputError(this.outputs());
  }
}
