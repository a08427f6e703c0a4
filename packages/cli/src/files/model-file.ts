import { createHash } from "node:crypto";
import { resolve } from "node:path";
import type { Model } from "@equant/core";
import type { ModelIdentity } from "../frame/envelope.js";
import type { Io } from "./io.js";

/** A model read from disk or stdin, in a form that runs here, with what the envelope says about it. */
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

/** Reads an input file; `-` is stdin. @throws {ModelError} E3001 with the path and what to do. @throws {RunError} E6001 above `limit` bytes. */
export async function readInput(path: string, io: Pick<Io, "cwd" | "stdin">, limit?: number): Promise<Uint8Array> {
  const { gathered, readWhole } = await import("@equant/core/files");
  if (path === "-") return gathered(io.stdin, "standard input", limit);
  return readWhole(resolve(io.cwd, path), { name: path, ...(limit !== undefined && { limit }) });
}

/** {@link readInput} of text, without its byte order mark. */
export async function readText(path: string, io: Pick<Io, "cwd" | "stdin">): Promise<string> {
  const { MAX_TEXT_BYTES } = await import("@equant/core/files");
  return new TextDecoder().decode(await readInput(path, io, MAX_TEXT_BYTES));
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

async function loaded(read: Model, path: string, bytes: Uint8Array, total: number): Promise<LoadedModel> {
  const { runnableForm } = await import("@equant/core/lab");
  return { model: runnableForm(read), path, bytes, identity: { sha256: sha256(bytes), bytes: total } };
}

/** Names that `--exclude` and `--layer` accept: the model's nodes, for completion and did-you-mean. */
export async function listNames(path: string, io: Io): Promise<string[]> {
  const { model } = await loadModel(path, io);
  return model.graph.nodes.map((node) => node.name).filter((name) => name !== "");
}
