import { defineConfig } from "vitest/config";

export default defineConfig({
  resolve: { conditions: ["source"] },
  ssr: { resolve: { conditions: ["source"] } },
  test: {
    include: ["packages/*/test/**/*.real.ts", "test/**/*.real.ts", "{packages/*/test,test}/**/*.browser.ts"],
    setupFiles: ["./test/setup.ts"],
    reporters: process.env.CI ? ["default", ["json", { outputFile: "build/results/real.json" }]] : ["default"],
    testTimeout: 600_000,
    hookTimeout: 600_000,
    // Real networks are measured one at a time, so that they do not slow each other.
    fileParallelism: false,
    pool: "forks",
  },
});
