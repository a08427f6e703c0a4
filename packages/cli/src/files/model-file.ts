import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import type { Model } from "@equant/core";
import type { ModelIdentity } from "../frame/envelope.js";
import { type Io, readAll } from "./io.js";
import { fromSystemError } from "./system-errors.js";

/** A model read from disk or stdin, with what the envelope says about it. */
export interface LoadedModel {
  readonly model: Model;
  /** As the person wrote it; `-` for stdin. */
  readonly path: string;
  readonly bytes: Uint8Array;
  readonly identity: ModelIdentity;
}

export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Reads an input file; `-` is stdin. @throws {ModelError} E3001 with the path and what to do. */
export async function readInput(path: string, io: Io): Promise<Uint8Array> {
  if (path === "-") return readAll(io.stdin);
  try {
    return await readFile(resolve(io.cwd, path));
  } catch (error) {
    throw fromSystemError(error, "read", path);
  }
}

/** Reads and parses a model, with the external data beside it. `identity.bytes` counts that too. */
export async function loadModel(path: string, io: Io): Promise<LoadedModel> {
  if (path === "-") {
    const bytes = await readInput(path, io);
    const { parseModel } = await import("@equant/core");
    return loaded(parseModel(bytes, { file: "stdin" }), path, bytes, bytes.length);
  }
  const { externalBytesOf, parseModelFile, readModelBytes } = await import("@equant/core/node");
  const place = resolve(io.cwd, path);
  const bytes = await readModelBytes(place, { name: path });
  const model = parseModelFile(bytes, place, { name: path });
  return loaded(model, path, bytes, bytes.length + externalBytesOf(model));
}

function loaded(model: Model, path: string, bytes: Uint8Array, total: number): LoadedModel {
  return { model, path, bytes, identity: { sha256: sha256(bytes), bytes: total } };
}

/** Names that `--exclude` and `--layer` accept: the model's nodes, for completion and did-you-mean. */
export async function listNames(path: string, io: Io): Promise<string[]> {
  const { model } = await loadModel(path, io);
  return model.graph.nodes.map((node) => node.name).filter((name) => name !== "");
}
