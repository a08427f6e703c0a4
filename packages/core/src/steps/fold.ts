import { ownStep } from "./state.js";

/** Later steps see layers without BatchNormalization, whose constants would hide in the weights' ranges. */
export const fold = ownStep({
  use: "fold",
  phase: "prepare",
  label: "Fold",
  help: "constants computed, BatchNormalization folded into layers; part of every recipe",
  options: {},
  title: () => undefined,
});
