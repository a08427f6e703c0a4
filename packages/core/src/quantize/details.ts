import { labelOf } from "../graph/index.js";
import type { QuantizationPlan } from "./apply-qdq.js";

/** One quantized learnable parameter, as a row of `QuantizedLearnables` of MathWorks' quantizationDetails; `Constant` is what Add, Mul or Concat read beside data. */
export interface LearnableDetails {
  readonly layer: string;
  readonly parameter: "Weights" | "Bias" | "Constant";
  readonly shape: readonly number[];
  readonly dtype: string;
}

/** What was quantized, as MathWorks' quantizationDetails says it: IsQuantized, TargetLibrary, QuantizedLayerNames, QuantizedLearnables. */
export interface QuantizationDetails {
  readonly isQuantized: boolean;
  /** `null` for a file that does not say. */
  readonly target: string | null;
  /** Layers and operators that run on integers, fused activations and folded BatchNormalizations included, in graph order. */
  readonly quantizedLayerNames: readonly string[];
  readonly learnables: readonly LearnableDetails[];
}

export function quantizationDetails(plan: QuantizationPlan, target: string): QuantizationDetails {
  const parameters = plan.parameters.flatMap(({ layer, weight, bias }): LearnableDetails[] => {
    const name = labelOf(layer.node);
    const rows: LearnableDetails[] = [
      { layer: name, parameter: "Weights", shape: weight.data.dims, dtype: weight.encoding.dtype },
    ];
    if (bias) {
      rows.push({
        layer: name,
        parameter: "Bias",
        shape: [layer.outChannels],
        dtype: bias.data?.dtype ?? "float32",
      });
    }
    return rows;
  });
  const constants = plan.constants.map(({ value, readers, data, encoding }): LearnableDetails => {
    const [reader] = readers;
    const layer = reader ? labelOf(reader) : value;
    return { layer, parameter: "Constant", shape: data.dims, dtype: encoding.dtype };
  });
  const learnables = [...parameters, ...constants];
  return {
    isQuantized: plan.placement.nodes.size > 0,
    target,
    quantizedLayerNames: [...plan.placement.nodes].map(labelOf),
    learnables,
  };
}
