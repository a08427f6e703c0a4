import { z } from "zod";
import { EQUALIZE_OR_CLE, RELU6_OR_AUTO } from "../options/equalize-words.js";
import { FORMATS, TARGETS } from "../options/quantize-flags.js";

/**
 * The steps a recipe may name, each with the schema of its options. Adding a step: one entry here. Option names are
 * those of the command's flags in camelCase, so that a step's values can serve as defaults of the flags.
 */

/** `perTensor`-style overrides of layers matched by a glob. */
const override = z
  .strictObject({
    match: z.string().describe("glob over node names"),
    weights: z.string().describe("weight type, or float32 to leave the layer alone").optional(),
    activations: z.string().optional(),
  })
  .describe("settings for the layers that match");

export const STEPS = {
  fold: z.strictObject({
    use: z.literal("fold"),
  }),
  "dead-channels": z.strictObject({
    use: z.literal("dead-channels"),
    observed: z.boolean().describe("also channels that were constant on all calibration data").optional(),
  }),
  equalize: z.strictObject({
    use: z.literal("equalize"),
    method: z.enum(EQUALIZE_OR_CLE).optional(),
    smax: z.number().gt(1).describe("largest factor of a channel").optional(),
    relu6: z.enum(RELU6_OR_AUTO).describe("how Clip(0, 6) is treated").optional(),
  }),
  prune: z.strictObject({
    use: z.literal("prune"),
    method: z.enum(["magnitude", "synflow", "taylor", "random"]).optional(),
    sparsity: z.number().min(0).lt(1).optional(),
    steps: z.int().min(1).optional(),
    schedule: z.enum(["linear", "exponential"]).optional(),
    scope: z.enum(["global", "layer"]).optional(),
    granularity: z.string().describe("weights, channels, or N:M such as 2:4").optional(),
    count: z.enum(["channels", "macs"]).describe("what sparsity counts of channels").optional(),
    fineTuneEpochs: z.int().min(1).describe("training after every step").optional(),
    rate: z.number().gt(0).describe("learning rate").optional(),
  }),
  quantize: z.strictObject({
    use: z.literal("quantize"),
    weights: z.string().describe("int8, or another type").optional(),
    activations: z.string().describe("uint8, or another type").optional(),
    granularity: z.enum(["per-tensor", "per-channel"]).optional(),
    calibrator: z.string().describe("min-max, tail, percentile:99.99, entropy or mse").optional(),
    target: z.enum(TARGETS).optional(),
    format: z.enum(FORMATS).optional(),
    exclude: z.array(z.string()).describe("globs of layers that stay float").optional(),
    overrides: z.array(override).optional(),
  }),
  "bias-correct": z.strictObject({
    use: z.literal("bias-correct"),
    method: z.enum(["sequential", "parallel"]).optional(),
    samples: z.int().min(1).optional(),
  }),
  "ada-round": z.strictObject({
    use: z.literal("ada-round"),
    samples: z.int().min(2).describe("images to learn from and to check on").optional(),
    iterations: z.int().min(0).describe("gradient steps a layer; 0: only the descent over single weights").optional(),
  }),
  "tune-biases": z.strictObject({
    use: z.literal("tune-biases"),
    samples: z.int().min(2).describe("images to learn from and to check on").optional(),
    epochs: z.int().min(1).optional(),
    rate: z.number().gt(0).describe("learning rate, in units of each layer's output").optional(),
  }),
} as const;

export type StepName = keyof typeof STEPS;
export type StepConfig = { [K in StepName]: z.infer<(typeof STEPS)[K]> }[StepName];
export const STEP_NAMES = Object.keys(STEPS) as StepName[];
