import { dirname, extname, isAbsolute, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { CompressionError, OptionsError } from "@equant/core/errors";
import { MAX_TEXT_BYTES, readWhole } from "@equant/core/files";
import { withFiles } from "../options/input-options.js";
import type { Config } from "./schema.js";

export interface LoadedConfig {
  /** As the person wrote it. */
  readonly path: string;
  /** Folder against which its relative paths resolve. */
  readonly folder: string;
  /** Checked; paths in it are absolute. */
  readonly config: Config;
}

/** File names looked for when none is given, best first. */
export const CONFIG_NAMES = [
  "equant.config.json",
  "equant.config.mjs",
  "equant.config.js",
  "equant.config.ts",
] as const;

const NEEDS_NEWER_NODE = new Set(["ERR_UNKNOWN_FILE_EXTENSION", "ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX"]);

/** Reads and checks a config file. @throws {OptionsError} E2007 with file, key and the nearest known key. */
export async function loadConfig(path: string, cwd: string): Promise<LoadedConfig> {
  const absolute = resolve(cwd, path);
  const folder = dirname(absolute);
  const raw = extname(path) === ".json" ? await readJson(absolute, path) : await importConfig(absolute, path);
  const { checkConfig } = await import("./check.js");
  return { path, folder, config: resolvePaths(checkConfig(raw, path), folder) };
}

async function readJson(absolute: string, path: string): Promise<unknown> {
  let text: string;
  try {
    // Editors on Windows may begin a file with a byte order mark, which the decoder takes off.
    text = new TextDecoder().decode(await readWhole(absolute, { name: path, limit: MAX_TEXT_BYTES }));
  } catch (error) {
    throw notReadable(error, path);
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new OptionsError(
      "E2007",
      `${path}: not valid JSON (${(error as Error).message})`,
      { file: path, hint: "JSON has no comments and no comma after the last item" },
      error,
    );
  }
}

async function importConfig(absolute: string, path: string): Promise<unknown> {
  let exports: { default?: unknown };
  try {
    await readWhole(absolute, { name: path, limit: MAX_TEXT_BYTES });
    exports = (await import(pathToFileURL(absolute).href)) as { default?: unknown };
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "";
    if (NEEDS_NEWER_NODE.has(code)) {
      const hint = "Node 22.18 and newer read .ts files; on this one write the config as .mjs or .json";
      throw new OptionsError("E2007", `${path}: Node ${process.version} cannot read it`, { file: path, hint }, error);
    }
    const mapped = notReadable(error, path);
    if (mapped instanceof CompressionError) throw mapped;
    throw new OptionsError("E2007", `${path}: ${(error as Error).message}`, { file: path }, error);
  }
  if (exports.default === undefined) {
    const hint = 'write  import { defineConfig } from "@equant/cli"; export default defineConfig({ … })';
    throw new OptionsError("E2007", `${path}: no default export`, { file: path, hint });
  }
  return exports.default;
}

function notReadable(error: unknown, path: string): unknown {
  if (error instanceof CompressionError && (error.cause as NodeJS.ErrnoException)?.code === "ENOENT") {
    return new OptionsError("E2007", `config file ${path} does not exist`, {
      file: path,
      hint: "equant init writes one; or give its path with -c",
    });
  }
  return error;
}

/** Labels that are not a file. */
const LABEL_WORDS = new Set(["auto", "folders", "none"]);

/** Paths are relative to the file that says them, whatever folder the command was started in. */
function resolvePaths(config: Config, folder: string): Config {
  const at = (path: string) => (isAbsolute(path) ? path : resolve(folder, path));
  const source = <T extends { dir: string; labels?: string | undefined }>(data: T): T => ({
    ...data,
    dir: data.dir === "random" ? data.dir : at(data.dir),
    ...(data.labels !== undefined && !LABEL_WORDS.has(data.labels) && { labels: at(data.labels) }),
  });
  const preset = config.data?.preprocess?.preset;
  return {
    ...config,
    ...(config.model !== undefined && { model: at(config.model) }),
    ...(config.out !== undefined && { out: at(config.out) }),
    ...(config.data && {
      data: {
        ...withFiles(config.data, at),
        ...(config.data.calibrate && { calibrate: source(config.data.calibrate) }),
        ...(config.data.validate && { validate: source(config.data.validate) }),
        ...(preset !== undefined &&
          /[./\\]/.test(preset) && { preprocess: { ...config.data.preprocess, preset: at(preset) } }),
      },
    }),
  };
}
