import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { CommandDefinition, CommandOutcome } from "../../src/frame/command.js";
import type { CommandContext } from "../../src/frame/context.js";
import { addDataOptions, addOutputOptions, type DataOptions } from "../../src/options/option-groups.js";
import { choice, points, repeatable } from "../../src/options/options.js";
import { runDefinition, temporaryFolder } from "../helpers/run.js";

let seen: Record<string, unknown>;
let stderrBefore = "";
const sample: CommandDefinition = {
  step: "quantize",
  configure(command) {
    command
      .argument("[model]")
      .addOption(choice("--weights <type>", "weights", ["int8", "int16"], "int8"))
      .addOption(choice("--activations <type>", "activations", ["uint8", "int16"], "uint8"))
      .addOption(points("--max-drop <pp>", "gate"))
      .option("--granularity <what>", "one scale a channel")
      .addOption(repeatable("--exclude <glob>", "stays float"));
    addDataOptions(command, { samples: 100 });
    addOutputOptions(command);
  },
  async run(context: CommandContext): Promise<CommandOutcome> {
    seen = { ...context.options<DataOptions>() };
    context.reporter.info("work starts");
    context.warn("W3007", "one", "conv1");
    context.warn("W3007", "one", "conv1");
    context.warn("W3007", "one", "conv2");
    context.warn("W5001", "random");
    context.settings.set("batch", 8, "default");
    return { result: {}, text: "" };
  },
};

test("settings are echoed before the work, each with where it came from", async () => {
  const result = await runDefinition(sample, [
    "--weights",
    "int16",
    "--samples",
    "5",
    "--mean",
    "1,2,3",
    "--exclude",
    "a",
    "--exclude",
    "b,c",
  ]);
  stderrBefore = result.stderr.slice(0, result.stderr.indexOf("work starts"));
  const flat = stderrBefore.replace(/\n {8} {2}/g, " · ").trim();
  expect(flat).toBe(
    "settings  weights int16 (flag) · activations uint8 (default) · exclude a,b,c (flag) · samples 5 (flag) · mean 1,2,3 (flag) · seed 0 (default)",
  );
  expect(seen).toMatchObject({ weights: "int16", samples: 5, mean: [1, 2, 3], exclude: ["a", "b,c"], seed: 0 });
});

test("a config gives defaults, flags win; relative paths are those of the config", async () => {
  const folder = await temporaryFolder();
  const file = join(folder, "equant.config.json");
  const config = {
    model: "m.onnx",
    data: {
      calibrate: { dir: "cal", labels: "folders", samples: 7 },
      preprocess: { preset: "tf", mean: 1, resize: [224, 192], layout: "NHWC" },
      seed: 9,
      batch: 4,
    },
    steps: [{ use: "fold" }, { use: "quantize", weights: "int16", granularity: "per-channel" }],
    gates: { maxDrop: "1.5pp" },
    threads: 1,
  };
  await writeFile(file, JSON.stringify(config));
  const result = await runDefinition(sample, ["-c", file, "--samples", "3", "--json"]);
  expect(result.stderr).not.toContain("error");
  expect(result.json()).toMatchObject({
    settings: {
      weights: { value: "int16", from: "config" },
      activations: { value: "uint8", from: "default" },
      granularity: { value: "per-channel", from: "config" },
      maxDrop: { value: 0.015, from: "config" },
      data: { value: join(folder, "cal"), from: "config" },
      samples: { value: 3, from: "flag" },
      batch: { value: 8, from: "default" },
      mean: { value: [1], from: "config" },
      resize: { value: [224, 192], from: "config" },
      seed: { value: 9, from: "config" },
    },
  });
  expect(seen).toMatchObject({
    data: join(folder, "cal"),
    samples: 3,
    batch: 4,
    seed: 9,
    threads: 1,
    granularity: "per-channel",
  });
});

test("warnings: each once on stderr, counted in the summary and in the envelope", async () => {
  const { stderr } = await runDefinition(sample);
  expect(stderr.match(/warning\[W3007\]: one \(conv1\)/g)).toHaveLength(1);
  expect(stderr).toContain("4 warnings: W3007 x3, W5001\n");
  const json = await runDefinition(sample, ["--json"]);
  expect(json.json<{ warnings: unknown }>().warnings).toEqual([
    { code: "W3007", message: "one", layer: "conv1", count: 2 },
    { code: "W3007", message: "one", layer: "conv2", count: 1 },
    { code: "W5001", message: "random", count: 1 },
  ]);
});

test("the envelope has exactly the published fields", async () => {
  const document = (await runDefinition(sample, ["--json"])).json();
  expect(Object.keys(document)).toEqual([
    "schema",
    "ok",
    "tool",
    "model",
    "provider",
    "settings",
    "result",
    "warnings",
    "timings",
  ]);
  expect(document).toMatchObject({ schema: "equant.sample/1", ok: true, model: null });
});

test("--log keeps everything said on stderr, without colours, also with --quiet", async () => {
  const folder = await temporaryFolder();
  const log = join(folder, "run.log");
  const result = await runDefinition(sample, ["--log", log, "--color", "always", "-q"]);
  expect(result.stderr).toBe("");
  const text = await readFile(log, "utf8");
  expect(text).toContain("work starts\n");
  expect(text).toContain("warning[W3007]: one (conv1)\n");
  expect(text).not.toContain("\u001b");
  await runDefinition(sample, ["--log", log, "-q"]);
  expect((await readFile(log, "utf8")).match(/work starts/g)).toHaveLength(2);
});
