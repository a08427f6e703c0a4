import { OLDER_QUANTIZE_KEYS, QUANTIZE_OPTIONS, renewQuantizeOptions } from "../quantize/definition.js";
import { ownStep } from "./state.js";

/** Quantizes with these options; exactly one in a recipe. */
export const quantize = ownStep({
  use: "quantize",
  phase: "quantize",
  label: "Quantize",
  help: "weights and activations become integers",
  options: QUANTIZE_OPTIONS,
  older: OLDER_QUANTIZE_KEYS,
  renew: renewQuantizeOptions,
  title({ weights, weightBits, granularity, activations, target, calibrator, exclude }) {
    const bits = weightBits ?? Number(/\d+/.exec(weights ?? "int8"));
    const floats = exclude?.length ?? 0;
    const parts = [
      `${weights === "uint8" ? "uint" : "int"}${bits} ${(granularity ?? "per-tensor").replace("-", " ")}`,
      activations,
      target === "ort-cpu" ? undefined : target,
      calibrator === "tail" ? undefined : (calibrator ?? (QUANTIZE_OPTIONS.calibrator.default as string)),
      floats > 0 ? `${floats} in float` : undefined,
    ];
    return parts.filter((part) => part !== undefined).join(" · ");
  },
});
