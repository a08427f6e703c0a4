import { type EqualizeReport, equalize } from "../equalize/index.js";
import type { Model } from "../graph/index.js";
import type { TransformContext } from "../runtime/index.js";
import { shapesOf } from "./collect.js";
import { equalizationInput } from "./equalization-input.js";

/** Options for {@link equalizeDynamic}. */
export interface DynamicEqualization {
  /** Of the weights. Default: `'per-channel'`. */
  granularity?: "per-tensor" | "per-channel";
  /** Of the weights. Default: 8. */
  weightBits?: number;
  /** Activations that are rounded. Default: what MatMul and Gemm with a constant weight read. */
  values?: readonly string[];
}

/**
 * Equalizes a network whose layers find the range of their input in every run (DynamicQuantizeLinear), in place: channels are scaled through
 * normalisations, attention and gates, and by a Mul where a residual stream pins them. Reads the samples of `context.data`. The float function
 * stays the same.
 * @throws as `equalize` and `calibrate`.
 */
export async function equalizeDynamic(
  model: Model,
  { granularity = "per-channel", weightBits = 8, values }: DynamicEqualization,
  context: TransformContext,
): Promise<EqualizeReport> {
  const shapes = await shapesOf(model, context);
  const quantize = { granularity, weightBits };
  const noise = { activations: "dynamic", ...(values && { quantized: values }) } as const;
  const input = await equalizationInput(model, shapes, quantize, context, noise);
  return equalize(input)(model, context);
}
