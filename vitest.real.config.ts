import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { defineConfig } from "vitest/config";

const shared = process.env.EQUANT_SHARED ?? join(import.meta.dirname, "../shared");

/**
 * Tests on networks and images that are not in the repository. They are left out where these are missing, except in CI, where
 * they then fail: a build that measured less must not look like one that measured all.
 */
function needsShared(): string[] {
  if (process.env.CI || existsSync(shared)) return [];
  const files = ["packages", "test"]
    .flatMap((folder) => readdirSync(folder, { recursive: true, withFileTypes: true }))
    .filter((entry) => /\.(real|browser)\.ts$/.test(entry.name) && !entry.parentPath.includes("node_modules"))
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((file) =>
      /\b(?:shared(?:Path|Model|Data)|realNetwork)\b|\bSHARED\b|EQUANT_SHARED/.test(readFileSync(file, "utf8")),
    );
  process.stderr.write(
    `no ${shared}: ${files.length} files of tests on larger networks are left out (docs/figures.md)\n`,
  );
  return files;
}

export default defineConfig({
  resolve: { conditions: ["source"] },
  ssr: { resolve: { conditions: ["source"] } },
  test: {
    include: ["packages/*/test/**/*.real.ts", "test/**/*.real.ts", "{packages/*/test,test}/**/*.browser.ts"],
    exclude: ["**/node_modules/**", ...needsShared()],
    setupFiles: ["./test/setup.ts"],
    reporters: process.env.CI ? ["default", ["json", { outputFile: "build/results/real.json" }]] : ["default"],
    testTimeout: 600_000,
    hookTimeout: 600_000,
    // Real networks are measured one at a time, so that they do not slow each other.
    fileParallelism: false,
    pool: "forks",
  },
});
