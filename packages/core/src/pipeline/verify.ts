import type { OutputError, OutputProbe } from "../analyze/output-probe.js";
import { RunError } from "../errors.js";
import { parseModel } from "../graph/index.js";
import type { TransformContext } from "../runtime/index.js";

/** What was checked before a file may be called done. */
export interface Verification {
  /** Samples the reopened file was run on. */
  readonly samples: number;
  /** Its outputs against the original's, as the runtime executes it. */
  readonly runtime: OutputError;
  /**
   * Output SQNR in dB that this processor's integer kernels lose against literal execution, on the first samples:
   * well above 0 where they saturate.
   */
  readonly kernelLossDb: number;
}

/**
 * Reopens the bytes of a result, runs them and compares with the original's outputs. «Done» is said only after this.
 * @throws {RunError} E6003 the runtime cannot load it; E7001 its outputs are not finite.
 */
export async function verifyBytes(
  bytes: Uint8Array,
  probe: OutputProbe,
  context: TransformContext,
): Promise<Verification> {
  parseModel(bytes, { file: "result" });
  const runtime = await probe.measure(bytes, context);
  if (!(runtime.maxDrift < Number.POSITIVE_INFINITY)) {
    throw new RunError("E7001", "verify: the result gives NaN or Inf", {
      hint: "quantize again with --calibrator mse, or exclude layers",
    });
  }
  // Executing the graph literally is slow: a few samples show whether kernels saturate.
  const head = probe.head();
  const kernels = await head.measure(bytes, context);
  const literal = await head.measure(bytes, context, { optimization: "disabled" });
  const loss = literal.sqnrDb - kernels.sqnrDb;
  return { samples: probe.dataset.length, runtime, kernelLossDb: Number.isFinite(loss) ? loss : 0 };
}
