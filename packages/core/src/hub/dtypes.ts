import type { FormRule } from "../forms/index.js";

/** One of the files that transformers.js may load in the place of the float32 one. */
export interface HubDtype {
  /** What follows the name of the session in the file's name. */
  readonly suffix: string;
  readonly title: string;
  /** Ways to make it, in order of preference: the first whose loss is allowed is written. */
  readonly ways: readonly HubWay[];
  /** Decibels of signal over noise at the outputs below which the file is not worth having. */
  readonly minSqnrDb: number;
}

export interface HubWay {
  readonly name: string;
  readonly rules: readonly FormRule[];
  /** What is float computes in float16. */
  readonly float16?: boolean;
}

const ROWS: FormRule = { match: "*", form: "rows-8" };
const dynamic = (storage: "uint8" | "int7"): FormRule => ({ match: "*", form: "dynamic-int8", storage });
const FOUR: FormRule = { match: "*", form: "blocks-4", width: 32, asymmetric: true };
const EIGHT: FormRule = { match: "*", form: "blocks-8", width: 128, accuracyLevel: 4 };

/** Dynamic int8 where it is good enough; else blocks, which leave the activations alone and take about twice the time. */
const BLOCKS_OF_8: HubWay = { name: "blocks-8", rules: [EIGHT, ROWS] };

/** File names and dtypes of transformers.js 4 (`DEFAULT_DTYPE_SUFFIX_MAPPING`), but for the ones of 1 and 2 bits. */
export const HUB_DTYPES = {
  fp16: {
    suffix: "_fp16",
    title: "float16",
    ways: [{ name: "float16", rules: [], float16: true }],
    minSqnrDb: 40,
  },
  q8: {
    suffix: "_quantized",
    title: "8 bits, what WASM loads by default",
    ways: [{ name: "dynamic-int8", rules: [dynamic("uint8"), ROWS] }, BLOCKS_OF_8],
    minSqnrDb: 20,
  },
  int8: {
    suffix: "_int8",
    title: "8 bits, weights as int8",
    ways: [{ name: "dynamic-int8", rules: [dynamic("int7"), ROWS] }, BLOCKS_OF_8],
    minSqnrDb: 20,
  },
  uint8: {
    suffix: "_uint8",
    title: "8 bits, weights as uint8",
    ways: [{ name: "dynamic-int8", rules: [dynamic("uint8"), ROWS] }, BLOCKS_OF_8],
    minSqnrDb: 20,
  },
  q4: {
    suffix: "_q4",
    title: "4 bits in blocks",
    ways: [{ name: "blocks-4", rules: [FOUR, ROWS] }],
    minSqnrDb: 12,
  },
  q4f16: {
    suffix: "_q4f16",
    title: "4 bits in blocks, the rest float16",
    ways: [{ name: "blocks-4", rules: [FOUR, ROWS], float16: true }],
    minSqnrDb: 12,
  },
  bnb4: {
    suffix: "_bnb4",
    title: "4 bits, NormalFloat",
    ways: [{ name: "nf4", rules: [{ match: "*", form: "nf4", width: 64 }, ROWS] }],
    minSqnrDb: 12,
  },
} as const satisfies Readonly<Record<string, HubDtype>>;

export type HubDtypeName = keyof typeof HUB_DTYPES;

export const HUB_DTYPE_NAMES = Object.keys(HUB_DTYPES) as readonly HubDtypeName[];

/** The set that is made where nobody says which. */
export const HUB_DEFAULT: readonly HubDtypeName[] = ["fp16", "q8", "q4", "q4f16", "bnb4"];

/** `onnx/model.onnx` as a dtype: `onnx/model_q4.onnx`. */
export function hubFile(path: string, dtype: HubDtypeName): string {
  return `${path.replace(/\.onnx$/i, "")}${HUB_DTYPES[dtype].suffix}.onnx`;
}

/** Suffixes of files that are no sources themselves: ours, and others that are in circulation. */
const MADE =
  /_(fp16|int8|uint8|quantized|q8|q4|q4f16|q8f16|q2|q2f16|q1|q1f16|bnb4|bf16|uint8f16|int8f16|quint8\w*|qint8\w*|O[1-4])\.onnx$/;

/** The float32 files of the sessions among the names of a folder, sorted. */
export function hubSources(names: readonly string[]): string[] {
  return names.filter((name) => /\.onnx$/i.test(name) && !MADE.test(name)).sort();
}
