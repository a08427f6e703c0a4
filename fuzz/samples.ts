import { deflateSync, zipSync } from "fflate";
import { crc32 } from "../packages/core/src/data/inflate.js";
import { digitImage } from "../packages/core/src/lab.js";
import { joined } from "./mutate-containers.js";

/** Small sound files of each kind, to damage. */

const encoder = new TextEncoder();
export const textOf = (value: unknown): Uint8Array => encoder.encode(JSON.stringify(value));

export function npy(descr: string, shape: string, data: Uint8Array): Uint8Array {
  const header = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${shape}), }\n`;
  const start = new Uint8Array([0x93, ...encoder.encode("NUMPY"), 1, 0, header.length & 255, header.length >> 8]);
  return joined([start, encoder.encode(header), data]);
}

export function idx(count: number): Uint8Array {
  const images = Array.from({ length: count }, (_, i) => [...digitImage(i, 0)]).flat();
  return new Uint8Array([0, 0, 8, 3, 0, 0, 0, count, 0, 0, 0, 28, 0, 0, 0, 28, ...images]);
}

/** Grey, 28 × 28. */
export function png(digit: number): Uint8Array {
  const pixels = digitImage(digit, 0);
  const rows = Array.from({ length: 28 }, (_, y) => [0, ...pixels.subarray(28 * y, 28 * (y + 1))]).flat();
  const chunk = (kind: string, content: Uint8Array): Uint8Array => {
    const named = joined([encoder.encode(kind), content]);
    const framed = new Uint8Array(named.length + 8);
    const view = new DataView(framed.buffer);
    view.setUint32(0, content.length);
    framed.set(named, 4);
    view.setUint32(named.length + 4, crc32(named));
    return framed;
  };
  return joined([
    new Uint8Array([0x89, ...encoder.encode("PNG\r\n"), 0x1a, 0x0a]),
    chunk("IHDR", new Uint8Array([0, 0, 0, 28, 0, 0, 0, 28, 8, 0, 0, 0, 0])),
    chunk("IDAT", deflateSync(new Uint8Array(rows))),
    chunk("IEND", new Uint8Array(0)),
  ]);
}

/** A tone of 0.1 s at 8 kHz: 16-bit integers, or 32-bit floats. */
export function wave(coding: "integers" | "floats"): Uint8Array {
  const size = coding === "integers" ? 2 : 4;
  const bytes = new Uint8Array(44 + 800 * size);
  const view = new DataView(bytes.buffer);
  bytes.set(encoder.encode("RIFF"), 0);
  view.setUint32(4, bytes.length - 8, true);
  bytes.set(encoder.encode("WAVEfmt "), 8);
  view.setUint32(16, 16, true);
  view.setUint16(20, coding === "integers" ? 1 : 3, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, 8000, true);
  view.setUint32(28, 8000 * size, true);
  view.setUint16(32, size, true);
  view.setUint16(34, 8 * size, true);
  bytes.set(encoder.encode("data"), 36);
  view.setUint32(40, 800 * size, true);
  for (let i = 0; i < 800; i++) {
    const value = Math.sin(i / 3);
    if (coding === "integers") view.setInt16(44 + 2 * i, 20_000 * value, true);
    else view.setFloat32(44 + 4 * i, value, true);
  }
  return bytes;
}

const ids = npy("<i8", "3, 4", new Uint8Array(96));
/** Archives as they are given as data: arrays by name, pictures with tables. */
export const ZIPS: readonly Uint8Array[] = [
  zipSync({ "input_ids.npy": ids, "attention_mask.npy": ids, "labels.npy": npy("<i4", "3,", new Uint8Array(12)) }),
  zipSync({ "images.npy": npy("|u1", "2, 28, 28", new Uint8Array(1568)) }, { level: 0 }),
  zipSync({
    "a/1.png": png(1),
    "b/2.png": png(2),
    "labels.csv": encoder.encode("file,label\na/1.png,one\nb/2.png,two\n"),
    "classes.csv": encoder.encode("index,name\n0,one\n1,two\n"),
  }),
  zipSync({ "1/1.png": png(1), "2/2.png": png(2) }),
];

export const RECORDS: readonly Uint8Array[] = [
  wave("integers"),
  wave("floats"),
  encoder.encode(
    '{"input_ids": [[1, 2, 3, 4]], "attention_mask": [[1, 1, 1, 0]], "label": 1}\n{"input_ids": [[4, 3]]}\n',
  ),
  encoder.encode("the quick brown fox\n\njumps over\u0000 the lazy dog\n"),
];

/** Two pieces of BERT's kind, as `tokenizer.json` has them. */
export const TOKENIZER = {
  version: "1.0",
  added_tokens: [
    { id: 0, content: "[UNK]", special: true, single_word: false, lstrip: false, rstrip: false, normalized: false },
  ],
  normalizer: {
    type: "BertNormalizer",
    clean_text: true,
    handle_chinese_chars: true,
    strip_accents: null,
    lowercase: true,
  },
  pre_tokenizer: { type: "BertPreTokenizer" },
  post_processor: null,
  decoder: { type: "WordPiece", prefix: "##", cleanup: true },
  model: {
    type: "WordPiece",
    unk_token: "[UNK]",
    continuing_subword_prefix: "##",
    max_input_chars_per_word: 100,
    vocab: { "[UNK]": 0, the: 1, quick: 2, fox: 3, j: 4, "##umps": 5 },
  },
};
