import { access, constants, statfs } from "node:fs/promises";
import { availableParallelism, cpus, freemem, release, tmpdir, totalmem } from "node:os";
import type { CommandDefinition, CommandOutcome } from "../frame/command.js";
import type { CommandContext } from "../frame/context.js";
import { formatBytes } from "../text/format.js";
import { toolVersion } from "../version.js";

interface Check {
  readonly name: string;
  readonly ok: boolean;
  readonly value: string;
  readonly hint?: string;
}

/** `equant doctor`: what this machine offers, and what is missing. */
export const doctor: CommandDefinition = {
  echoSettings: false,
  configure(command) {
    command.description("Prints versions, runtime, threads, memory and write access, for problem reports.");
  },
  async run(context: CommandContext): Promise<CommandOutcome> {
    const checks: Check[] = await Promise.all<Check | Promise<Check>>([
      { name: "equant", ok: true, value: toolVersion() },
      checkNode(),
      { name: "system", ok: true, value: `${process.platform} ${process.arch} ${release()}` },
      checkRuntime(),
      checkSharp(),
      { name: "processor", ok: true, value: `${cpus()[0]?.model.trim() ?? "unknown"}, ${cpus().length} cores` },
      { name: "threads", ok: true, value: `${context.threads} used, ${availableParallelism()} available` },
      { name: "memory", ok: true, value: `${formatBytes(freemem())} free of ${formatBytes(totalmem())}` },
      checkWritable("temporary folder", tmpdir()),
      checkWritable("current folder", context.io.cwd),
    ]);
    const failed = checks.filter((check) => !check.ok);
    const text = context.table<Check>(
      [
        { title: "", cell: ({ ok }) => (ok ? "ok" : "!!") },
        { title: "what", cell: ({ name }) => name, align: "left" },
        { title: "found", cell: ({ value }) => value, align: "left" },
      ],
      checks,
    );
    const hints = failed.map(({ name, hint }) => `hint: ${name}: ${hint ?? "see docs/cli.md"}\n`).join("");
    return { result: { healthy: failed.length === 0, checks }, text: text + hints };
  },
};

function checkNode(): Check {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  const ok = major > 20 || (major === 20 && minor >= 19);
  return { name: "node", ok, value: process.versions.node, hint: "equant needs Node 20.19 or newer" };
}

async function checkRuntime(): Promise<Check> {
  const name = "onnxruntime-node";
  try {
    const ort = await import("onnxruntime-node");
    const { listSupportedBackends } = ort as unknown as {
      listSupportedBackends?: () => { name: string; bundled: boolean }[];
    };
    const providers = (listSupportedBackends?.() ?? []).filter((entry) => entry.bundled).map((entry) => entry.name);
    return { name, ok: true, value: `${ort.env.versions.node ?? "?"}, providers: ${providers.join(", ") || "cpu"}` };
  } catch (error) {
    return { name, ok: false, value: firstLine(error), hint: "run  npm install  again on this machine" };
  }
}

async function checkSharp(): Promise<Check> {
  try {
    const { default: sharp } = await import("sharp");
    const formats = Object.values(sharp.format as unknown as Record<string, { id: string; input: { file: boolean } }>)
      .filter(({ input }) => input.file)
      .map(({ id }) => id);
    return { name: "sharp", ok: true, value: `${sharp.versions.sharp ?? "?"}, reads ${formats.join(", ")}` };
  } catch (error) {
    const hint = "images cannot be decoded; npy, npz, idx and raw data work: run  npm install sharp";
    return { name: "sharp", ok: false, value: firstLine(error), hint };
  }
}

async function checkWritable(name: string, folder: string): Promise<Check> {
  try {
    await access(folder, constants.W_OK);
    // Asked instead of tried: a check of the machine leaves no trace on it.
    if ((await statfs(folder)).bavail === 0) throw new Error("the disk is full");
    return { name, ok: true, value: `${folder} is writable` };
  } catch (error) {
    return { name, ok: false, value: `${folder}: ${firstLine(error)}`, hint: "write outputs to another folder" };
  }
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split("\n")[0]!;
}
