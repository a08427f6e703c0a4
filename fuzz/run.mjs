// npm run fuzz -- --minutes N: bundles the fuzzer and runs it in the repository's folder. The command must be built.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL("..", import.meta.url));
await build({
  entryPoints: { "fuzz-main": `${root}fuzz/main.ts`, "fuzz-worker": `${root}fuzz/worker.ts` },
  bundle: true,
  platform: "node",
  format: "esm",
  conditions: ["source"],
  external: ["onnxruntime-node", "sharp", "commander", "bullmq"],
  outdir: `${root}build`,
  outExtension: { ".js": ".mjs" },
  logLevel: "error",
});
const { status } = spawnSync(process.execPath, [`${root}build/fuzz-main.mjs`, ...process.argv.slice(2)], {
  cwd: root,
  stdio: "inherit",
});
process.exitCode = status ?? 1;
