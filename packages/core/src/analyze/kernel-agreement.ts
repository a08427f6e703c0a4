import { type Dataset, spread } from "../data/index.js";
import { requireRunner, type Session, type TransformContext } from "../runtime/index.js";
import { isQuantized } from "./int8-coverage.js";
import { type ModelUnderTest, runSamples } from "./model-under-test.js";
import type { OutputDifferenceSummary } from "./output-difference.js";
import { OutputComparison } from "./output-error.js";

/** Samples of the check. */
const KERNEL_SAMPLES = 32;

/** Below this the kernels compute something else than the file says; rounding alone stays well above. */
export const KERNEL_SQNR_DB = 20;

/**
 * Outputs of a quantized model as ONNX Runtime executes it, against the same graph executed literally (optimizations
 * off), on up to 32 samples. They differ by a rounding step, which a network that is not sure of its answer makes larger; on a
 * processor whose integer kernels saturate (x86 without VNNI adds two products in 16 bits) a large difference is theirs.
 * Undefined for models without quantization nodes.
 */
export async function kernelAgreement(
  under: ModelUnderTest,
  dataset: Dataset,
  context: TransformContext,
): Promise<OutputDifferenceSummary | undefined> {
  if (!isQuantized(under.model)) return undefined;
  const runner = requireRunner(context, "validate");
  const samples = spread(dataset, KERNEL_SAMPLES);
  const comparison = new OutputComparison();
  const run = async (literal: Session, optimized: Session) => {
    const reading = { batchSize: 4, ...(context.signal && { signal: context.signal }) };
    for await (const batch of under.feed.over(samples).batches(reading)) {
      const expected = await runSamples(literal, under, batch, context.signal);
      comparison.add(expected, await runSamples(optimized, under, batch, context.signal), batch);
    }
    const outputs = comparison.outputs();
    return outputs.reduce((worst, output) => (output.sqnrDb < worst.sqnrDb ? output : worst));
  };
  const open = { purpose: "validate", spinning: false };
  return runner.using(
    under.model,
    (literal) => runner.using(under.model, (optimized) => run(literal, optimized), open),
    { ...open, optimization: "disabled" },
  );
}
