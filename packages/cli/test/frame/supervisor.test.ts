import { fork } from "node:child_process";
import { once } from "node:events";
import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { SUPERVISOR } from "../../src/frame/supervised.js";
import { bundle, printed, start } from "../helpers/process.js";
import { temporaryFolder } from "../helpers/run.js";

/** A process that works and does not listen, as one in a call of ONNX Runtime, in place of the command's own. */
const BUSY = `
import { writeFileSync } from "node:fs";
import { tempPathFor } from "./files/temp-files.js";
import { isSupervised, supervisedIo, tell } from "./frame/supervised.js";
import { start } from "./frame/supervisor.js";
const [what, output] = process.argv.slice(2);
const ends = {
  hang: () => { for (;;); },
  crash: () => process.kill(process.pid, "SIGSEGV"),
  abort: () => process.kill(process.pid, "SIGABRT"),
  grow: () => { tell({ maxMemory: 3e8 }); for (const kept = []; ; ) kept.push(Buffer.alloc(1 << 20, 1)); },
};
if (isSupervised()) {
  await supervisedIo();
  writeFileSync(tempPathFor(output), "half");
  process.stdout.write("working\\n", () => setImmediate(ends[what]));
} else await start();
`;

test.skipIf(process.platform === "win32")(
  "who does not stop is ended within a second, and leaves nothing",
  async () => {
    const folder = await temporaryFolder();
    await writeFile(join(folder, "input"), "untouched");
    const { child, ended } = start(await bundle(BUSY), ["hang", join(folder, "out"), "--json"]);
    await printed(child, "working");
    const asked = performance.now();
    child.kill("SIGTERM");
    const { code, stderr, stdout } = await ended;
    const took = performance.now() - asked;
    expect(code).toBe(143);
    expect(stderr).toContain("error[E6005]: stopped by SIGTERM");
    expect(JSON.parse(stdout.toString().replace("working", "")).error.code).toBe("E6005");
    // One second on a machine that does nothing else.
    expect(took).toBeLessThan(5000);
    expect(await readdir(folder)).toEqual(["input"]);
  },
);

test.skipIf(process.platform !== "linux").each([
  ["crash", 6, "error[E6004]: ONNX Runtime or another native library failed (SIGSEGV)"],
  ["abort", 6, "error[E6001]: the process was ended by SIGABRT"],
  ["grow", 6, "GB in use, 0.30 GB allowed"],
] as const)("%s: exit code %i, said in words", async (what, code, said) => {
  const folder = await temporaryFolder();
  const result = await start(await bundle(BUSY), [what, join(folder, "out")]).ended;
  expect(result.stderr).toContain(said);
  expect(result.code).toBe(code);
  expect(await readdir(folder)).toEqual([]);
});

test("whose supervisor was killed before it began does nothing, and starts nothing", async () => {
  const folder = await temporaryFolder();
  const script = await bundle(BUSY);
  const child = fork(script, ["hang", join(folder, "out")], {
    env: { ...process.env, [SUPERVISOR]: "1" },
    silent: true,
  });
  const [code] = (await once(child, "exit")) as [number];
  expect(code).toBe(1);
  expect(await readdir(folder)).toEqual([]);
});
