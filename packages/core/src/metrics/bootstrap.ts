import { OptionsError } from "../errors.js";
import { createRandom, type Interval, quantiles } from "../math/index.js";

/** Options for {@link bootstrap}. */
export interface BootstrapOptions {
  /** Draws. Default: 1000. */
  readonly resamples?: number;
  /** Share of draws inside the interval. Default: 0.95. */
  readonly confidence?: number;
  /** Default: 0. */
  readonly seed?: number;
}

/** Result of {@link bootstrapDifference}. */
export interface PairedDifference {
  /** Second minus first, over all samples. */
  readonly difference: number;
  readonly interval: Interval;
  /** Two-sided: twice the smaller share of draws on either side of 0, at least 1/resamples. */
  readonly p: number;
}

/**
 * Percentile interval of any figure over samples (Efron 1979): the figure of `samples` draws with replacement, again and
 * again. Draws whose figure is NaN say nothing and are left out.
 *
 * @throws {OptionsError} E2002 confidence not between 0 and 1, no resamples, no samples.
 */
export function bootstrap(
  samples: number,
  figure: (selection: Uint32Array) => number,
  options: BootstrapOptions = {},
): Interval {
  const { confidence = 0.95 } = options;
  if (!(confidence > 0 && confidence < 1)) {
    throw new OptionsError("E2002", `bootstrap: invalid confidence ${confidence}, expected between 0 and 1`, {
      expected: "0-1",
      actual: confidence,
    });
  }
  return intervalOf(draws(samples, figure, options), confidence);
}

/**
 * Whether two models differ on the same samples: both figures are taken on each draw, so that what makes a draw easy or
 * hard for both cancels.
 *
 * @throws {OptionsError} as {@link bootstrap}.
 */
export function bootstrapDifference(
  samples: number,
  first: (selection: Uint32Array) => number,
  second: (selection: Uint32Array) => number,
  options: BootstrapOptions = {},
): PairedDifference {
  const difference = (selection: Uint32Array) => second(selection) - first(selection);
  const values = draws(samples, difference, options);
  const below = values.filter((value) => value <= 0).length;
  const above = values.filter((value) => value >= 0).length;
  const p = Math.min(1, Math.max(1, 2 * Math.min(below, above)) / values.length);
  const all = Uint32Array.from({ length: samples }, (_, i) => i);
  return { difference: difference(all), interval: intervalOf(values, options.confidence ?? 0.95), p };
}

function draws(samples: number, figure: (selection: Uint32Array) => number, options: BootstrapOptions): number[] {
  const { resamples = 1000, seed = 0 } = options;
  for (const [name, value] of Object.entries({ resamples, samples })) {
    if (Number.isInteger(value) && value >= 1) continue;
    throw new OptionsError("E2002", `bootstrap: invalid ${name} ${value}, expected a whole number from 1`, {
      actual: value,
    });
  }
  const values: number[] = [];
  for (let draw = 0; draw < resamples; draw++) {
    const random = createRandom(seed, draw);
    const value = figure(Uint32Array.from({ length: samples }, () => random.below(samples)));
    if (!Number.isNaN(value)) values.push(value);
  }
  return values;
}

function intervalOf(values: readonly number[], confidence: number): Interval {
  const [low, high] = quantiles(values, [(1 - confidence) / 2, (1 + confidence) / 2]) as [number, number];
  return { low, high };
}
