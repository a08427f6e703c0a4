import { z } from "zod";
import { numbers } from "./numbers.js";

/** Ratios in dB, −300 … 300, by what is quantized. */
const byKindSchema = z.object({ weights: z.number(), activations: z.number().nullable(), both: z.number() });

const agreementSchema = z.object({
  medianErrorDb: z.number(),
  largestErrorDb: z.number(),
  correlation: z.number(),
  layers: z.int(),
});

const agreementsSchema = z.object({ weights: agreementSchema, activations: agreementSchema });

/** Everything measured and predicted of one layer; as core's `LayerSqnr`. */
const layerSqnrSchema = z.object({
  layer: z.string(),
  opType: z.string(),
  value: z.string(),
  weight: z.object({ measuredDb: z.number(), uniformDb: z.number(), optimalDb: z.number() }),
  activation: z.object({ uniformDb: z.number(), optimalDb: z.number() }).nullable(),
  predicted: z.object({ ranges: byKindSchema, refined: byKindSchema }),
  local: byKindSchema,
  cumulative: byKindSchema.nullable(),
  findings: z.array(z.object({ kind: z.string(), text: z.string(), amount: z.number() })),
});
export type LayerSqnrRow = z.infer<typeof layerSqnrSchema>;

/** Signal-to-noise ratios of the quantized network; a part of core's `SqnrReport`. */
export const sqnrSchema = z.object({
  samples: z.int(),
  random: z.boolean(),
  layers: z.array(layerSqnrSchema),
  agreement: z.object({ ranges: agreementsSchema, refined: agreementsSchema }),
});
export type SqnrSection = z.infer<typeof sqnrSchema>;

const curve = z.array(z.number().nullable());

/** States of one network side by side (Figs. 5 and 6); as core's `SqnrCurves`. */
export const curvesSchema = z.object({
  layers: z.array(z.string()),
  states: z.array(
    z.object({
      state: z.string(),
      weights: numbers,
      activations: curve,
      weightUniform: numbers,
      activationUniform: curve,
      cumulative: numbers,
    }),
  ),
  optimal: z.object({ weights: numbers, activations: curve }),
});
export type CurvesSection = z.infer<typeof curvesSchema>;
