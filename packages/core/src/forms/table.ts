import { BLOCK_DEQUANTIZE_OPSET } from "./block-dequantize.js";

/** What a form can be given to. */
export type FormTaker = "matmul" | "conv" | "lstm" | "embedding";

/** A form in words and numbers. */
export interface FormFacts {
  /** One line for people. */
  readonly title: string;
  /** Bits of a stored weight, without scales. */
  readonly bits: number;
  readonly takes: readonly FormTaker[];
  /** Lowest version of the standard operators it is written with. */
  readonly opset: number;
  /** Domains besides the standard one. */
  readonly domain: "" | "com.microsoft";
  /** Weights share a scale in blocks of {@link FormRule.width}. */
  readonly blocks: boolean;
}

const MICROSOFT = "com.microsoft";

/**
 * Every form a layer's weights can take besides Q/DQ (docs/transforms/forms.md). All of them load and run in onnxruntime-node and in
 * onnxruntime-web (WASM).
 */
export const FORMS = {
  float32: {
    title: "as it is",
    bits: 32,
    takes: ["matmul", "conv", "lstm", "embedding"],
    opset: 1,
    domain: "",
    blocks: false,
  },
  "dynamic-int8": {
    title: "8 bits; the input is rounded to 8 bits while it runs",
    bits: 8,
    takes: ["matmul", "conv", "lstm"],
    opset: 11,
    domain: "",
    blocks: false,
  },
  "blocks-8": {
    title: "8 bits, a scale a block of weights",
    bits: 8,
    takes: ["matmul"],
    opset: 7,
    domain: MICROSOFT,
    blocks: true,
  },
  "blocks-4": {
    title: "4 bits, a scale a block of weights",
    bits: 4,
    takes: ["matmul"],
    opset: 7,
    domain: MICROSOFT,
    blocks: true,
  },
  "standard-blocks-8": {
    title: "8 bits, a scale a block, by DequantizeLinear",
    bits: 8,
    takes: ["matmul"],
    opset: BLOCK_DEQUANTIZE_OPSET,
    domain: "",
    blocks: true,
  },
  "standard-blocks-4": {
    title: "4 bits, a scale a block, by DequantizeLinear",
    bits: 4,
    takes: ["matmul"],
    opset: BLOCK_DEQUANTIZE_OPSET,
    domain: "",
    blocks: true,
  },
  nf4: {
    title: "4 bits, values of a normal distribution",
    bits: 4,
    takes: ["matmul"],
    opset: 7,
    domain: MICROSOFT,
    blocks: true,
  },
  "rows-8": {
    title: "8 bits, a scale a row of an embedding table",
    bits: 8,
    takes: ["embedding"],
    opset: 7,
    domain: "",
    blocks: false,
  },
  "rows-4": {
    title: "4 bits, a scale a block of an embedding row",
    bits: 4,
    takes: ["embedding"],
    opset: 7,
    domain: MICROSOFT,
    blocks: true,
  },
} as const satisfies Readonly<Record<string, FormFacts>>;

export type FormName = keyof typeof FORMS;

/** Widths a block may have. */
export const BLOCK_WIDTHS = [16, 32, 64, 128, 256] as const;

export type BlockWidth = (typeof BLOCK_WIDTHS)[number];

/** Which layers take a form, and its settings. */
export interface FormRule {
  /** Name or glob pattern of nodes. */
  readonly match: string;
  readonly form: FormName;
  /** Weights that share a scale. Default: 32. */
  readonly width?: BlockWidth;
  /** Blocks have a zero point of their own. Default: false. */
  readonly asymmetric?: boolean;
  /** Scales of dynamic int8. Default: `'per-channel'`. */
  readonly granularity?: "per-tensor" | "per-channel";
  /** How 8-bit integers of dynamic int8 are stored; the values are the same. Default: `'uint8'`, which no kernel adds inexactly. */
  readonly storage?: "int8" | "uint8" | "int7";
  /** 4: the kernel of blocks may round its input to 8 bits, a block at a time; 0: it computes in float. Default: 0. */
  readonly accuracyLevel?: 0 | 4;
}
