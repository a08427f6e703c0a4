import { count, oneOf } from "../option.js";

/** Options of `correctBiases` that a person chooses. */
export const CORRECT_OPTIONS = {
  method: oneOf(
    "bias correction",
    { sequential: "layer by layer, on corrected predecessors", parallel: "all layers at once" },
    { default: "sequential", main: true },
  ),
  samples: count("images for the means", { label: "Images", min: 1, default: 64 }),
} as const;
