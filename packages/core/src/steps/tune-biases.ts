import { TUNE_BIASES_OPTIONS } from "../learn/definition.js";
import { integerStep } from "./state.js";

/** Moves biases by gradients until the quantized network's output comes closest to the float network's. */
export const tuneBiases = integerStep({
  use: "tune-biases",
  label: "Tune biases",
  help: "moves biases by gradients towards the float network's output",
  options: TUNE_BIASES_OPTIONS,
  slow: true,
  title: () => "tuned biases",
  async apply(options, { calibration: _calibration, ...input }, context) {
    const { tuneBiases: learn } = await import("../learn/index.js");
    return learn({ ...input, ...options }, context);
  },
});
