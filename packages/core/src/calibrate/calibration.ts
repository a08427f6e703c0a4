import { z } from "zod";
import { DataError, ModelError } from "../errors.js";
import type { ActivationStats, ChannelStats } from "./channel-stats.js";
import { ValueStatistics, type ValueStatisticsJson } from "./value-statistics.js";

/** Name and version of the file format. A field is never removed within a major version. */
const CALIBRATION_SCHEMA = "equant.calibration/1";

const numbers = z.array(z.number());

const tailSchema = z.strictObject({
  rows: z.number(),
  high: numbers,
  highSquares: numbers,
  low: numbers,
  lowSquares: numbers,
});

const channelsSchema = z
  .strictObject({
    count: z.number(),
    min: numbers,
    max: numbers,
    sum: numbers.optional(),
    sumSquares: numbers.optional(),
    tail: tailSchema.optional(),
    axis: z.int().nonnegative().optional(),
  })
  .refine(
    ({ min, max, sum = min, sumSquares = min, tail }) => {
      const { high = min, highSquares = min, low = min, lowSquares = min } = tail ?? {};
      const lists = [min, max, sum, sumSquares, high, highSquares, low, lowSquares];
      return new Set(lists.map((x) => x.length)).size === 1;
    },
    {
      error: "lists of channels of unlike length",
    },
  );

const valueSchema = z
  .strictObject({
    min: z.number(),
    max: z.number(),
    count: z.number(),
    channels: channelsSchema.optional(),
    histogram: z.unknown().optional(),
  })
  .refine(({ min, max }) => min <= max, { error: "min is above max" });

/** Largest finite float32: activations are none but float32. */
const MAX_FLOAT32 = (2 - 2 ** -23) * 2 ** 127;

/** Schema of calibration.json. Infinite bounds cannot occur: a value without samples is not written. */
const calibrationSchema = z.strictObject({
  schema: z.literal(CALIBRATION_SCHEMA),
  /** sha-256 of the model file the statistics were taken on, when known. */
  model: z.string().optional(),
  samples: z.int().nonnegative(),
  complete: z.boolean(),
  /** True when any part was generated random input. */
  random: z.boolean(),
  /** For every value, the number of samples after which its range grew by over 1 % no more; empty after a merge. */
  lastWidening: z.array(z.int().nonnegative()),
  values: z.record(z.string(), valueSchema),
});

interface CalibrationFields {
  values: Map<string, ValueStatistics>;
  samples: number;
  complete: boolean;
  random: boolean;
  lastWidening: readonly number[];
  model?: string | undefined;
}

/** Statistics of a model's values over calibration data. Mergeable, and the same bytes for the same statistics. */
export class Calibration {
  private constructor(readonly fields: CalibrationFields) {}

  static collected(fields: CalibrationFields): Calibration {
    return new Calibration(fields);
  }

  get values(): ReadonlyMap<string, ValueStatistics> {
    return this.fields.values;
  }

  get samples(): number {
    return this.fields.samples;
  }

  /** False when it was cancelled before the last sample. */
  get complete(): boolean {
    return this.fields.complete;
  }

  /** True when generated random input was used: results made from it are marked. */
  get random(): boolean {
    return this.fields.random;
  }

  /** Statistics of a value. @throws {DataError} E5003 when the value was not calibrated. */
  get(value: string): ValueStatistics {
    const statistics = this.values.get(value);
    if (!statistics) {
      throw new DataError("E5003", `calibration: no statistics for value "${value}"`, {
        tensor: value,
        hint: "calibrate this very model again: values are matched by name",
      });
    }
    return statistics;
  }

  /** Per-channel statistics of every value that has them. */
  activationStats(): ActivationStats {
    const stats = new Map<string, ChannelStats>();
    for (const [name, value] of this.values) {
      const channels = value.channelStats();
      if (channels) stats.set(name, channels);
    }
    return stats;
  }

  /**
   * Share of values whose range no longer grew by over 1 % after n samples, for n = 1…samples.
   * It tells whether more samples would have changed the result. Undefined for merged statistics.
   */
  rangeConvergence(): { curve: number[]; stableAfter: number } | undefined {
    const { lastWidening, samples } = this.fields;
    if (lastWidening.length === 0) return undefined;
    const settled = new Array<number>(samples).fill(0);
    for (const at of lastWidening) settled[Math.max(at, 1) - 1]! += 1;
    let total = 0;
    const curve = settled.map((count) => {
      total += count;
      return total / lastWidening.length;
    });
    const stableAfter = curve.findIndex((share) => share >= 0.999) + 1;
    return { curve, stableAfter };
  }

  /** Statistics of both sets of samples together. Values that only one side knows are dropped. */
  merge(other: Calibration): Calibration {
    if (this.fields.model && other.fields.model && this.fields.model !== other.fields.model) {
      throw new ModelError("E3003", "calibration: the two files were made on different models", {
        expected: this.fields.model,
        actual: other.fields.model,
      });
    }
    const values = new Map<string, ValueStatistics>();
    for (const [name, statistics] of this.values) {
      const more = other.values.get(name);
      if (!more) continue;
      const merged = ValueStatistics.fromJSON(statistics.toJSON());
      merged.merge(more);
      values.set(name, merged);
    }
    return new Calibration({
      values,
      samples: this.samples + other.samples,
      complete: this.complete && other.complete,
      random: this.random || other.random,
      lastWidening: [],
      model: this.fields.model ?? other.fields.model,
    });
  }

  /** The same statistics, marked as taken on the model with this sha-256. */
  forModel(sha256: string): Calibration {
    return new Calibration({ ...this.fields, model: sha256 });
  }

  /** Text of calibration.json. */
  serialize(): string {
    const { model, samples, complete, random, lastWidening } = this.fields;
    const seen = [...this.values].filter(([, statistics]) => statistics.count > 0);
    const values = Object.fromEntries(seen.map(([name, statistics]) => [name, statistics.toJSON()]));
    return `${JSON.stringify({
      schema: CALIBRATION_SCHEMA,
      ...(model !== undefined && { model }),
      samples,
      complete,
      random,
      lastWidening,
      values,
    })}\n`;
  }

  /** Reads calibration.json. @throws {DataError} E5002 when it is not one, with the place that is wrong. */
  static parse(text: string, file = "calibration.json"): Calibration {
    let json: unknown;
    try {
      json = JSON.parse(text);
    } catch (error) {
      throw new DataError("E5002", `${file}: not JSON, or cut off`, { file, hint: "calibrate again" }, error);
    }
    const result = calibrationSchema.safeParse(json);
    if (!result.success) {
      const issue = result.error.issues[0]!;
      const at = issue.path.join(".");
      throw new DataError("E5002", `${file}: ${at === "" ? "" : `${at}: `}${issue.message}`, {
        file,
        hint: `expected the format ${CALIBRATION_SCHEMA}`,
      });
    }
    const { values, ...rest } = result.data;
    const entries = Object.entries(values) as [string, ValueStatisticsJson][];
    for (const [name, { min, max }] of entries) {
      if (Math.abs(min) <= MAX_FLOAT32 && Math.abs(max) <= MAX_FLOAT32) continue;
      throw new DataError("E5002", `${file}: the range of "${name}", ${min} to ${max}, is none of float32`, {
        file,
        tensor: name,
        expected: MAX_FLOAT32,
        actual: Math.max(Math.abs(min), Math.abs(max)),
        hint: "calibrate again",
      });
    }
    return new Calibration({
      ...rest,
      values: new Map(entries.map(([name, value]) => [name, ValueStatistics.fromJSON(value)])),
    });
  }
}
