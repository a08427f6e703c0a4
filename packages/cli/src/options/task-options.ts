import { readFile } from "node:fs/promises";
import { dirname, extname, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { DataError, OptionsError } from "@equant/core/errors";
import type { Decoder, HeadSettings, OwnMetric, TaskOptions } from "@equant/core/lab";
import type { CommandContext } from "../frame/context.js";
import { TASK_NAMES, type TaskFlags } from "./option-groups.js";

/** The options as core takes them; undefined without --task. @throws {OptionsError} E2005, E2007 a file that is not as it must be. */
export async function taskOptions(
  context: CommandContext,
  { task, decode, metric }: TaskFlags,
): Promise<TaskOptions | undefined> {
  if (task === undefined) {
    if (decode === undefined && metric === undefined) return undefined;
    const flag = decode === undefined ? "--metric" : "--decode";
    throw new OptionsError("E2005", `${context.command}: ${flag} needs --task`, {
      expected: [...TASK_NAMES],
      hint: `say what the model is for, for example --task detection`,
    });
  }
  return {
    task,
    ...(decode !== undefined && { decode: await readDecode(resolve(context.io.cwd, decode), decode) }),
    ...(metric !== undefined && {
      metric: await readModule<OwnMetric>("--metric", resolve(context.io.cwd, metric), metric, "score"),
    }),
  };
}

const isModule = (path: string) => [".js", ".mjs", ".cjs"].includes(extname(path));

async function readDecode(path: string, name: string): Promise<NonNullable<TaskOptions["decode"]>> {
  if (isModule(path)) return readModule<Decoder>("--decode", path, name, "decode");
  try {
    const settings = JSON.parse(await readFile(path, "utf8")) as Record<string, unknown>;
    return { ...settings, ...(await filesOf(settings, dirname(path))) } as HeadSettings;
  } catch (error) {
    if (error instanceof DataError) throw error;
    throw new OptionsError(
      "E2007",
      `--decode ${name}: cannot be read as JSON`,
      { file: name, hint: 'write for example {"head": "ssd", "anchors": "anchors.f32"}; or give a .js module' },
      error,
    );
  }
}

/** Settings that name a file: anchors as float32 rows of four, symbols one a line. */
async function filesOf(settings: Record<string, unknown>, folder: string): Promise<HeadSettings> {
  const { anchors, symbols } = settings;
  const read = async (file: string) => {
    try {
      return await readFile(resolve(folder, file));
    } catch (error) {
      throw new DataError(
        "E5002",
        `--decode: "${file}" cannot be read`,
        { file, hint: "paths count from the JSON's folder" },
        error,
      );
    }
  };
  const rows = async (file: string) => {
    const bytes = await read(file);
    const numbers = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + (bytes.length & ~3)));
    return Array.from({ length: numbers.length / 4 }, (_, i) => Array.from(numbers.subarray(4 * i, 4 * i + 4)));
  };
  return {
    ...(typeof anchors === "string" && { anchors: await rows(anchors) }),
    ...(typeof symbols === "string" && {
      symbols: (await read(symbols))
        .toString("utf8")
        .replace(/\r?\n$/, "")
        .split(/\r?\n/),
    }),
  };
}

async function readModule<T>(option: string, path: string, name: string, needs: keyof T & string): Promise<T> {
  let found: { default?: Partial<T> };
  try {
    found = await import(pathToFileURL(path).href);
  } catch (error) {
    throw new OptionsError(
      "E2007",
      `${option} ${name}: ${(error as Error).message.split("\n")[0]}`,
      { file: name, hint: "give an ES module (.mjs, or .js beside a package.json of type module)" },
      error,
    );
  }
  if (typeof found.default?.[needs] === "function") return { name, ...found.default } as unknown as T;
  throw new OptionsError("E2007", `${option} ${name}: exports no ${needs}() by default`, {
    file: name,
    hint: `export default { name: "mine", ${needs}(…) { … } }  (docs/tasks.md)`,
  });
}
