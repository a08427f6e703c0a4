import { copyFile, mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { lockFolder, removeTemps } from "@equant/core/files";
import { Command } from "commander";
import { expect, onTestFinished, test } from "vitest";
import { COMMANDS } from "../../src/commands/index.js";
import { DIGITS_MODEL, writeDigits } from "../helpers/digits.js";
import { equant, temporaryFolder } from "../helpers/run.js";

/** Commands that write a folder, and how they are told which. */
const LINES: Readonly<Record<string, (folder: string, config: string) => string[]>> = {
  compress: (folder) => [DIGITS_MODEL, "--out", folder],
  tune: (folder) => [DIGITS_MODEL, "--out", folder],
  run: (folder, config) => [config, "--out", folder],
  demo: (folder) => ["--out", folder],
  prune: (folder) => [DIGITS_MODEL, "--each", folder, "-o", join(folder, "../pruned.onnx")],
  // It writes beside what it reads.
  transformers: (folder) => [folder, "--dtypes", "fp16"],
};

test("every command that is told a folder is in this test", async () => {
  const told: string[] = [];
  for (const { name, load } of COMMANDS) {
    const command = new Command(name);
    (await load()).configure(command);
    if (command.options.some(({ flags }) => /<(dir|folder)>/.test(flags))) told.push(name);
  }
  expect(Object.keys(LINES)).toEqual(expect.arrayContaining(told));
});

test.each(Object.keys(LINES))("%s leaves a folder alone that another run writes to", async (name) => {
  const parent = await temporaryFolder();
  const folder = join(parent, "out");
  await mkdir(folder);
  await copyFile(DIGITS_MODEL, join(folder, "model.onnx"));
  const digits = await writeDigits(parent, 8);
  const data = { dir: digits };
  const config = join(parent, "equant.config.json");
  const settings = {
    model: DIGITS_MODEL,
    data: { calibrate: data, validate: data, preprocess: { preset: "zero-one" } },
  };
  await writeFile(config, JSON.stringify({ ...settings, steps: [{ use: "fold" }, { use: "quantize" }] }));
  onTestFinished(removeTemps);
  await lockFolder(folder);
  const needsData = ["compress", "tune"].includes(name) ? ["--data", digits, "--preset", "zero-one"] : [];
  const run = await equant([name, ...LINES[name]!(folder, config), ...needsData, "--overwrite"]);
  expect(run.stderr).toMatch(/error\[E2006\].*another run of equant writes to/);
  expect(run.code).toBe(2);
  expect(await readdir(folder)).toEqual(["model.onnx"]);
});
