import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { checkConfig } from "../packages/cli/src/config/check.js";
import { tokenizerFrom } from "../packages/cli/src/options/tokenizer.js";
import { CompressionError } from "../packages/core/src/errors.js";
import {
  assertValid,
  Calibration,
  cloneModel,
  demandOf,
  fold,
  inspectModel,
  memoryFile,
  type OpenOptions,
  openFiles,
  parseModel,
  type Signature,
  serializeModel,
  tensorsOf,
  upgradeOpset,
  validateModel,
} from "../packages/core/src/lab.js";
import { type Sharp, sharpDecoder } from "../packages/core/src/node/data-sharp.js";
import { readReport } from "../packages/report/src/read-report.js";
import { idx, npy, png, RECORDS, TOKENIZER, textOf, ZIPS } from "./samples.js";

/** A kind of file that equant reads: sound ones to damage, and everything that is done with one. */
export interface Kind {
  readonly name:
    | "models"
    | "arrays"
    | "records"
    | "images"
    | "zips"
    | "tokenizers"
    | "configs"
    | "calibrations"
    | "reports";
  /** Damaged as text, or as bytes. */
  readonly isText: boolean;
  readonly files: readonly Uint8Array[];
  /** Throws nothing but typed errors, and only those of what is in the file. */
  use(bytes: Uint8Array): Promise<void> | void;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Files that made trouble once, by kind: they are damaged further, too. */
export function corpusOf(root: string, kind: Kind["name"]): Map<string, Uint8Array> {
  const folder = join(root, "fuzz/corpus", kind);
  if (!existsSync(folder)) return new Map();
  const names = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isFile());
  return new Map(names.map(({ name }) => [name, new Uint8Array(readFileSync(join(folder, name)))]));
}

async function typed(step: () => unknown): Promise<void> {
  try {
    await step();
  } catch (error) {
    if (!(error instanceof CompressionError) || error.code === "E9001") throw error;
  }
}

async function useModel(bytes: Uint8Array): Promise<void> {
  const model = parseModel(bytes, { external: (_location, _offset, length) => new Uint8Array(Math.min(length, 1024)) });
  assertValid(model);
  await typed(() => demandOf(model.graph));
  await typed(() => inspectModel(model));
  await typed(() => {
    for (const { tensor } of tensorsOf(model)) if (tensor.dtype !== "string") tensor.array();
  });
  await typed(() => parseModel(serializeModel(model)));
  for (const [name, transform] of [
    ["upgrade", upgradeOpset()],
    ["fold", fold()],
  ] as const) {
    await typed(async () => {
      const copy = cloneModel(model);
      await transform(copy, {});
      const [issue] = validateModel(copy);
      if (issue) throw new Error(`${name} makes an invalid graph: ${issue.message}`);
    });
  }
}

const IMAGES = { input: { shape: [1, 28, 28] }, samples: 4, decode: sharpDecoder(sharp as unknown as Sharp) };
const TOKENS: Signature = {
  inputs: ["input_ids", "attention_mask"].map((name) => ({
    name,
    dtype: "int64",
    dims: ["n", "length"],
    role: "data",
  })),
  outputs: [],
};
const SOUND: Signature = {
  inputs: [{ name: "sound", dtype: "float32", dims: [1, 512], role: "data" }],
  outputs: [],
};

/** Opens a file as data, and reads its samples. */
async function useData(name: string, bytes: Uint8Array, options: OpenOptions): Promise<void> {
  await typed(async () => {
    const data = await openFiles([memoryFile(name, bytes)], options);
    const size = data.shape.reduce((product, dim) => product * dim, 1);
    for (let i = 0; i < data.length; i++) await (data.record?.(i) ?? data.fill(i, new Float32Array(size), 0));
  });
}

/** By content and name: an array is told by either. */
const ARRAY_NAMES = ["a.npy", "a.npz", "a-images-idx3-ubyte", "data_batch_1.bin", "a.f32", "a.csv"];

