import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { build } from "esbuild";
import { expect } from "vitest";
import type { FuzzReport, FuzzSettings } from "./fuzz-run.js";

/** Damages the files again and again and uses what can be parsed, in a process of its own. */
export async function fuzz(
  files: Readonly<Record<string, Uint8Array>>,
  cases: number,
  seed: number,
): Promise<FuzzReport> {
  const folder = await mkdtemp(join(tmpdir(), "equant-fuzz-"));
  try {
    const script = join(folder, "fuzz.mjs");
    await build({
      entryPoints: [fileURLToPath(new URL("fuzz-run.ts", import.meta.url))],
      bundle: true,
      platform: "node",
      format: "esm",
      conditions: ["source"],
      outfile: script,
      logLevel: "silent",
    });
    const paths = Object.keys(files).map((name) => join(folder, name));
    await Promise.all(paths.map((path, i) => writeFile(path, Object.values(files)[i]!)));
    const settings: FuzzSettings = { files: paths, cases, seed };
    const run = promisify(execFile);
    // A small young generation: what is measured is what parsing needs, not how long garbage is left lying.
    const argv = ["--max-semi-space-size=4", script, JSON.stringify(settings)];
    const { stdout } = await run(process.execPath, argv, { maxBuffer: 1e8 });
    return JSON.parse(stdout) as FuzzReport;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** What must hold for any damaged file: typed errors only, no hang over 1 s, memory <= 4 x file + 100 MB. */
export function expectRobust(report: FuzzReport, cases: number): void {
  expect(report.failures.map(({ index, kinds, stack }) => `case ${index} (${kinds.join(", ")}): ${stack}`)).toEqual([]);
  expect(report.cases).toBe(cases);
  expect(report.slowestMs, `case ${report.slowestCase}`).toBeLessThan(1000);
  expect(report.grownBytes).toBeLessThan(4 * report.largestFile + 100e6);
}
