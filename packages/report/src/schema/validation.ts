import { z } from "zod";

const intervalSchema = z.object({ low: z.number(), high: z.number() });

const accuracySchema = z.looseObject({
  top1: z.number(),
  top1Interval: intervalSchema,
  top5: z.number(),
  perClass: z.array(
    z.looseObject({
      class: z.int(),
      name: z.string(),
      samples: z.int(),
      correct: z.int(),
      accuracy: z.number(),
    }),
  ),
  confusion: z.object({
    classes: z.int(),
    /** [true class, answered class, samples]; zeros are left out. */
    entries: z.array(z.tuple([z.int(), z.int(), z.int()])),
  }),
});
export type AccuracySection = z.infer<typeof accuracySchema>;

const measuresSchema = z.looseObject({
  top1: z.number().nullable(),
  top5: z.number().nullable(),
  accuracy: accuracySchema.nullable(),
  bytes: z.number(),
  latencyMs: z.number().nullable(),
});

const figuresSchema = z.object({
  figures: z.record(z.string(), z.number().nullable()),
  interval: intervalSchema.nullable(),
});

/** What the model was judged by where a task was named. */
const taskSchema = z.looseObject({
  task: z.string(),
  against: z.enum(["labels", "float"]),
  decoder: z.string(),
  /** The first one is judged. */
  metrics: z
    .array(z.looseObject({ name: z.string(), better: z.enum(["higher", "lower"]), unit: z.enum(["share", "own"]) }))
    .min(1),
  samples: z.int(),
  baseline: figuresSchema.nullable(),
  candidate: figuresSchema,
  drop: z.number().nullable(),
  paired: z.looseObject({ p: z.number() }).nullable(),
});
export type TaskSection = z.infer<typeof taskSchema>;

/** Part of core's `ValidationReport` that is shown; the rest is kept. */
export const validationSchema = z.looseObject({
  samples: z.int(),
  random: z.boolean(),
  baseline: measuresSchema.nullable(),
  candidate: measuresSchema,
  task: taskSchema.nullable().optional(),
  drop: z.number().nullable(),
  agreement: z.number().nullable(),
  mcNemar: z.looseObject({ onlyBaseline: z.int(), onlyCandidate: z.int(), p: z.number() }).nullable(),
  evenDrop: z.looseObject({ statistic: z.number(), degreesOfFreedom: z.number(), p: z.number() }).nullable(),
});
export type ValidationSection = z.infer<typeof validationSchema>;

/** Error of the outputs by sample, in dB, −300 … 300; evenly spread over the samples where there are many. */
export const sampleErrorsSchema = z.object({
  /** Whose samples: those that were validated, or some of the calibration data. */
  source: z.enum(["validation", "calibration"]),
  /** Samples that were run, those left out too. */
  total: z.int(),
  rows: z.array(
    z.object({
      id: z.string(),
      sqnrDb: z.number(),
      label: z.int().nullable(),
      /** Whether the answer is the same as before. */
      same: z.boolean(),
    }),
  ),
});
export type SampleErrorsSection = z.infer<typeof sampleErrorsSchema>;

/** Time of one run at batch 1, in ms: the same runtime and threads for every row. */
export const latencySchema = z.object({
  runtime: z.string(),
  threads: z.int().nullable(),
  rows: z.array(z.object({ name: z.string(), medianMs: z.number(), minMs: z.number() })),
});
export type LatencySection = z.infer<typeof latencySchema>;
