import type { OutputError } from "../analyze/output-error.js";
import type { OutputProbe } from "../analyze/output-probe.js";
import { RunError } from "../errors.js";
import { type ExternalReader, type Model, parseModel } from "../graph/index.js";
import type { TransformContext } from "../runtime/index.js";
import { sessionSource } from "../runtime/session-source.js";

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
async function verifyBytes(bytes: Uint8Array, probe: OutputProbe, context: TransformContext): Promise<Verification> {
  parseModel(bytes, { file: "result" });
  return verify(bytes, probe, context);
}

/**
 * {@link verifyBytes} for models of any size: over `maxEmbeddedBytes` of weights (default: 1.5 GiB) they are reopened in
 * parts, as they are saved.
 */
export async function verifyModel(
  model: Model,
  probe: OutputProbe,
  context: TransformContext,
  maxEmbeddedBytes?: number,
): Promise<Verification> {
  const { bytes, externalData } = sessionSource(model, maxEmbeddedBytes);
  if (externalData.length === 0) return verifyBytes(bytes, probe, context);
  const parts = new Map(externalData.map(({ path, data }) => [path, data]));
  const external: ExternalReader = (location, offset, length) => parts.get(location)!.subarray(offset, offset + length);
  return verify(parseModel(bytes, { file: "result", external }), probe, context);
}

async function verify(
  result: Model | Uint8Array,
  probe: OutputProbe,
  context: TransformContext,
): Promise<Verification> {
  const runtime = await probe.measure(result, context);
  if (!(runtime.maxDrift < Number.POSITIVE_INFINITY)) {
    throw new RunError("E7001", "verify: the result gives NaN or Inf", {
      hint: "quantize again with --calibrator mse, or exclude layers",
    });
  }
  // Executing the graph literally is slow: a few samples show whether kernels saturate.
  const head = probe.head();
  const kernels = await head.measure(result, context);
  const literal = await head.measure(result, context, { optimization: "disabled" });
  const loss = literal.sqnrDb - kernels.sqnrDb;
  return { samples: probe.dataset.length, runtime, kernelLossDb: Number.isFinite(loss) ? loss : 0 };
}
