import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseCheckpoint, parseModel } from "@equant/core/lab";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { appFolder } from "../../src/commands/app-server.js";
import { DIGITS_MODEL, writeDigits } from "../helpers/digits.js";
import { bundle, start } from "../helpers/process.js";
import { equant } from "../helpers/run.js";

/**
 * kill -9 in the middle of every command that writes. The moments of writing are a few milliseconds long, so the child is
 * held there: `write N` stops it with half of the Nth file on disk, `publish N` before the Nth file gets its name.
 */
const HELD = `
import fs from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
const [kind, nth] = process.argv.splice(2, 2);
let count = 0;
const hold = () => {
  process.stderr.write("held\\n");
  setInterval(() => {}, 1000);
  return new Promise(() => {});
};
const isNext = (what) => kind === what && ++count === Number(nth);
const { open, link, rename } = fs;
fs.open = async (path, flags, ...rest) => {
  const file = await open(path, flags, ...rest);
  if (flags !== "wx" || !isNext("write")) return file;
  const write = file.write.bind(file);
  file.write = async (chunk, offset, length) => {
    await write(chunk, offset, Math.floor(length / 2));
    return hold();
  };
  return file;
};
fs.link = async (...args) => (isNext("publish") ? hold() : link(...args));
fs.rename = async (...args) => (isNext("publish") ? hold() : rename(...args));
syncBuiltinESMExports();
const { runProcess } = await import("./main.js");
await runProcess();
`;

let folder = "";
let script = "";
const removals: (() => Promise<void>)[] = [() => rm(inputs, { recursive: true, force: true })];
let inputs = "";
let data = "";
const model = () => join(inputs, "model.onnx");

beforeAll(async () => {
  script = await bundle(HELD, (remove) => removals.push(remove));
  inputs = await mkdtemp(join(tmpdir(), "equant-kill-inputs-"));
  data = await writeDigits(inputs, 40);
  await writeFile(model(), await readFile(DIGITS_MODEL));
  const config = {
    model: "model.onnx",
    data: { calibrate: { dir: "digits-images-idx3-ubyte" }, preprocess: { preset: "zero-one" } },
    steps: [{ use: "fold" }, { use: "quantize" }],
  };
  await writeFile(join(inputs, "equant.config.json"), JSON.stringify(config));
});
afterAll(() => Promise.all(removals.map((remove) => remove())));

async function snapshot(path: string): Promise<Map<string, string>> {
  const names = (await readdir(path)).sort();
  return new Map(
    await Promise.all(
      names.map(async (name) => [name, (await readFile(join(path, name))).toString("base64")] as const),
    ),
  );
}

const TEMPORARY = /^\..+\.equant-[0-9a-f]{8}-\d+-\d+\.tmp$/;

interface Killed {
  /** Files under names that a person sees. */
  readonly visible: string[];
  readonly hidden: string[];
}

/** Runs the command until `said` is on stderr, kills it, and tells what lies in the output folder. */
async function killed(argv: readonly string[], hold: readonly [string, number], said: string): Promise<Killed> {
  const before = await snapshot(inputs);
  const { child, ended } = start(script, [hold[0], String(hold[1]), ...argv, "--threads", "1", "--progress", "json"]);
  let seen = "";
  child.stderr!.on("data", (chunk: Buffer) => {
    seen += chunk.toString();
    if (seen.includes(said)) child.kill("SIGKILL");
  });
  const { signal, stderr } = await ended;
  expect(signal, stderr).toBe("SIGKILL");
  expect(await snapshot(inputs)).toEqual(before);
  const names = await readdir(folder);
  return {
    visible: names.filter((name) => !TEMPORARY.test(name)).sort(),
    hidden: names.filter((name) => TEMPORARY.test(name)),
  };
}

/** The next command that writes to the folder removes what the killed one left, and nothing else. */
async function expectCleanedByNextRun(visible: readonly string[]): Promise<void> {
  const next = await equant(["init", model(), "-o", join(folder, "next.json")]);
  expect(next.code, next.stderr).toBe(0);
  expect((await readdir(folder)).sort()).toEqual([...visible, "next.json"].sort());
}

/** A report to draw, beside the other inputs. */
async function withReport(): Promise<string> {
  const out = join(inputs, "out");
  const made = await equant(["run", join(inputs, "equant.config.json"), "--out", out]);
  expect(made.code, made.stderr).toBe(0);
  await rename(join(out, "report.json"), join(inputs, "report.json"));
  await rm(out, { recursive: true });
  return join(inputs, "report.json");
}

const DATA = () => ["--data", data, "--preset", "zero-one"];
const at = (name: string) => join(folder, name);

/** Command, a moment of its work, and its arguments. */
const COMMANDS: readonly [string, string | undefined, () => string[]][] = [
  ["quantize", '"phase":"calibrate"', () => [model(), ...DATA(), "-o", at("q.onnx")]],
  ["compress", '"phase":"equalize"', () => [model(), ...DATA(), "-o", at("q.onnx"), "--bias-correct", "none"]],
  ["calibrate", '"phase":"calibrate"', () => [model(), ...DATA(), "-o", at("c.json")]],
  ["equalize", '"phase":"equalize"', () => [model(), ...DATA(), "-o", at("e.onnx")]],
  ["train", '"phase":"train"', () => [model(), ...DATA(), "--epochs", "2", "-o", at("t.onnx")]],
  ["run", '"phase":"quantize"', () => [join(inputs, "equant.config.json"), "--out", folder]],
  ["init", undefined, () => [model(), "-o", at("equant.config.json")]],
];

