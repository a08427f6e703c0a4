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
