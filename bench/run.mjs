// npm run bench [name] [arguments]: bundles bench/<name>.ts and runs it; without a name it lists what there is.
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const folder = fileURLToPath(new URL(".", import.meta.url));
const names = readdirSync(folder).flatMap((file) => (file.endsWith(".ts") ? [file.slice(0, -3)] : []));
const [name, ...rest] = process.argv.slice(2);
if (name === undefined || !existsSync(`${folder}${name}.ts`)) {
  process.stderr.write(
    `${name === undefined ? "" : `bench: '${name}' is none of the benchmarks\n`}npm run bench NAME, one of ${names.join(", ")}\n`,
  );
  process.exitCode = name === undefined ? 0 : 2;
} else {
  const outfile = fileURLToPath(new URL(`../build/bench-${name}.mjs`, import.meta.url));
  await build({
    entryPoints: [`${folder}${name}.ts`],
    bundle: true,
    platform: "node",
    format: "esm",
    conditions: ["source"],
    external: ["onnxruntime-node", "sharp", "bullmq"],
    outfile,
    logLevel: "error",
  });
  const { status } = spawnSync(process.execPath, ["--expose-gc", outfile, ...rest], { stdio: "inherit" });
  process.exitCode = status ?? 1;
}
