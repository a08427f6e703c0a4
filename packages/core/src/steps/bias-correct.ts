import { CORRECT_OPTIONS } from "../correct/definition.js";
import { integerStep } from "./state.js";

/** Takes away the mean shift that rounding leaves in each channel. */
export const biasCorrect = integerStep({
  use: "bias-correct",
  label: "Correct biases",
  help: "the mean shift that rounding leaves in each channel is taken away",
  options: CORRECT_OPTIONS,
  flag: "method",
  correctsBiases: true,
  title: () => "bias",
  async apply(options, { calibration: _calibration, ...input }, context) {
    const { correctBiases } = await import("../correct/index.js");
    return correctBiases({ ...input, ...options }, context);
  },
});
