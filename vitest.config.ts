import { defineConfig } from "vitest/config";

export default defineConfig({
  resolve: { conditions: ["source"] },
  ssr: { resolve: { conditions: ["source"] } },
  test: {
    include: ["packages/*/test/**/*.test.ts", "test/**/*.test.ts"],
    setupFiles: ["./test/setup.ts"],
    reporters: process.env.CI
      ? ["default", ["json", { outputFile: `build/results/${process.env.EQUANT_REPORT ?? "test"}.json` }]]
      : ["default"],
    testTimeout: 30_000,
    // Each worker may open an ONNX Runtime session with its own threads: two workers fill two cores.
    maxWorkers: 2,
    pool: "forks",
  },
});
