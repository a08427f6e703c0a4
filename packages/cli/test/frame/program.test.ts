import { readFileSync } from "node:fs";
import { PRESETS as CORE_PRESETS } from "@equant/core";
import { expect, test } from "vitest";
import { COMMANDS } from "../../src/commands/index.js";
import { PRESETS } from "../../src/options/option-groups.js";
import { equant } from "../helpers/run.js";

const version = (
  JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as { version: string }
).version;

test("--version and --help answer on stdout", async () => {
  for (const flag of ["--version", "-V"])
    expect(await equant([flag])).toMatchObject({ code: 0, stdout: `${version}\n`, stderr: "" });
  const [long, short, word] = [await equant(["--help"]), await equant(["-h"]), await equant(["help"])];
  expect(long.stdout).toBe(short.stdout);
  expect(long.stdout).toBe(word.stdout);
  for (const { name, summary, hidden } of COMMANDS) {
    if (hidden) expect(long.stdout).not.toContain(name);
    else expect(long.stdout).toMatch(new RegExp(`^ {2}${name} +${summary.replace(/[.*+?^$()]/g, "\\$&")}$`, "m"));
  }
});

test.each(COMMANDS.filter(({ hidden }) => !hidden).map(({ name }) => name))("%s --help shows options", async (name) => {
  const byFlag = await equant([name, "--help"]);
  expect(byFlag).toMatchObject({ code: 0, stderr: "" });
  expect(byFlag.stdout).toContain(`Usage: equant ${name}`);
  for (const option of ["--json", "--config <file>", "--progress", "--color", "--seed", "--threads"]) {
    expect(byFlag.stdout).toContain(option);
  }
  expect((await equant(["help", name])).stdout).toBe(byFlag.stdout);
});

test.each([
  [["doctr"], "E2001", "unknown command 'doctr'", "did you mean 'doctor'?"],
  [["doctr", "--jsn", "x"], "E2001", "unknown command 'doctr'", "did you mean 'doctor'?"],
  [["help", "doctr"], "E2001", "unknown command 'doctr'", "did you mean 'doctor'?"],
  [["doctor", "--jsn"], "E2001", "unknown option '--jsn'", "did you mean '--json'?"],
  [["doctor", "--thread=2"], "E2001", "unknown option '--thread'", "did you mean '--threads'?"],
  [["doctor", "more"], "E2001", "too many arguments", "equant doctor --help"],
  [[], "E2005", "which command?", "equant --help"],
  [["completion"], "E2005", "missing argument <shell>", "equant completion --help"],
  [["doctor", "--threads"], "E2005", "--threads <n>: a value is missing", "equant doctor --help"],
  [["doctor", "--threads", "0"], "E2002", "--threads: '0' is not an integer from 1 to 1024", undefined],
  [["doctor", "--threads", "two"], "E2002", "--threads: 'two' is not an integer", undefined],
  [["doctor", "--table", "cvs"], "E2004", "--table: 'cvs' is not one of text, md, csv", undefined],
  [
    ["doctor", "--progress=jsn"],
    "E2004",
    "--progress: 'jsn' is not one of auto, plain, json, none",
    "did you mean 'json'?",
  ],
  [["completion", "bsh"], "E2004", "shell: 'bsh' is not one of bash, zsh, fish, powershell", "did you mean 'bash'?"],
  [["init", "--preset", "imagnet"], "E2004", "--preset: 'imagnet' is not one of", "did you mean 'imagenet'?"],
] as const)("usage error %j", async (argv, code, message, hint) => {
  const result = await equant(argv);
  expect(result).toMatchObject({ code: 2, stdout: "" });
  expect(result.stderr).toContain(`error[${code}]: `);
  expect(result.stderr).toContain(message);
  if (hint !== undefined) expect(result.stderr).toContain(`hint: ${hint}`);
  expect(result.stderr).toContain(`see docs/errors.md#${code.toLowerCase()}`);
});

test("a usage error with --json is one envelope on stdout", async () => {
  const result = await equant(["doctor", "--json", "--threads", "0"]);
  expect(result.code).toBe(2);
  expect(result.json()).toEqual({
    schema: "equant.doctor/1",
    ok: false,
    tool: { version },
    model: null,
    provider: null,
    settings: {},
    result: null,
    error: { code: "E2002", message: "--threads: '0' is not an integer from 1 to 1024" },
    warnings: [],
    timings: {},
  });
});

test("presets of the option are those of the library", () => {
  expect([...PRESETS]).toEqual(Object.keys(CORE_PRESETS));
});

test("global options may stand before the command", async () => {
  const result = await equant(["--json", "schema", "config"]);
  expect(result.json()).toMatchObject({ ok: true, schema: "equant.schema/1" });
});

test("colours: never in a pipe, on a terminal unless NO_COLOR, always when forced", async () => {
  const esc = "\u001b[";
  expect((await equant(["doctr"])).stderr).not.toContain(esc);
  expect((await equant(["doctr"], { tty: true })).stderr).toContain(esc);
  expect((await equant(["doctr"], { tty: true, env: { NO_COLOR: "1" } })).stderr).not.toContain(esc);
  expect((await equant(["doctr"], { tty: true, env: { TERM: "dumb" } })).stderr).not.toContain(esc);
  expect((await equant(["doctr"], { env: { FORCE_COLOR: "1" } })).stderr).toContain(esc);
  expect((await equant(["completion", "bash", "--color", "never", "--log", "/"], { tty: true })).stderr).not.toContain(
    esc,
  );
});
