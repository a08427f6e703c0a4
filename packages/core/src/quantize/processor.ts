import { type SessionOptions, sumsExactly, type TransformContext } from "../runtime/index.js";
import { QUANTIZE_OPTIONS, type QuantizeOptions } from "./definition.js";
import { type TargetName, targetSpec } from "./targets.js";

const DEFAULT_TARGET = QUANTIZE_OPTIONS.target.default as TargetName;

/** The optimizer that turns Q/DQ pairs and what is between them into integer kernels. */
const INTEGER_KERNELS = "QDQSelectorActionTransformer";

/**
 * Options with the `processor` that the context's runner runs on, measured, where the target's kernels depend on it and
 * the options leave it open. Without a runner, and in a browser, whose kernels are others, they stay as they are.
 */
export async function forThisProcessor<O extends QuantizeOptions>(options: O, context: TransformContext): Promise<O> {
  const { runner } = context;
  if (
    runner?.backend !== "node" ||
    options.processor !== undefined ||
    !targetSpec(options.target ?? DEFAULT_TARGET).pairedSums
  )
    return options;
  return { ...options, processor: (await sumsExactly(runner)) ? "vnni" : "avx2" };
}

/**
 * The context in which a file of `target` computes here what it computes there: where this processor's integer kernels add in
 * pairs and the target's do not, Q/DQ pairs stay float operators that scale, saturate and round.
 */
export async function contextOf(target: TargetName | undefined, context: TransformContext): Promise<TransformContext> {
  const { runner } = context;
  if (!runner || targetSpec(target ?? DEFAULT_TARGET).pairedSums || (await sumsExactly(runner))) return context;
  const literal = (options: SessionOptions = {}): SessionOptions => ({
    ...options,
    disabledOptimizers: [...(options.disabledOptimizers ?? []), INTEGER_KERNELS],
  });
  return {
    ...context,
    runner: {
      ...runner,
      open: (model, options) => runner.open(model, literal(options)),
      using: (model, use, options) => runner.using(model, use, literal(options)),
    },
  };
}
