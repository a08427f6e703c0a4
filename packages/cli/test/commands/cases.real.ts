import { existsSync, readdirSync } from "node:fs";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { equant, temporaryFolder } from "../helpers/run.js";

const CASES = join(import.meta.dirname, "../../../../../shared/cases");
const cases = existsSync(CASES) ? readdirSync(CASES).filter((name) => existsSync(join(CASES, name, "m.onnx"))) : [];

/** Methods of pruning that say truly why they cannot score these networks. */
const TYPED = ["E4001", "E4005"];

interface Quantized {
  result: { verification: { runtime: { sqnrDb: number } } };
}

describe.each(cases)("%s", (name) => {
  const model = join(CASES, name, "m.onnx");
  const data = ["cal.npz", "cal.npy"].map((file) => join(CASES, name, file)).find((file) => existsSync(file))!;
  const run = async (...args: string[]) => equant([...args, "--data", data, "--progress", "none", "--json"]);

  test("quantize, a tensor and a channel, validate, debug", async () => {
    const folder = await temporaryFolder();
    const file = join(folder, "q.onnx");
    for (const granularity of [["--granularity", "per-tensor"], ["--per-channel"]]) {
      const quantized = await run("quantize", model, "-o", file, "--overwrite", "--no-latency", ...granularity);
      expect(quantized.stderr).not.toMatch(/E\d{4}/);
      expect(quantized.json<Quantized & Record<string, unknown>>().result.verification.runtime.sqnrDb).toBeGreaterThan(
        25,
      );
      const [before, after] = [(await stat(model)).size, (await stat(file)).size];
      if (after > before) expect(quantized.stderr).toContain("W6002");
      if (name === "shared_weights_grow") expect(after).toBeLessThan(0.42 * before);
    }
    expect((await run("validate", file, "--against", model, "--no-latency")).code).toBe(0);
    expect((await run("debug", model)).code).toBe(0);
  });

  test("compress", async () => {
    const folder = await temporaryFolder();
    const compressed = await run("compress", model, "-o", join(folder, "c.onnx"), "--no-latency");
    expect(compressed.stderr).not.toMatch(/E\d{4}/);
    expect(compressed.code).toBe(0);
  });

  test("prune: works, or says truly why it cannot", async () => {
    const folder = await temporaryFolder();
    const pruned = await run(
      "prune",
      model,
      "--granularity",
      "channels",
      "--sparsity",
      "20%",
      "-o",
      join(folder, "p.onnx"),
    );
    const { error } = pruned.json<{ error?: { code: string } }>();
    if (pruned.code !== 0) expect(TYPED).toContain(error?.code);
  });
});
