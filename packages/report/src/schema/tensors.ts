import { z } from "zod";
import { boxesSchema, encodingSchema, kindSchema, numbers } from "./numbers.js";

/** One row of the range table, as MathWorks' equalization page prints it. */
export const rangeSchema = z.object({
  layer: z.string(),
  tensor: z.string(),
  kind: kindSchema,
  min: z.number(),
  max: z.number(),
});
export type RangeRow = z.infer<typeof rangeSchema>;

/** Values of one channel by the place of their most significant bit; fields as in {@link msbSchema}. */
const msbChannelSchema = z.object({
  channel: z.int(),
  first: z.int(),
  positive: numbers,
  negative: numbers,
  zeros: z.number(),
  total: z.number(),
  overflow: z.number(),
  underflow: z.number(),
});
export type MsbChannel = z.infer<typeof msbChannelSchema>;

/** Values of one tensor by the place of their most significant bit (MathWorks' quantization page). */
export const msbSchema = z.object({
  layer: z.string(),
  tensor: z.string(),
  kind: kindSchema,
  /** Exponent of the first entry of both lists: 2^first ≤ |x| < 2^(first+1). */
  first: z.int(),
  positive: numbers,
  negative: numbers,
  zeros: z.number(),
  /** Finite values, zeros included. */
  total: z.number(),
  encoding: encodingSchema.nullable(),
  /** Values that saturate, and nonzero values that become 0; null without an encoding. */
  overflow: z.number().nullable(),
  underflow: z.number().nullable(),
  /** Counted value by value; false: interpolated in a histogram. */
  exact: z.boolean(),
  /** A few values of the tensor, for the worked example. */
  examples: numbers.optional(),
  /** Output channels of a weight, or channels of an activation: those that lose most to overflow and underflow. */
  channels: z.array(msbChannelSchema).optional(),
  /** Channels of the tensor, those left out too. */
  channelCount: z.int().optional(),
});
export type MsbRow = z.infer<typeof msbSchema>;

/** Weights of one layer in one state of the network. */
const weightStateSchema = z.object({ channels: boxesSchema, encoding: encodingSchema.nullable() });
export type WeightState = z.infer<typeof weightStateSchema>;

/** Weights of one layer by output channel, before and after the float steps. */
export const layerWeightsSchema = z.object({
  layer: z.string(),
  opType: z.string(),
  before: weightStateSchema.nullable(),
  after: weightStateSchema.nullable(),
});
export type LayerWeights = z.infer<typeof layerWeightsSchema>;

/** Histogram of one value with the range that each chooser picks. */
export const histogramSchema = z.object({
  layer: z.string(),
  tensor: z.string(),
  /** Edges in real units, one more than counts. */
  edges: numbers,
  counts: numbers,
  thresholds: z.array(z.object({ chooser: z.string(), min: z.number(), max: z.number() })),
  /** The chooser whose range was used. */
  used: z.string().optional(),
});
export type HistogramRow = z.infer<typeof histogramSchema>;
