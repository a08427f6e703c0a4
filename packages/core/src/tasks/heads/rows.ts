import { ctcGreedy } from "../../metrics/index.js";
import type { Head, HeadSettings, HeadTensor } from "./head.js";

/** Scores of symbols step by step, [steps, classes]: the best of each, repeats joined, separators dropped. */
export const symbolRows: Head = {
  name: "ctc",
  help: "scores of symbols step by step, read greedily (CTC)",
  read(outputs, _input, settings) {
    const index = outputs.findIndex(({ dims }) => dims.length === 2 || (dims.length === 3 && dims.includes(1)));
    if (index < 0) return undefined;
    const [steps, classes] = outputs[index]!.dims.filter((dim, _i, dims) => dim !== 1 || dims.length === 2) as [
      number,
      number,
    ];
    return {
      name: `CTC over ${classes} symbols, ${steps} steps${settings.symbols ? "" : ", symbols by number"}`,
      decode: (own) => ({ text: textOf(own[index]!, settings) }),
    };
  },
};

function textOf({ dims, values }: HeadTensor, { symbols, blank = 0 }: HeadSettings): string {
  const classes = dims.at(-1)!;
  const found = ctcGreedy(values, values.length / classes, classes, blank);
  // Without symbols a class is a private character of its own, so that edits count classes.
  return found
    .map((index) =>
      symbols ? (symbols[blank === 0 ? index - 1 : index] ?? "") : String.fromCodePoint(0xf0000 + index),
    )
    .join("");
}

/** All numbers of the first output that has more than one, or of the only one. */
export const numbers: Head = {
  name: "numbers",
  help: "the numbers of one output",
  read(outputs) {
    const vectors = outputs.flatMap(({ dims }, i) => (dims.filter((dim) => dim !== 1).length <= 1 ? [i] : []));
    const index = vectors[0] ?? (outputs.length > 0 ? 0 : -1);
    if (index < 0) return undefined;
    return {
      name: `output "${outputs[index]!.name}"`,
      decode: (own) => ({ values: Array.from(own[index]!.values) }),
    };
  },
};
