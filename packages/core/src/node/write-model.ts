import { realpathSync } from "node:fs";
import { basename, resolve } from "node:path";
import { OptionsError, rejectUnknownOptions, requireOneOf } from "../errors.js";
import { type ExternalLocation, type Model, serializeModel, type Tensor, tensorsOf } from "../graph/index.js";
import { atomicWriteAll, type OutputFile, type WrittenFile } from "./atomic-file.js";
import { sourceFileOf } from "./model-file.js";

/**
 * What goes into a second file beside the model. `auto`: everything when the weights exceed `maxInlineBytes`, else
 * nothing; `keep`: what was outside stays outside; `inline`: nothing; `all`: every weight of 1 kB and more.
 */
export type ExternalData = (typeof EXTERNAL_DATA)[number];

export const EXTERNAL_DATA = ["auto", "keep", "inline", "all"] as const;

/** Options for {@link modelFiles}. */
export interface ModelFilesOptions {
  /** Default: `'auto'`. */
  externalData?: ExternalData;
  /** Bytes of weights up to which `auto` makes one file. Default: 1 GiB; protobuf ends at 2 GiB. */
  maxInlineBytes?: number;
  /** Path of the n-th file of weights, n from 0. Default: one file, `<name>.data`. */
  dataPath?: (chunk: number) => string;
  /** Bytes of weights in one such file where `dataPath` is given; one weight may exceed it. Default: no limit. */
  maxDataBytes?: number;
}

/** One of the files that make up a model. */
export interface ModelFile extends OutputFile {
  /** What will be written. */
  readonly bytes: number;
}

/** Options for {@link writeModel}. */
export interface WriteModelOptions extends ModelFilesOptions {
  /** Replace existing files. Default: false. */
  overwrite?: boolean;
}

export const WRITE_MODEL_DEFAULTS = {
  externalData: "auto",
  maxInlineBytes: 2 ** 30,
  overwrite: false,
} as const satisfies WriteModelOptions;

/** Smaller weights stay in the model: as onnx itself decides. */
const MIN_EXTERNAL_BYTES = 1024;
/** Weights that are mapped into memory begin at a page; small ones where any element type is aligned. */
const PAGE_BYTES = 4096;
const ALIGN_BYTES = 64;
const MAPPED_BYTES = 1024 * 1024;
const CHUNK_BYTES = 8 * 1024 * 1024;

/**
 * The files that make up a model saved at `path`: its external data (`<name>.data`), if any, then the model itself. The
 * weights are copied piece by piece while the files are written, so that a model may be larger than memory.
 *
 * @throws {OptionsError} E2006 when the data would replace the file that the weights are still read from.
 * @throws {ModelError} E3003 when one file is asked for and the model exceeds 2 GiB.
 */
export function modelFiles(model: Model, path: string, options: ModelFilesOptions = {}): ModelFile[] {
  const { externalData, maxInlineBytes } = { ...WRITE_MODEL_DEFAULTS, ...options };
  requireOneOf("writeModel", "externalData", externalData, EXTERNAL_DATA);
  const { dataPath = () => `${path}.data`, maxDataBytes = Number.POSITIVE_INFINITY } = options;
  const chunks = placeTensors(chooseTensors(model, externalData, maxInlineBytes), dataPath, maxDataBytes);
  refuseSources(model, [path, ...chunks.map((chunk) => chunk.path)]);
  const places = new Map(chunks.flatMap((chunk) => [...chunk.places]));
  const bytes = serializeModel(model, { externalize: (_name, tensor) => places.get(tensor) });
  const data = chunks.map((chunk) => ({ path: chunk.path, data: dataOf(chunk.places), bytes: chunk.bytes }));
  return [...data, { path, data: bytes, bytes: bytes.length }];
}

/**
 * Saves a model, complete or not at all: temporary files in the same folder, synced, renamed, the model last.
 * @throws {OptionsError} E2006 the files exist already (see `overwrite`), or the path cannot be an output.
 * @throws {RunError} E6002 disk full, read-only, not permitted.
 * @example await writeModel(model, 'small.onnx', { overwrite: true });
 */
export async function writeModel(model: Model, path: string, options: WriteModelOptions = {}): Promise<WrittenFile[]> {
  rejectUnknownOptions("writeModel", options, [...Object.keys(WRITE_MODEL_DEFAULTS), "dataPath", "maxDataBytes"]);
  const { overwrite = WRITE_MODEL_DEFAULTS.overwrite, ...files } = options;
  return atomicWriteAll(modelFiles(model, path, files), { overwrite });
}

/** The tensors that go outside, each once, in document order. */
function chooseTensors(model: Model, externalData: ExternalData, maxInlineBytes: number): Set<Tensor> {
  const all = [...tensorsOf(model)];
  const total = all.reduce((sum, { tensor }) => sum + (tensor.byteLength ?? 0), 0);
  const how = externalData === "auto" ? (total > maxInlineBytes ? "all" : "inline") : externalData;
  const chosen = new Set<Tensor>();
  for (const { tensor, node } of all) {
    const wasOutside = tensor.external !== undefined;
    // Attributes go outside only where they were: not every reader looks for them there.
    const isLarge = node === undefined && (tensor.byteLength ?? 0) >= MIN_EXTERNAL_BYTES;
    if (how === "keep" ? wasOutside : how === "all" && (isLarge || (wasOutside && node !== undefined)))
      chosen.add(tensor);
  }
  return chosen;
}

/** One file of weights: which tensors lie where in it. */
interface DataChunk {
  readonly path: string;
  readonly places: Map<Tensor, ExternalLocation>;
  bytes: number;
}

function placeTensors(
  tensors: Iterable<Tensor>,
  dataPath: (chunk: number) => string,
  maxDataBytes: number,
): DataChunk[] {
  const chunks: DataChunk[] = [];
  for (const tensor of tensors) {
    const length = tensor.byteLength ?? 0;
    const alignment = length >= MAPPED_BYTES ? PAGE_BYTES : ALIGN_BYTES;
    let chunk = chunks.at(-1);
    let offset = Math.ceil((chunk?.bytes ?? 0) / alignment) * alignment;
    if (!chunk || (offset > 0 && offset + length > maxDataBytes)) {
      chunk = { path: dataPath(chunks.length), places: new Map(), bytes: 0 };
      chunks.push(chunk);
      offset = 0;
    }
    chunk.places.set(tensor, { location: basename(chunk.path), offset, length });
    chunk.bytes = offset + length;
  }
  return chunks;
}

function* dataOf(places: ReadonlyMap<Tensor, ExternalLocation>): Generator<Uint8Array> {
  let at = 0;
  for (const [tensor, { offset, length }] of places) {
    if (offset > at) yield new Uint8Array(offset - at);
    for (let start = 0; start < length; start += CHUNK_BYTES) {
      yield tensor.bytesBetween(start, Math.min(length, start + CHUNK_BYTES));
    }
    at = offset + length;
  }
}

/** The model in memory reads its external weights from where they are: replacing that file would change the model. */
function refuseSources(model: Model, targets: readonly string[]): void {
  const real = new Map(targets.map((target) => [realOr(resolve(target)), target]));
  for (const { tensor } of tensorsOf(model)) {
    const source = sourceFileOf(tensor);
    const target = source === undefined ? undefined : real.get(source);
    if (target === undefined) continue;
    throw new OptionsError("E2006", `cannot write ${target}: weights of the model are still read from it`, {
      file: target,
      hint: "save the model under another name",
    });
  }
}

function realOr(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}
