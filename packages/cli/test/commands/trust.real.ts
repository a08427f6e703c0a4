import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { DIGITS_MODEL } from "../helpers/digits.js";
import { start } from "../helpers/process.js";
import { equant, temporaryFolder } from "../helpers/run.js";

/** Files made to trip equant: damaged models, claims that cannot be held, names that a terminal obeys. */

const CASES = fileURLToPath(new URL("../../../../../shared/cases/trust", import.meta.url));
const BIN = fileURLToPath(new URL("../../bin/equant.js", import.meta.url));
const file = (name: string) => join(CASES, name);

/** Code that `quantize` ends with, and the models it is the answer to, by the beginning of their names. Others are sound. */
const ANSWERS: readonly [code: string, isReadable: boolean, names: string[]][] = [
  ["E3002", false, ["crash-1"]],
  ["E3003", false, ["fuzz-115311", "fuzz-121015", "fuzz-154962", "min-inspect_TypeError_function"]],
  [
    "E3004",
    false,
    [
      ...["fuzz-101762", "fuzz-103654", "fuzz-113124", "fuzz-116239", "fuzz-127137", "fuzz-129921", "fuzz-132940"],
      ...["fuzz-143434", "fuzz-157046", "hand-double", "hand-float", "min-fold_RangeError", "min-inspect_RangeError"],
    ],
  ],
  ["E3005", false, ["cli-136", "cli-554", "crash-0"]],
  ["E4001", true, ["fuzz-109917", "hand-optype-", "min-inspect_TypeError_undefined"]],
  ["E4002", true, ["min-upgrade_"]],
  ["E4003", true, ["fuzz-125553", "fuzz-134543"]],
  ["E5001", true, ["fuzz-108504", "fuzz-149255", "min-fold_makes_invalid"]],
  ["E6001", true, ["clip-1003573", "clip-1007331", "clip-1008494"]],
  [
    "E6003",
    true,
    [
      ...["fold-range", "fuzz-100021", "fuzz-105246", "fuzz-130477", "fuzz-131549", "fuzz-138831", "fuzz-141307"],
      "min-inspect_TypeError_object",
    ],
  ],
  ["E6004", true, ["clip-1006447", "upgrade-resize"]],
];
const answerTo = (name: string) => ANSWERS.find(([, , names]) => names.some((start) => name.startsWith(start)));

/** What a terminal would obey, besides line ends. */
const OBEYED = /[^\P{Cc}\n]/u;

const models = existsSync(CASES)
  ? readdirSync(CASES).filter((name) => name.endsWith(".onnx") && !name.startsWith("clip-hang-"))
  : [];

test.each(models)("%s", async (name) => {
  const folder = await temporaryFolder();
  const [code, isReadable = true] = answerTo(name) ?? [];
  const codeOf = ({ stderr }: { stderr: string }) => /error\[(E\d+)\]/.exec(stderr)?.[1];
  const limits = ["--max-memory", "1GB", "--quiet"];
  const looked = await equant(["inspect", file(name), "--names", ...limits]);
  expect(codeOf(looked), looked.stderr).toBe(isReadable ? undefined : code);
  expect(looked.code === 0).toBe(isReadable);
  const line = [file(name), "--data", "random", "--samples", "2", "-o", join(folder, "q.onnx"), ...limits];
  const made = await equant(["quantize", ...line]);
  expect(codeOf(made), made.stderr).toBe(code);
  expect(made.code).toBe(code === undefined ? 0 : Number(code[1]));
  expect(readdirSync(folder)).toEqual(code === undefined ? ["q.onnx"] : []);
  for (const { stdout, stderr } of [looked, made]) expect(stdout + stderr).not.toMatch(OBEYED);
});

// ONNX Runtime would not come back from these: they go through the command's own process, which ends what does not stop.
test.each([
  ["clip-hang-1001963.onnx", /error\[E3003\].*attribute strides is int, expected ints/],
  ["clip-hang-1003901.onnx", /error\[E6001\].*1\.00 GB allowed/],
  ["clip-hang-1005752.onnx", /error\[E6001\].*1\.00 GB allowed/],
])("%s: refused before it is run", async (name, said) => {
  const folder = await temporaryFolder();
  const line = ["quantize", file(name), "--data", "random", "--samples", "2", "-o", join(folder, "q.onnx")];
  const { code, stderr } = await start(BIN, [...line, "--max-memory", "1GB", "--quiet"]).ended;
  expect(stderr).toMatch(said);
  expect(code).toBe(Number(/error\[E(\d)/.exec(stderr)![1]));
  expect(readdirSync(folder)).toEqual([]);
});

test.each([
  ["ansi.zip", "E5005", /lie outside the folder/],
  ["z1.npy", "E5003", /shape \[1000000000\]/],
])("data: %s is %s", async (name, code, said) => {
  const folder = await temporaryFolder();
  const run = await equant(["calibrate", DIGITS_MODEL, "--data", file(name), "-o", join(folder, "c.json")]);
  expect(run.stderr).toContain(`error[${code}]`);
  expect(run.stderr).toMatch(said);
  expect(run.stderr).not.toMatch(OBEYED);
  expect([run.code, readdirSync(folder)]).toEqual([5, []]);
});

test("a step named constructor is none of the steps", async () => {
  const folder = await temporaryFolder();
  const run = await equant(["run", file("cfg_useconstructor.json"), "--out", folder]);
  expect(run.code).toBe(2);
  expect(run.stderr).toContain("error[E2007]");
  expect(readdirSync(folder)).toEqual([]);
});
