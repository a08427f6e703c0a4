import { z } from "zod";

/** A list of numbers. */
export const numbers = z.array(z.number());

/** Integer type of a tensor with its step: `x̂ = scale·(q − zeroPoint)`, q from qmin to qmax. One scale, or one a channel. */
export const encodingSchema = z.object({
  scale: numbers,
  zeroPoint: numbers,
  dtype: z.string(),
  bits: z.int(),
  axis: z.int().nullable(),
  qmin: z.number(),
  qmax: z.number(),
});
export type ReportEncoding = z.infer<typeof encodingSchema>;

/** Box statistics of all channels, one list a statistic, in real units, rounded to 4 significant digits. */
export const boxesSchema = z.object({ min: numbers, q1: numbers, median: numbers, q3: numbers, max: numbers });
export type Boxes = z.infer<typeof boxesSchema>;

/** What a value belongs to. */
export const kindSchema = z.enum(["weights", "bias", "activations"]);

/** A section that is only read: results of core, whose lists are read-only, fit too. */
export type Frozen<T> = T extends readonly (infer Item)[]
  ? readonly Frozen<Item>[]
  : T extends object
    ? { readonly [Key in keyof T]: Frozen<T[Key]> }
    : T;
