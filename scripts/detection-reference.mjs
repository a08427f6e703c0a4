// Figures of pycocotools for random detection sets: packages/core/test/metrics/fixtures/detection.json.
// Usage: node scripts/detection-reference.mjs [SETS] [OUT] (default 40 sets; python3 with pycocotools and numpy).
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";

const [count = "40", out = "packages/core/test/metrics/fixtures/detection.json"] = process.argv.slice(2);
const folder = mkdtempSync(join(tmpdir(), "detection-"));
try {
  const bundle = join(folder, "sets.mjs");
  const entryPoints = ["packages/core/test/metrics/random-sets.ts"];
  await build({ entryPoints, bundle: true, format: "esm", outfile: bundle, logLevel: "error" });
  const { randomSet } = await import(pathToFileURL(bundle).href);
  const sets = Array.from({ length: Number(count) }, (_, seed) => ({ seed, ...randomSet(seed) }));
  const [input, raw] = [join(folder, "sets.json"), join(folder, "out.json")];
  writeFileSync(input, JSON.stringify(sets));
  execFileSync("python3", ["scripts/detection-reference.py", input, raw], { stdio: "inherit" });
  const { sets: figures, ...versions } = JSON.parse(readFileSync(raw, "utf8"));
  const lines = figures.map((set) => `  ${JSON.stringify(set)}`);
  writeFileSync(out, `{ ${JSON.stringify(versions).slice(1, -1)}, "sets": [\n${lines.join(",\n")}\n] }\n`);
} finally {
  rmSync(folder, { recursive: true });
}
