import { copyFile, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { COMMANDS } from "../../src/commands/index.js";
import { DIGITS_MODEL, writeDigits } from "./digits.js";

export interface CommandFolders {
  readonly inputs: string;
  /** What the lines write goes here. */
  readonly outputs: string;
  /** Where lines find what others wrote. Default: `outputs`, for lines that run one after the other. */
  readonly made?: string;
}

/** What a worker does is to talk to the queue it was given: it is tested with queues (packages/cluster/test/queue.real.ts). */
const APART = ["worker"];

/** A line of every command there is, over the digits, in an order in which each finds what it reads. Writes the inputs. */
export async function everyCommand({ inputs, outputs, made = outputs }: CommandFolders): Promise<string[][]> {
  const digits = await writeDigits(inputs, 24);
  const data = ["--data", digits, "--preset", "zero-one"];
  const few = ["--samples", "8"];
  const at = (name: string) => join(outputs, name);
  const of = (name: string) => join(made, name);
  const config = join(inputs, "equant.config.json");
  const dir = { dir: digits };
  const settings = { model: DIGITS_MODEL, data: { calibrate: dir, validate: dir, preprocess: { preset: "zero-one" } } };
  await writeFile(config, JSON.stringify({ ...settings, steps: [{ use: "fold" }, { use: "quantize" }] }));
  // It writes beside the files it reads.
  await mkdir(at("hub"), { recursive: true });
  await copyFile(DIGITS_MODEL, at("hub/model.onnx"));
  const lines = [
    ["doctor"],
    ["schema", "config"],
    ["completion", "bash"],
    ["__complete", "--", "inspect", ""],
    ["inspect", DIGITS_MODEL],
    ["init", DIGITS_MODEL, "--data", digits, "-o", at("equant.config.json")],
    ["calibrate", DIGITS_MODEL, ...data, "-o", at("c.json")],
    ["quantize", DIGITS_MODEL, ...data, "-o", at("q.onnx")],
    ["compress", DIGITS_MODEL, ...data, ...few, "-o", at("p.onnx")],
    ["validate", of("q.onnx"), "--against", DIGITS_MODEL, ...data],
    ["compare", DIGITS_MODEL, of("q.onnx"), ...data],
    ["ablate", DIGITS_MODEL, ...data, ...few],
    ["export", of("q.onnx"), "--as", "aimet", "-o", at("encodings.json")],
    ["equalize", DIGITS_MODEL, ...data, "-o", at("e.onnx")],
    ["debug", DIGITS_MODEL, ...data, ...few, "--no-advice"],
    ["prune", DIGITS_MODEL, "--steps", "1", "-o", at("s.onnx")],
    ["tune", DIGITS_MODEL, ...data, ...few, "--calibration-samples", "4", "--trials", "1", "-o", at("tuned")],
    ["transformers", at("hub/model.onnx"), "--dtypes", "fp16", "--samples", "4", "--force"],
    ["train", DIGITS_MODEL, ...data, "--epochs", "1", "-o", at("t.onnx")],
    ["run", config, "--out", at("run")],
    ["report", of("run/report.json"), "-o", at("r.html")],
    ["demo", "--samples", "20", "--out", at("demo")],
    ["view"],
  ];
  const missing = COMMANDS.filter(({ name }) => !APART.includes(name) && !lines.some(([command]) => command === name));
  if (missing.length > 0) throw new Error(`no line for ${missing.map(({ name }) => name).join(", ")}`);
  return lines;
}
