import { readFile, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { listNames, sha256 } from "../files/model-file.js";
import { writeOutput } from "../files/output-file.js";
import type { CommandDefinition, CommandOutcome } from "../frame/command.js";
import type { CommandContext } from "../frame/context.js";

/** `equant __complete names MODEL`: one layer name a line, for the completion scripts. Silent when it cannot. */
export const complete: CommandDefinition = {
  echoSettings: false,
  configure(command) {
    command.argument("<what>").argument("<model>");
  },
  async run(context: CommandContext, what: string, model: string): Promise<CommandOutcome> {
    const names = what === "names" ? await cachedNames(model, context).catch(() => []) : [];
    return { result: { names }, text: names.map((name) => `${name}\n`).join("") };
  },
};

/** The names of a model that did not change since they were last read come from the user's cache folder. */
async function cachedNames(model: string, { io }: CommandContext): Promise<string[]> {
  const path = resolve(io.cwd, model);
  const { mtimeMs, size } = await stat(path);
  const key = sha256(new TextEncoder().encode(JSON.stringify([path, mtimeMs, size]))).slice(0, 32);
  const folder = io.env.XDG_CACHE_HOME || join(io.env.HOME || homedir(), ".cache");
  const file = join(folder, "equant", `names-${key}.json`);
  const cached = await readFile(file, "utf8").catch(() => undefined);
  if (cached !== undefined) return JSON.parse(cached) as string[];
  const names = await listNames(model, io);
  await writeOutput(file, JSON.stringify(names), { overwrite: true }).catch(() => undefined);
  return names;
}