async function useArray(bytes: Uint8Array): Promise<void> {
  for (const name of ARRAY_NAMES) await useData(name, bytes, IMAGES);
}

async function useRecords(bytes: Uint8Array): Promise<void> {
  const tokenize = await tokenizerFrom(JSON.stringify(TOKENIZER), "tokenizer.json");
  for (const name of ["a.jsonl", "a.txt", "a.wav"])
    await useData(name, bytes, { signature: name === "a.wav" ? SOUND : TOKENS, tokenize, samples: 4 });
}

async function useZip(bytes: Uint8Array): Promise<void> {
  await useData("a.zip", bytes, IMAGES);
  await useData("a.npz", bytes, { signature: TOKENS, samples: 4 });
}

async function useTokenizer(bytes: Uint8Array): Promise<void> {
  const tokenize = await tokenizerFrom(decoder.decode(bytes), "tokenizer.json");
  await useData("a.txt", RECORDS.at(-1)!, { signature: TOKENS, tokenize });
}

const CONFIG = {
  model: "m.onnx",
  data: { calibrate: { dir: "d", samples: 8 }, preprocess: { preset: "zero-one", mean: [0.5], std: 2 } },
  steps: [{ use: "fold" }, { use: "equalize" }, { use: "quantize", weights: "int8", exclude: ["a*"] }],
  gates: { maxDrop: "1pp", maxSize: "4MB" },
  threads: 2,
};

/** All kinds; `root` is the repository. */
export function kindsOf(root: string): Kind[] {
  const file = (path: string) => new Uint8Array(readFileSync(join(root, path)));
  const quantized = "fixtures/quantized";
  const models = readdirSync(join(root, quantized)).filter((name) => name.endsWith(".onnx"));
  const plain = npy("|u1", "4, 28, 28", new Uint8Array(4 * 784));
  return [
    {
      name: "models",
      isText: false,
      files: [...models.map((name) => file(`${quantized}/${name}`)), ...corpusOf(root, "models").values()],
      use: useModel,
    },
    {
      name: "arrays",
      isText: false,
      files: [
        plain,
        npy("<f4", "3, 2", new Uint8Array(24)),
        idx(3),
        encoder.encode("0,1,2\n3,4,5\n"),
        ...corpusOf(root, "arrays").values(),
      ],
      use: useArray,
    },
    {
      name: "records",
      isText: false,
      files: [...RECORDS, ...corpusOf(root, "records").values()],
      use: useRecords,
    },
    {
      name: "images",
      isText: false,
      files: [png(4), png(7), ...corpusOf(root, "images").values()],
      use: (bytes) => useData("a.png", bytes, IMAGES),
    },
    { name: "zips", isText: false, files: [...ZIPS, ...corpusOf(root, "zips").values()], use: useZip },
    {
      name: "tokenizers",
      isText: true,
      files: [textOf(TOKENIZER), ...corpusOf(root, "tokenizers").values()],
      use: useTokenizer,
    },
    {
      name: "configs",
      isText: true,
      files: [textOf(CONFIG), ...corpusOf(root, "configs").values()],
      use: (bytes) => void checkConfig(parsed(bytes), "config"),
    },
    {
      name: "calibrations",
      isText: true,
      files: [...corpusOf(root, "calibrations").values()],
      use: (bytes) => void Calibration.parse(decoder.decode(bytes)).serialize(),
    },
    {
      name: "reports",
      isText: true,
      files: [...corpusOf(root, "reports").values()],
      use: (bytes) => void readReport(decoder.decode(bytes)),
    },
  ];
}

/** What is no JSON at all is refused by the reader of the file, in words of its own. */
function parsed(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(decoder.decode(bytes));
  } catch {
    return undefined;
  }
}

/** Uses a file; returns what went wrong, and nothing where all is as it should be. */
export async function attempt(kind: Kind, bytes: Uint8Array): Promise<unknown> {
  try {
    await typed(() => kind.use(bytes));
    return undefined;
  } catch (error) {
    return error;
  }
}
