import { z } from "zod";
import { numbers } from "./numbers.js";
import { validationSchema } from "./validation.js";

/** A layer of the network: what a selection means. */
export const layerSchema = z.object({
  name: z.string(),
  opType: z.string(),
  /** Shape of the weight. */
  shape: z.array(z.int()),
  parameters: z.int(),
  /** Bytes of weight and bias before, and as stored after. */
  bytesBefore: z.number(),
  bytesAfter: z.number(),
  /** Bits of the stored weights; 32 is float. */
  bits: z.int(),
});
export type LayerRow = z.infer<typeof layerSchema>;

/** The folded graph that was quantized: `inputs` are positions of the nodes that a node reads. */
export const graphSchema = z.object({
  nodes: z.array(
    z.object({
      name: z.string(),
      opType: z.string(),
      inputs: z.array(z.int()),
      parameters: z.int(),
      /** Sizes of the first output for one sample, when observed. */
      shape: z.array(z.int()).nullable(),
    }),
  ),
});
export type GraphSection = z.infer<typeof graphSchema>;

/** One step of a recipe: effect on the outputs of the quantized network. */
export const stepSchema = z.looseObject({
  step: z.string(),
  kept: z.boolean(),
  note: z.string(),
  error: z.looseObject({ sqnrDb: z.number(), agreement: z.number().nullable() }),
});
export type StepRow = z.infer<typeof stepSchema>;

const maximaSchema = z.object({
  producer: numbers,
  consumer: numbers,
  /** Largest |value| of the channels between them; left out without statistics. */
  activations: numbers.optional(),
});

/** Channel maxima of a pair of layers that share their channels, before and after (Fig. 3 of Meller et al. 2019). */
const pairSchema = z.object({
  producer: z.string(),
  consumer: z.string(),
  before: maximaSchema,
  after: maximaSchema,
});
export type MaximaPair = z.infer<typeof pairSchema>;

/** Ratio of the largest to the smallest channel range of a layer. */
const spreadSchema = z.object({ layer: z.string(), before: z.number(), after: z.number() });

export const equalizationSchema = z.object({
  method: z.string(),
  spreads: z.array(spreadSchema),
  pairs: z.array(pairSchema),
  undone: z.array(z.object({ layers: z.array(z.string()), reason: z.string() })),
});
export type EqualizationSection = z.infer<typeof equalizationSchema>;

/** Accuracy at every iteration of one score; sparsity and accuracy 0–1. */
const pruningCurveSchema = z.object({
  method: z.string(),
  points: z.array(
    z.object({
      sparsity: z.number(),
      accuracy: z.number(),
      low: z.number().optional(),
      high: z.number().optional(),
    }),
  ),
});
export type PruningCurve = z.infer<typeof pruningCurveSchema>;

export const pruningSchema = z.object({
  /** Accuracy of the network before, 0–1. */
  original: z.number().nullable(),
  curves: z.array(pruningCurveSchema),
  /** The network that was chosen. */
  method: z.string().optional(),
  /** The network before against the chosen one: whether some classes pay more than others (MathWorks' pruning page). */
  validation: validationSchema.optional(),
  layers: z.array(z.object({ layer: z.string(), sparsity: z.number(), channels: z.int(), removed: z.int() })),
});
export type PruningSection = z.infer<typeof pruningSchema>;

/** Something to know, with its reason and what helps. */
export const findingSchema = z.object({
  layer: z.string().nullable(),
  severity: z.enum(["error", "warning", "info"]),
  text: z.string(),
  reason: z.string(),
  remedy: z.string().optional(),
});
export type Finding = z.infer<typeof findingSchema>;

/** Share of values whose range had settled after n samples, n = 1…. */
export const convergenceSchema = z.object({ curve: numbers, stableAfter: z.int() });
export type ConvergenceSection = z.infer<typeof convergenceSchema>;
