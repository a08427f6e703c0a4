import type { MsbRow } from "../schema.js";
import { bitExamples, isShown } from "./msb-bits.js";
import { superscript } from "./msb-heatmap.js";
import { fixedPointOf, limitsOf, lossesOf } from "./msb-type.js";
import { count, percent, significant } from "./text.js";

/** A power of two for people: `2⁻³`. */
const power = (exponent: number) => `2${superscript(exponent)}`;

/**
 * MathWorks' explanation of the heat map in eight sentences, with the values that the report kept of a row. Undefined without
 * values or an integer type.
 */
export function msbSteps(row: MsbRow): string[] | undefined {
  const { encoding, examples = [], layer, kind, total, zeros } = row;
  if (!encoding || examples.length === 0) return undefined;
  const type = fixedPointOf(encoding);
  if (!isShown(type)) return undefined;
  const worked = bitExamples(examples, type);
  const largest = worked.reduce((a, b) => ((b.msb ?? -999) > (a.msb ?? -999) ? b : a));
  const sums = new Map<number, number>();
  for (const { msb } of worked) if (msb !== null) sums.set(msb, (sums.get(msb) ?? 0) + 1);
  const columns = [...sums].sort(([a], [b]) => b - a).map(([e, n]) => `${n} × ${power(e)}`);
  const both = row.positive.map((n, at) => n + row.negative[at]!);
  const most = both.reduce((best, n, at) => (n > both[best]! ? at : best), 0);
  const { low, positive, negative } = limitsOf(encoding, "affine");
  const high = Math.max(positive, negative);
  const fates = worked
    .filter(({ fate }) => fate !== "exact" && fate !== "zero")
    .map(({ value, quantized, fate }) => `${significant(value, 5)} → ${significant(quantized, 5)} (${fate})`);
  const losses = lossesOf(row, "affine");
  const fixed = lossesOf(row, "power-of-two");
  return [
    `Values are logged: of ${count(total, "value")} of ${layer}, ${kind}, ${examples.length} are ${examples.map((x) => significant(x, 5)).join(", ")}.`,
    `Each is written in binary. Its most significant bit is the largest power of two in it: that of ${significant(largest.value, 5)} is ${largest.msb === null ? "none" : power(largest.msb)}.`,
    `Words are aligned and most significant bits are added up column by column: ${columns.join(", ") || "none"}.`,
    both.length === 0
      ? "Over all values there is no such bit: all of them are zero."
      : `Over all values the column ${power(row.first + most)} holds most, ${percent(both[most]! / Math.max(total, 1))}: the darkest cell of the row. ${percent(zeros / Math.max(total, 1))} are exactly zero and have a column of their own.`,
    `A type of ${encoding.bits} bits is chosen that covers the range: bits ${power(type.msb)} to ${power(type.lsb)}${type.signed ? " and a sign" : ""}.`,
    `Bits outside of it are removed: ${fates.join(", ") || "these values lose nothing"}.`,
    `In the heat map those columns are gray: above ${power(type.msb)} values overflow, below ${power(type.lsb - 1)} they become 0. In that type ${percent(fixed?.overflow ?? 0)} overflow and ${percent(fixed?.underflow ?? 0)} underflow.`,
    `The exported ${encoding.dtype} has ${encoding.scale.length > 1 ? "a scale a channel" : `the scale ${significant(encoding.scale[0]!, 4)}`}, not a power of two: gray begins at ${significant(high)} and below ${significant(low)}${losses ? `, and ${percent(losses.overflow)} overflow, ${percent(losses.underflow)} underflow, counted` : ""}.`,
  ];
}
