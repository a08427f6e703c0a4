import type { TransformReport } from "../runtime/index.js";
import type { CorrectionMethod } from "./options.js";

/** How far the bias of one layer moved. */
export interface LayerCorrection {
  readonly layer: string;
  readonly opType: string;
  /** Largest and mean |E[y_float] − E[y_quantized]| over output channels, in units of the layer's output. */
  readonly maxShift: number;
  readonly meanShift: number;
}

/** What `correctBiases` did. */
export interface BiasCorrectionReport extends TransformReport {
  readonly transform: "correctBiases";
  readonly method: CorrectionMethod;
  /** Samples the means were taken over. */
  readonly samples: number;
  /** Samples the effect was checked on. */
  readonly checkSamples: number;
  /** True when no sample of the check was used for the means. */
  readonly heldOut: boolean;
  /** In topological order. */
  readonly layers: readonly LayerCorrection[];
  /** Output SQNR against the float model before and after, in dB; 300 stands for no difference at all. */
  readonly sqnrDbBefore: number;
  readonly sqnrDbAfter: number;
  /** False when the biases are as they were. */
  readonly kept: boolean;
  /** One sentence that says why it was kept or undone. */
  readonly reason: string;
  /** Most bytes of cut values held at one time. */
  readonly cacheBytes: number;
}
