import { execFileSync, spawnSync } from "node:child_process";
import { chmod, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Command } from "commander";
import { expect, test } from "vitest";
import { COMMANDS } from "../../src/commands/index.js";
import { bashCompletion } from "../../src/completion/bash.js";
import { fishCompletion } from "../../src/completion/fish.js";
import { powershellCompletion } from "../../src/completion/powershell.js";
import { type CompletionCommand, completionWords, describeOption } from "../../src/completion/words.js";
import { zshCompletion } from "../../src/completion/zsh.js";
import { choice, completing, repeatable, text } from "../../src/options/options.js";
import { equant, temporaryFolder } from "../helpers/run.js";

const has = (shell: string) => spawnSync(shell, ["--version"]).status === 0;

/** A command with every kind of option, and a description that quotes and brackets. */
const sample: CompletionCommand = {
  name: "shrink",
  summary: "make 'it' smaller: [always]",
  options: [
    choice("-w, --weights <type>", "type of 'weights' [int]: x", ["int8", "int16"]),
    completing(repeatable("--exclude <glob>", "stays float"), "names"),
    completing(text("--out <dir>", "folder"), "folder"),
    text("--free <text>", "anything"),
  ].map(describeOption),
  argumentValues: [],
};

/** What bash offers for a command line; the last word is being typed. `equant` on the PATH is a stand-in. */
function complete(script: string, words: string[], path = process.env.PATH ?? ""): string[] {
  const body = `${script}
COMP_WORDS=(${words.map((word) => `'${word}'`).join(" ")}); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1))
_equant; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const env = { ...process.env, PATH: path };
  return execFileSync("bash", ["-c", body], { encoding: "utf8", env }).split("\n").filter(Boolean).sort();
}

test.each(["bash", "zsh", "fish", "powershell"])(
  "%s: a script on stdout that names every command and option",
  async (shell) => {
    const { code, stdout, stderr } = await equant(["completion", shell]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    for (const { name, options } of await completionWords(COMMANDS)) {
      expect(stdout).toContain(name);
      for (const { flags } of options) expect(stdout).toContain(flags[0]!.slice(2));
    }
    expect(stdout).not.toContain("undefined");
    for (const preset of ["imagenet", "zero-one"]) expect(stdout).toContain(preset);
  },
);

test.runIf(has("bash"))("bash: parses, and completes commands, options, closed sets and files", async () => {
  const script = bashCompletion([...(await completionWords(COMMANDS)), sample]);
  execFileSync("bash", ["-n"], { input: script });
  expect(complete(script, ["equant", "do"])).toEqual(["doctor"]);
  expect(complete(script, ["equant", "shrink", "--w"])).toEqual(["--weights"]);
  expect(complete(script, ["equant", "shrink", "--weights", ""])).toEqual(["int16", "int8"]);
  expect(complete(script, ["equant", "shrink", "-w", "int1"])).toEqual(["int16"]);
  expect(complete(script, ["equant", "shrink", "--weights", "=", "int1"])).toEqual(["int16"]);
  expect(complete(script, ["equant", "--json", "completion", "z"])).toEqual(["zsh"]);
  expect(complete(script, ["equant", "shrink", "--free", "x"])).toEqual([]);
  const folder = await temporaryFolder();
  await writeFile(join(folder, "my model.onnx"), "");
  expect(complete(script, ["equant", "shrink", `${folder}/my`])).toEqual([`${folder}/my model.onnx`]);
});

test.runIf(has("bash"))("bash: layer names come from the model on the command line", async () => {
  const folder = await temporaryFolder();
  await writeFile(join(folder, "equant"), "#!/bin/sh\necho conv1\necho 'block/conv;a b'\necho \"$3\" >> called\n");
  await chmod(join(folder, "equant"), 0o755);
  const script = `cd ${folder}\n${bashCompletion([sample])}`;
  const path = `${folder}:${process.env.PATH}`;
  expect(complete(script, ["equant", "shrink", "m.onnx", "--exclude", ""], path)).toEqual([
    "block/conv\\;a\\ b",
    "conv1",
  ]);
  expect(complete(script, ["equant", "shrink", "m.onnx", "--exclude", "co"], path)).toEqual(["conv1"]);
  expect(complete(script, ["equant", "shrink", "--exclude", ""], path)).toEqual([]);
  expect(await readdir(folder)).toContain("called");
});

test.runIf(has("zsh"))("zsh: parses", () => {
  execFileSync("zsh", ["-n"], { input: zshCompletion([sample]) });
});

test.runIf(has("fish"))("fish: parses and completes", async () => {
  const script = fishCompletion([sample]);
  const file = join(await temporaryFolder(), "equant.fish");
  await writeFile(file, script);
  execFileSync("fish", ["-n", file]);
  const offered = (line: string) =>
    execFileSync("fish", ["-c", `${script}\ncomplete -C '${line}'`], { encoding: "utf8" })
      .split("\n")
      .filter(Boolean)
      .map((entry) => entry.split("\t")[0])
      .sort();
  expect(offered("equant shr")).toEqual(["shrink"]);
  expect(offered("equant shrink --weights in")).toEqual(["int16", "int8"]);
});

test("zsh, fish and PowerShell quote what descriptions contain", () => {
  expect(zshCompletion([sample])).toContain(
    "'(--weights -w)'{--weights=,-w}'[type of '\\''weights'\\'' \\[int\\]\\: x]:value:(int8 int16)'",
  );
  expect(fishCompletion([sample])).toContain("-l weights -s w -x -a 'int8 int16' -d 'type of \\'weights\\' [int]: x'");
  const powershell = powershellCompletion([sample]);
  expect(powershell).toContain("'shrink -w' = @('int8', 'int16')");
  expect(powershell).toContain("'shrink --exclude' = @('<names>')");
});

test("words leave out hidden options", async () => {
  const command = new Command("x").addOption(text("--secret <x>", "").hideHelp());
  expect(command.options[0]!.hidden).toBe(true);
  for (const { name } of await completionWords(COMMANDS)) expect(name).not.toMatch(/^__/);
});

test("names of a model that cannot be read are none, without a message", async () => {
  const folder = await temporaryFolder();
  await writeFile(join(folder, "broken.onnx"), "not a model");
  const result = await equant(["__complete", "names", "broken.onnx"], { cwd: folder, env: { XDG_CACHE_HOME: folder } });
  expect(result).toMatchObject({ code: 0, stdout: "", stderr: "" });
});
