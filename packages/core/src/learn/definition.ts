import { count, number, oneOf } from "../option.js";

/** Options of `adaRound` that a person chooses. */
export const ADA_ROUND_OPTIONS = {
  method: oneOf(
    "how roundings are found",
    {
      adaround: "learned, up or down (Nagel et al. 2020)",
      gptq: "with error feedback, as far as it helps (Frantar et al. 2023)",
    },
    { default: "adaround", main: true },
  ),
  samples: count("images to learn from and to check on", { label: "Images", min: 2, default: 128, main: true }),
  iterations: count("gradient steps a layer; 0: only the descent over single weights", {
    min: 0,
    default: 300,
    main: true,
  }),
  rows: count("output positions a layer learns from", { label: "Positions per layer", min: 16, default: 4096 }),
  rate: number("learning rate", { label: "Learning rate", above: 0, default: 0.02 }),
  regularization: number("weight of what drives each weight to one side", { min: 0, default: 0.05 }),
  seed: count("choice of the rows", { min: 0, default: 0 }),
} as const;

/** Options of `tuneBiases` that a person chooses. */
export const TUNE_BIASES_OPTIONS = {
  samples: count("images to learn from and to check on", { label: "Images", min: 2, default: 1000, main: true }),
  epochs: count("passes over the images", { min: 1, default: 4, main: true }),
  batchSize: count("images a step", { label: "Images per step", min: 1, default: 8 }),
  rate: number("learning rate, in units of each layer's output", { label: "Learning rate", above: 0, default: 0.0005 }),
  loss: oneOf("what is compared at the output", { mse: "values", kl: "the softmax" }, { default: "mse" }),
  features: number("weight of the channel means of every layer", {
    label: "Weight of channel means",
    min: 0,
    default: 1,
  }),
  seed: count("order of the images", { min: 0, default: 0 }),
} as const;
