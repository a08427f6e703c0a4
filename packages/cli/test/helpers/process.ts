import { type ChildProcess, spawn } from "node:child_process";
import { rm } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { onTestFinished } from "vitest";

const SOURCE = fileURLToPath(new URL("../../src", import.meta.url));
/** One level below the package, so that `../package.json` is where the built command finds it too. */
const FOLDER = fileURLToPath(new URL("../../build", import.meta.url));
let serial = 0;

/**
 * Compiles TypeScript that imports from `src` into one file that Node runs, so that tests need no build. It is removed
 * after the test; a script for several tests hands the removal to `whenDone`.
 */
export async function bundle(
  code: string,
  whenDone: (remove: () => Promise<void>) => void = onTestFinished,
): Promise<string> {
  const outfile = `${FOLDER}/test-${process.pid}-${serial++}.mjs`;
  await build({
    stdin: { contents: code, resolveDir: SOURCE, loader: "ts" },
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    conditions: ["source"],
    external: ["onnxruntime-node", "sharp", "bullmq"],
    banner: {
      js: 'import { createRequire as bundleRequire } from "node:module"; const require = bundleRequire(import.meta.url);',
    },
    outfile,
    logLevel: "silent",
  });
  whenDone(() => rm(outfile, { force: true }));
  return outfile;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** A running child; `ended` resolves with what it left. */
export function start(
  script: string,
  args: readonly string[] = [],
  cwd?: string,
): { child: ChildProcess; ended: Promise<Exit> } {
  const child = spawn(process.execPath, [script, ...args], { cwd, stdio: ["ignore", "pipe", "pipe"] });
  const stdout: Buffer[] = [];
  let stderr = "";
  child.stdout.on("data", (chunk: Buffer) => stdout.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const ended = new Promise<Exit>((resolve) => {
    child.on("close", (code, signal) => resolve({ code, signal, stdout: Buffer.concat(stdout), stderr }));
  });
  return { child, ended };
}

/** Resolves when the child has printed `text` on stdout. */
export function printed(child: ChildProcess, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let seen = "";
    child.stdout!.on("data", (chunk: Buffer) => {
      seen += chunk.toString();
      if (seen.includes(text)) resolve();
    });
    child.on("close", () => reject(new Error(`the child ended without printing ${text}`)));
  });
}
