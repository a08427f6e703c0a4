import { ADA_ROUND_OPTIONS } from "../learn/definition.js";
import { integerStep } from "./state.js";

/** Learns which weights to round up, layer by layer; corrects biases on the way. */
export const adaRound = integerStep({
  use: "ada-round",
  label: "AdaRound: learn the rounding",
  help: "learns which weights to round up; pays below 8 bits",
  options: ADA_ROUND_OPTIONS,
  slow: true,
  title: () => "AdaRound",
  async apply(options, input, context) {
    const { adaRound: learn } = await import("../learn/index.js");
    return learn({ ...input, ...options }, context);
  },
});
