import { number, oneOf } from "../option.js";

/** Options of `equalize` that a person chooses; the others follow from the data and from how the network is quantized. */
export const EQUALIZE_OPTIONS = {
  method: oneOf(
    "how factors are chosen",
    {
      optimal: "least predicted noise",
      dfq: "equal ranges of pairs (Nagel et al. 2019)",
      "one-step": "Algorithm 1 of Meller et al. 2019",
      "two-step": "Algorithm 2 of Meller et al. 2019",
    },
    { default: "optimal", words: { cle: "dfq" }, main: true },
  ),
  relu6: oneOf(
    "how Clip(0, 6) is treated",
    {
      auto: "exact where compress measures that it pays, else common",
      exact: "one bound a channel",
      common: "one bound, fewer channels",
      paper: "as Meller et al. 2019",
      replace: "ReLU instead: changes the function",
    },
    { label: "ReLU6 bounds", default: "auto", main: true },
  ),
  smax: number("largest factor of one-step and two-step", {
    label: "Largest factor",
    above: 1,
    default: 16,
    aliases: ["sMax"],
  }),
} as const;
