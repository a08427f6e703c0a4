import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { serializeModel } from "@equant/core";
import { readModel } from "@equant/core/node";
import { expect, test } from "vitest";
import { DIGITS_MODEL, writeDigits } from "../helpers/digits.js";
import { equant, temporaryFolder } from "../helpers/run.js";

test.each([
  ["quantize", []],
  ["compress", ["--equalize", "none"]],
  ["equalize", ["--method", "dfq"]],
  ["train", ["--epochs", "1"]],
] as const)(
  "%s --external-data all writes the weights beside the model, which stays the same",
  async (command, more) => {
    const cwd = await temporaryFolder();
    const data = ["--data", await writeDigits(cwd, 24), "--preset", "zero-one", "--threads", "1", ...more];
    const run = async (output: string, how: string) => {
      const argv = [command, DIGITS_MODEL, ...data, "-o", output, "--external-data", how, "--json"];
      const { code, stderr, stdout } = await equant(argv, { cwd });
      expect(code, stderr).toBe(0);
      return (JSON.parse(stdout) as { result: { bytes?: number; output?: { bytes: number } } }).result;
    };
    await run("whole.onnx", "auto");
    const { bytes, output } = await run("parts.onnx", "all");
    const files = await readdir(cwd);
    expect(files).toContain("parts.onnx.data");
    expect(files).not.toContain("whole.onnx.data");
    const [model, weights] = await Promise.all([stat(join(cwd, "parts.onnx")), stat(join(cwd, "parts.onnx.data"))]);
    if (command !== "equalize") expect(bytes ?? output!.bytes).toBe(model.size + weights.size);
    const reread = serializeModel(await readModel(join(cwd, "parts.onnx")));
    expect(Buffer.compare(reread, await readFile(join(cwd, "whole.onnx")))).toBe(0);
    // Saved again, the two files are refused together without --overwrite: never a new model with old weights.
    const again = await equant([command, DIGITS_MODEL, ...data, "-o", "parts.onnx", "--external-data", "all"], { cwd });
    expect(again.code).toBe(2);
  },
);

test("the output folder gets both files, and the report their size together", async () => {
  const cwd = await temporaryFolder();
  const data = await writeDigits(cwd, 24);
  const argv = ["compress", DIGITS_MODEL, "--data", data, "--preset", "zero-one", "--equalize", "none"];
  const run = await equant([...argv, "--out", "dist", "--external-data", "all", "--json"], { cwd });
  expect(run.code, run.stderr).toBe(0);
  const report = JSON.parse(await readFile(join(cwd, "dist/report.json"), "utf8")) as { output: { bytes: number } };
  const sizes = await Promise.all(["model.onnx", "model.onnx.data"].map((name) => stat(join(cwd, "dist", name))));
  expect(report.output.bytes).toBe(sizes[0]!.size + sizes[1]!.size);
});
