import type { HeldOutVerdict } from "../correct/hold-out.js";
import type { TransformReport } from "../runtime/index.js";
import type { RoundedLayer } from "./round-layer.js";

/** Samples the effect is checked on, at most. */
export const CHECK_SAMPLES = 64;

/** How a tuning was judged. */
export interface TuningVerdict extends HeldOutVerdict {
  /** Samples that were learned from. */
  readonly samples: number;
}

/** What `tuneBiases` did. */
export interface TuneBiasesReport extends TransformReport, TuningVerdict {
  readonly transform: "tuneBiases";
  /** False when it was cancelled before the last epoch: biases are those learned until then. */
  readonly complete: boolean;
  /** Rate at the end and mean loss of every epoch, the last one as far as it went. */
  readonly epochs: readonly { readonly rate: number; readonly loss: number }[];
  /** Largest move of each layer's bias, and the root mean square of the bias it moved from, in units of the layer's output. */
  readonly layers: readonly {
    readonly layer: string;
    readonly opType: string;
    readonly maxShift: number;
    readonly rmsBias: number;
  }[];
}

/** What `adaRound` did. */
export interface AdaRoundReport extends TransformReport, TuningVerdict {
  readonly transform: "adaRound";
  /** In topological order. */
  readonly layers: readonly RoundedLayer[];
}
