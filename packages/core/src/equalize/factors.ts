import type { ActivationStats, ChannelStats } from "../calibrate/channel-stats.js";
import type { ScaleClasses, ScaleFactors } from "./scale-classes.js";

/** Factors that change nothing. */
export function unitFactors(classes: ScaleClasses): Float64Array[] {
  return classes.classes.map(({ size }) => new Float64Array(size).fill(1));
}

/** Factor of every channel of a value; undefined where the value belongs to no class, so that all are 1. */
export function factorsOf(classes: ScaleClasses, factors: ScaleFactors, value: string): Float64Array | undefined {
  const own = classes.values.get(value);
  if (!own) return undefined;
  const ofClass = factors[own.class]!;
  return Float64Array.from(own.variables, (variable) => ofClass[variable]!);
}

/** Factors rounded to powers of two: multiplying float32 weights by them is exact. */
export function powerOfTwoFactors(factors: ScaleFactors): Float64Array[] {
  return factors.map((ofClass) => ofClass.map((factor) => 2 ** Math.round(Math.log2(factor))));
}

/**
 * Powers of two near the given factors that obey the rules: where a rule moves a factor, it goes on to the next power of two
 * in that direction.
 */
export function powerOfTwoWithin(factors: ScaleFactors, project: (factors: Float64Array[]) => void): Float64Array[] {
  const rounded = powerOfTwoFactors(factors);
  const allowed = rounded.map((ofClass) => ofClass.slice());
  project(allowed);
  return allowed.map((ofClass, id) =>
    ofClass.map((factor, variable) => {
      const exponent = Math.log2(factor);
      return 2 ** (factor > rounded[id]![variable]! ? Math.ceil(exponent) : Math.floor(exponent));
    }),
  );
}

/** Statistics of the network after scaling, from those before: ranges and means follow the factor, powers its square. */
export function scaleStats(stats: ActivationStats, classes: ScaleClasses, factors: ScaleFactors): ActivationStats {
  const scaled = new Map<string, ChannelStats>();
  for (const [value, own] of stats) {
    const by = factorsOf(classes, factors, value);
    if (by?.length !== own.max.length) {
      scaled.set(value, own);
      continue;
    }
    const times = (values: ArrayLike<number>) => by.map((factor, channel) => factor * values[channel]!);
    scaled.set(value, {
      min: times(own.min),
      max: times(own.max),
      mean: times(own.mean),
      meanSquare: by.map((factor, channel) => factor * factor * own.meanSquare[channel]!),
    });
  }
  return scaled;
}
