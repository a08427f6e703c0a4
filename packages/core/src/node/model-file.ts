import { readdirSync, readFileSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { ModelError } from "../errors.js";
import { MAX_PROTOBUF_BYTES, type Model, parseModel, type Tensor, tensorsOf } from "../graph/index.js";
import { ExternalFiles } from "./external-files.js";
import { fromSystemError } from "./system-errors.js";
import { readWhole, requireNoDevice } from "./whole-file.js";

/** The files that tensors are read from, so that no writer replaces one that is still needed. */
const SOURCES = new WeakMap<Tensor, string>();

/** Real path of the file an external tensor is read from; undefined for tensors of other origin. */
export function sourceFileOf(tensor: Tensor): string | undefined {
  return SOURCES.get(tensor);
}

/** Options for {@link readModel}. */
export interface ReadModelOptions {
  /** What messages call the file. Default: the path. */
  name?: string;
}

/**
 * Reads a model from disk. Weights stay views of the file; external data is looked up now (that it is there and long
 * enough) and read at its place on first use, so that models larger than memory can be opened.
 *
 * @throws {ModelError} E3001 missing or a folder; E3002 not ONNX (and what it is instead) or damaged; E3003, E3004 invalid;
 * E3005 external data missing, cut, or outside the model's folder.
 */
export async function readModel(path: string, options: ReadModelOptions = {}): Promise<Model> {
  return parseModelFile(await readModelBytes(path, options), path, options);
}

/** {@link readModel}, waiting for the disk. */
export function readModelSync(path: string, { name = path }: ReadModelOptions = {}): Model {
  let bytes: Uint8Array;
  try {
    checkFile(path, name);
    bytes = readFileSync(path);
  } catch (error) {
    throw fromSystemError(error, "read", name);
  }
  return parseModelFile(bytes, path, { name });
}

/** The bytes of a model file. @throws {ModelError} E3001 missing, a folder or a device; E3002 larger than any ONNX file. */
export async function readModelBytes(path: string, { name = path }: ReadModelOptions = {}): Promise<Uint8Array> {
  try {
    checkFile(path, name);
    return await readWhole(path, { name, limit: MAX_PROTOBUF_BYTES });
  } catch (error) {
    throw fromSystemError(error, "read", name);
  }
}

/** Parses the bytes of a model file that lies at `path`: its external data is looked for beside it. */
export function parseModelFile(bytes: Uint8Array, path: string, options: ReadModelOptions = {}): Model {
  const files = new ExternalFiles(resolve(path));
  const model = parseModel(bytes, { file: options.name ?? path, external: files.read });
  for (const { name, tensor } of tensorsOf(model)) {
    if (!tensor.external) continue;
    const { location, offset, length } = tensor.external;
    const file = files.find(location, name);
    if (offset + length > file.size) {
      throw new ModelError(
        "E3005",
        `external data ${location} ends at byte ${file.size}, but "${name}" reaches to ${offset + length}`,
        {
          tensor: name,
          file: location,
          expected: offset + length,
          actual: file.size,
          hint: "the file is cut or belongs to another model: download or export both again",
        },
      );
    }
    SOURCES.set(tensor, file.path);
  }
  return model;
}

/** Bytes of a model's external data, each range once. */
export function externalBytesOf(model: Model): number {
  const ranges = new Map<string, number>();
  for (const { tensor } of tensorsOf(model)) {
    if (!tensor.external) continue;
    const { location, offset, length } = tensor.external;
    ranges.set(`${offset} ${location}`, length);
  }
  return [...ranges.values()].reduce((total, length) => total + length, 0);
}

/** Refuses a folder and a file that protobuf cannot hold, before reading. */
function checkFile(path: string, name: string): void {
  const info = statSync(path);
  if (info.isDirectory()) {
    const message = `cannot read ${name}: it is a folder, a file was expected`;
    throw new ModelError("E3001", message, { file: name, hint: folderHint(path, name) });
  }
  requireNoDevice(info, name);
  if (info.size > MAX_PROTOBUF_BYTES) {
    throw new ModelError("E3002", `${name}: ${info.size} bytes, but an ONNX file ends at 2 GiB`, {
      file: name,
      actual: info.size,
      expected: MAX_PROTOBUF_BYTES,
      hint: "if this is the weights' file, give the small .onnx beside it; else export again with external data",
    });
  }
}

function folderHint(path: string, name: string): string {
  const names = readdirSync(path);
  const models = names.filter((name) => name.endsWith(".onnx")).sort();
  if (models.length > 0) return `give the file inside: ${join(name, models[0]!)}`;
  if (names.includes("saved_model.pb")) return "a TensorFlow SavedModel is converted with: python -m tf2onnx.convert";
  return "give the .onnx file";
}
