import { execFile } from "node:child_process";
import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { bundle, printed, start } from "../helpers/process.js";
import { temporaryFolder } from "../helpers/run.js";

/** The frame around one command, as a real process. */
const FRAME = `
  import { Command } from "commander";
  import { execute } from "./frame/execute.js";
  import { processIo } from "./files/io.js";
  import { addGlobalOptions } from "./options/option-groups.js";
  import { writeOutput } from "./files/output-file.js";
  const command = addGlobalOptions(new Command("sample").argument("[path]"));
  command.action(() => {});
  command.parse(process.argv.slice(2), { from: "user" });
  process.stdout.on("error", () => {});
  const frame = (run) => execute(
    { name: "sample", definition: { configure() {}, run }, command, args: command.args }, processIo(),
  ).then((code) => { process.exitCode = code; });
`;

test("a large result reaches a slow reader whole", async () => {
  const script = await bundle(`${FRAME} frame(async () => ({ result: "x".repeat(8 << 20), text: "" }));`);
  const { child, ended } = start(script, ["--json"]);
  child.stdout!.pause();
  setTimeout(() => child.stdout!.resume(), 300);
  const { code, stdout } = await ended;
  expect(code).toBe(0);
  const document = JSON.parse(stdout.toString()) as { result: string };
  expect(document.result).toHaveLength(8 << 20);
});

test.skipIf(process.platform === "win32")("a reader that leaves is not an error", async () => {
  const script = await bundle(`${FRAME} frame(async () => ({ result: null, text: "line\\n".repeat(1 << 20) }));`);
  const command = `"${process.execPath}" "${script}" -q | head -n 1; echo "\${PIPESTATUS[0]}"`;
  const output = await new Promise<string>((resolve) => {
    execFile("bash", ["-c", command], (_error, stdout, stderr) => resolve(stdout + stderr));
  });
  expect(output).toBe("line\n0\n");
});

test.runIf(process.platform === "linux")("stdout on a full disk is exit code 6, said once", async () => {
  const script = await bundle(`${FRAME} frame(async () => ({ result: null, text: "line\\n" }));`);
  for (const flags of ["-q", "-q --json"]) {
    const command = `"${process.execPath}" "${script}" ${flags} > /dev/full; echo $?`;
    const output = await new Promise<string>((resolve) => {
      execFile("bash", ["-c", command], (_error, stdout, stderr) => resolve(stderr + stdout));
    });
    expect(output.match(/error\[E6002\]: cannot write output: the disk is full/g)).toHaveLength(1);
    expect(output.endsWith("\n6\n")).toBe(true);
  }
});

/** Writes an endless file, and ends it when it is told to stop. */
const WRITER = `${FRAME}
  frame(async (context, path) => {
    let stop = false;
    context.signal.addEventListener("abort", () => { stop = process.argv.includes("--seed"); });
    async function* chunks() {
      for (let i = 0; !stop; i++) {
        yield new Uint8Array(1 << 12);
        if (i === 3) process.stdout.write("writing\\n");
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    }
    const written = await context.writeOutput(path, chunks());
    return { result: written, text: "saved\\n" };
  });`;

test.skipIf(process.platform === "win32").each([
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const)("%s: the work is finished and saved, exit code %i", async (signal, code) => {
  const folder = await temporaryFolder();
  const { child, ended } = start(await bundle(WRITER), [join(folder, "out"), "--seed", "1"]);
  await printed(child, "writing");
  child.kill(signal);
  const result = await ended;
  expect(result.code).toBe(code);
  expect(result.stdout.toString()).toContain("saved");
  expect(result.stderr).toContain("stopping");
  expect(await readdir(folder)).toEqual(["out"]);
});

test.skipIf(process.platform === "win32")("a second Ctrl+C ends at once and leaves no temporary file", async () => {
  const folder = await temporaryFolder();
  await writeFile(join(folder, "input"), "untouched");
  const { child, ended } = start(await bundle(WRITER), [join(folder, "out")]);
  await printed(child, "writing");
  child.kill("SIGINT");
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(child.exitCode).toBeNull();
  child.kill("SIGINT");
  expect((await ended).code).toBe(130);
  expect(await readdir(folder)).toEqual(["input"]);
});
