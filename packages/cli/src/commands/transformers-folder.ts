import { readdir, readFile, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { ModelError } from "@equant/core/errors";

/** A folder as Hugging Face lays it out, or a model file of its own. */
export interface HubFolder {
  /** Paths of the float32 files, as the person would write them. */
  readonly sources: readonly string[];
  /** Files beside, where there are any. */
  readonly config: string | undefined;
  readonly tokenizer: string | undefined;
  readonly preprocessor: string | undefined;
}

/**
 * Finds the float32 files of a folder (`onnx/` inside, or the folder itself) or takes the one named, and what lies beside.
 * @throws {ModelError} E3001 nothing there.
 */
export async function hubFolder(path: string, cwd: string): Promise<HubFolder> {
  const { hubSources } = await import("@equant/core/lab");
  const isFolder = await stat(resolve(cwd, path)).then(
    (found) => found.isDirectory(),
    () => false,
  );
  const inner = isFolder && (await isThere(join(resolve(cwd, path), "onnx"))) ? join(path, "onnx") : path;
  const sources = isFolder ? hubSources(await readdir(resolve(cwd, inner))).map((name) => join(inner, name)) : [path];
  if (sources.length === 0) {
    throw new ModelError("E3001", `transformers: no float32 .onnx file in ${inner}`, {
      file: inner,
      hint: "export the model first: optimum-cli export onnx --model NAME FOLDER",
    });
  }
  const near = [...new Set(isFolder ? [path, inner] : [dirname(path), dirname(dirname(resolve(cwd, path)))])];
  const beside = async (name: string) => {
    for (const folder of near) if (await isThere(resolve(cwd, folder, name))) return resolve(cwd, folder, name);
    return undefined;
  };
  return {
    sources,
    config: await beside("config.json"),
    tokenizer: await beside("tokenizer.json"),
    preprocessor: await beside("preprocessor_config.json"),
  };
}

function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** What a made file says of itself in its metadata, so that a run that was stopped goes on where it was. */
export interface MadeRecord {
  /** SHA-256 of the float32 file. */
  readonly source: string;
  /** Everything that the result depends on besides. */
  readonly settings: string;
  readonly way: string;
  readonly learned: readonly string[];
  readonly samples: number;
  readonly random: boolean;
  readonly sqnrDb: number;
  readonly agreement: number | null;
  readonly nodeMs: number | null;
  readonly webMs: number | null;
}

/** Key of {@link MadeRecord} among the metadata of a model. */
export const MADE_KEY = "equant.transformers";

/** The record of a file that was made before from the same source with the same settings. */
export async function madeBefore(path: string, expected: Pick<MadeRecord, "source" | "settings">) {
  if (!(await isThere(path))) return undefined;
  const { parseModelFile } = await import("@equant/core/node");
  try {
    const bytes = await readFile(path);
    const { metadata } = parseModelFile(bytes, path, { name: basename(path) });
    const record = JSON.parse(metadata.get(MADE_KEY) ?? "{}") as MadeRecord;
    const isSame = record.source === expected.source && record.settings === expected.settings;
    return isSame ? { record, bytes: bytes.length } : undefined;
  } catch {
    // Damaged, or nobody knows by whom it was made: it is made again, or refused as an output that exists.
    return undefined;
  }
}