/** Those that write one file at their end: its writing alone, to keep the test short. */
const LAST: readonly [string, () => string[] | Promise<string[]>][] = [
  ["prune", () => [model(), "--steps", "1", "-o", at("p.onnx")]],
  ["debug", () => [model(), ...DATA(), "--samples", "8", "--no-advice", "--svg", at("d.svg")]],
  ["compare", () => [model(), model(), ...DATA(), "--samples", "8", "--svg", at("c.svg")]],
  ["report", async () => [await withReport(), "-o", at("r.html")]],
];

describe.skipIf(process.platform === "win32")("kill -9", () => {
  test.each(LAST)("while %s writes leaves no partial output and no changed input", async (command, args) => {
    folder = await mkdtemp(join(tmpdir(), "equant-kill-"));
    const left = await killed([command, ...(await args())], ["write", 1], "held\n");
    expect(left.visible).toEqual([]);
    expect(left.hidden).toHaveLength(1);
    await expectCleanedByNextRun([]);
    await rm(folder, { recursive: true });
  });

  test("while tune writes its second trial: the first stays, and the search goes on", async () => {
    folder = await mkdtemp(join(tmpdir(), "equant-kill-"));
    const argv = ["tune", model(), ...DATA(), "--samples", "8", "--calibration-samples", "4", "-o", folder];
    const { visible } = await killed(argv, ["write", 3], "held\n");
    expect(visible).toEqual(["models", "state.json"]);
    const { trials } = JSON.parse(await readFile(at("state.json"), "utf8")).state;
    expect(trials).toHaveLength(1);
    const whole = (await readdir(at("models"))).filter((name) => !TEMPORARY.test(name));
    expect(whole).toEqual([`${trials[0].id}.onnx`]);
    parseModel(await readFile(join(at("models"), whole[0]!)));
    const next = await equant([...argv, "--trials", "2"]);
    expect(next.stderr).toContain("resume    1 trials");
    expect((await readdir(at("models"))).filter((name) => TEMPORARY.test(name))).toEqual([]);
    await rm(folder, { recursive: true });
  });

  test.skipIf(appFolder() === undefined)("while view serves the built app: it has written nothing", async () => {
    folder = await mkdtemp(join(tmpdir(), "equant-kill-"));
    // As it was built: the app lies beside the command, not beside what tests make of it.
    const { child, ended } = start(fileURLToPath(new URL("../../bin/equant.js", import.meta.url)), ["view"], folder);
    let seen = "";
    child.stderr!.on("data", (chunk: Buffer) => {
      seen += chunk.toString();
      if (seen.includes("press Ctrl+C")) child.kill("SIGKILL");
    });
    const { signal, stderr } = await ended;
    expect(signal, stderr).toBe("SIGKILL");
    expect(await readdir(folder)).toEqual([]);
    await rm(folder, { recursive: true });
  });

  describe.each(COMMANDS)(
    "in the middle of %s leaves no partial output and no changed input",
    (command, said, args) => {
      const moments: [string, number, string][] = [["write", 1, "held\n"]];
      if (said !== undefined) moments.unshift(["work", 0, said]);
      test.each(moments)("%s %i", async (kind, nth, moment) => {
        folder = await mkdtemp(join(tmpdir(), "equant-kill-"));
        const left = await killed([command, ...args()], [kind, nth], moment);
        expect(left.visible).toEqual([]);
        expect(left.hidden.length > 0).toBe(kind !== "work");
        await expectCleanedByNextRun([]);
        await rm(folder, { recursive: true });
      });
    },
  );

  test("between the files of one result: those that are there are whole, and the model is not", async () => {
    folder = await mkdtemp(join(tmpdir(), "equant-kill-"));
    const argv = ["run", join(inputs, "equant.config.json"), "--out", folder, "--external-data", "all"];
    const { visible } = await killed(argv, ["publish", 7], "held\n");
    const reports = ["report.html", "report.json"];
    expect(visible).toEqual(["calibration.json", "layers.csv", "model.onnx.data", "recipe.lock.json", ...reports]);
    for (const name of visible.filter((file) => file.endsWith(".json"))) JSON.parse(await readFile(at(name), "utf8"));
    await expectCleanedByNextRun(visible);
    await rm(folder, { recursive: true });
  });

  test("while a file is replaced: the old one stays", async () => {
    folder = await mkdtemp(join(tmpdir(), "equant-kill-"));
    await mkdir(folder, { recursive: true });
    await writeFile(at("q.onnx"), "the old one");
    const argv = ["quantize", model(), ...DATA(), "-o", at("q.onnx"), "--overwrite"];
    await killed(argv, ["publish", 1], "held\n");
    expect(await readFile(at("q.onnx"), "utf8")).toBe("the old one");
    await rm(folder, { recursive: true });
  });

  test("while the checkpoint of the second epoch is written: that of the first stays", async () => {
    folder = await mkdtemp(join(tmpdir(), "equant-kill-"));
    const argv = ["train", model(), ...DATA(), "--epochs", "3", "-o", at("t.onnx"), "--checkpoint", at("t.ckpt")];
    const { visible } = await killed(argv, ["write", 2], "held\n");
    expect(visible).toEqual(["t.ckpt"]);
    expect(parseCheckpoint(await readFile(at("t.ckpt"))).epoch).toBe(1);
    await rm(folder, { recursive: true });
  });
});
