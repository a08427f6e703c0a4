import { z } from "zod";
import {
  convergenceSchema,
  equalizationSchema,
  findingSchema,
  graphSchema,
  layerSchema,
  pruningSchema,
  stepSchema,
} from "./schema/network.js";
import { curvesSchema, sqnrSchema } from "./schema/sqnr.js";
import { histogramSchema, layerWeightsSchema, msbSchema, rangeSchema } from "./schema/tensors.js";
import { latencySchema, sampleErrorsSchema, validationSchema } from "./schema/validation.js";

export * from "./schema/network.js";
export * from "./schema/numbers.js";
export * from "./schema/sqnr.js";
export * from "./schema/tensors.js";
export * from "./schema/validation.js";

/** Name and version of report.json. A field is never removed within a major version. */
export const REPORT_SCHEMA = "equant.report/1";

const fileSchema = z.looseObject({ sha256: z.string(), bytes: z.number(), path: z.string().optional() });

/**
 * report.json: everything a run learned. Sections are there when the run had them; charts and tables are views of it.
 * Ratios in dB lie in −300 … 300 (300: no noise at all), shares in 0–1.
 */
export const reportSchema = z.looseObject({
  schema: z.literal(REPORT_SCHEMA),
  /** Heading of report.html. */
  title: z.string().optional(),
  tool: z.object({ name: z.string(), version: z.string() }),
  model: fileSchema.nullable(),
  output: fileSchema.optional(),
  recipe: z.array(z.looseObject({ use: z.string() })),
  data: z.record(z.string(), z.unknown()).optional(),
  /** Samples that statistics of activations were taken on. */
  samples: z.int().optional(),
  random: z.boolean().optional(),
  steps: z.array(stepSchema),
  findings: z.array(findingSchema),
  layers: z.array(layerSchema),
  graph: graphSchema.optional(),
  ranges: z.array(rangeSchema).optional(),
  msb: z.array(msbSchema).optional(),
  weights: z.array(layerWeightsSchema).optional(),
  histograms: z.array(histogramSchema).optional(),
  sqnr: sqnrSchema.optional(),
  curves: curvesSchema.optional(),
  equalization: equalizationSchema.optional(),
  pruning: pruningSchema.optional(),
  convergence: convergenceSchema.optional(),
  validation: validationSchema.optional(),
  sampleErrors: sampleErrorsSchema.optional(),
  latency: latencySchema.optional(),
});
export type Report = z.infer<typeof reportSchema>;
