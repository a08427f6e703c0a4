import { count, number, oneOf, share, text } from "../option.js";

/** Options of `prune` that a step of a recipe has, too. */
export const PRUNE_OPTIONS = {
  method: oneOf(
    "how parameters are scored",
    {
      synflow: "SynFlow: flow of synapses, without data",
      magnitude: "the smallest go",
      taylor: "change of the loss; needs data",
      random: "to compare with",
    },
    { default: "synflow", main: true },
  ),
  granularity: text(
    "what goes: weights, channels, or N of every M such as 2:4",
    { weights: "single weights", channels: "whole channels", "2:4": "2 of every 4 weights" },
    { default: "weights", main: true },
  ),
  sparsity: share("what to remove", { below: 1, default: 0.9, otherwise: "90%; with N:M what that means", main: true }),
  steps: count("iterations", { min: 1, default: 10, otherwise: "10; 1 for N:M", main: true }),
  schedule: oneOf(
    "how sparsity grows",
    { linear: "the same share every time", exponential: "what is kept shrinks by the same factor" },
    { default: "linear" },
  ),
  scope: oneOf(
    "layers compete, or each gives the same share",
    { global: "all layers compete", layer: "the same share of each" },
    { default: "global" },
  ),
  count: oneOf(
    "what sparsity counts of channels",
    { channels: "channels", macs: "multiply–accumulate operations" },
    { label: "Sparsity counts", default: "channels", aliases: ["target"] },
  ),
  fineTuneEpochs: count("epochs of training after every iteration", {
    label: "Fine-tuning epochs",
    min: 1,
    otherwise: "no training",
  }),
  rate: number("learning rate of fine-tuning", {
    label: "Learning rate",
    above: 0,
    otherwise: "0.001 in a recipe, 0.01 alone",
  }),
  seed: count("of random scores and of the order of training", { min: 0, default: 0 }),
} as const;
