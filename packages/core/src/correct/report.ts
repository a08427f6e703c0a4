import type { TransformReport } from "../runtime/index.js";
import type { HeldOutVerdict } from "./hold-out.js";
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
export interface BiasCorrectionReport extends TransformReport, HeldOutVerdict {
  readonly transform: "correctBiases";
  readonly method: CorrectionMethod;
  /** Samples the means were taken over. */
  readonly samples: number;
  /** In topological order. */
  readonly layers: readonly LayerCorrection[];
  /** Most bytes of cut values held at one time. */
  readonly cacheBytes: number;
}
