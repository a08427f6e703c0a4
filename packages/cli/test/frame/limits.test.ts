import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { DIGITS_MODEL, writeDigits } from "../helpers/digits.js";
import { temporaryFolder } from "../helpers/run.js";

/** What the machine withholds, through the real command: each has its own error, none ends in 70 or by a signal. */
const COMMAND = fileURLToPath(new URL("../../bin/equant.js", import.meta.url));
const BUILT = existsSync(fileURLToPath(new URL("../../dist/main.js", import.meta.url)));

function shell(before: string, argv: readonly string[]) {
  const line = `${before} exec "$0" "$@"`;
  const { status, stderr, stdout } = spawnSync("bash", ["-c", line, process.execPath, COMMAND, ...argv], {
    encoding: "utf8",
    timeout: 60_000,
  });
  return { status, said: stderr, shown: stdout };
}

describe.skipIf(process.platform !== "linux" || !BUILT)("the real command", () => {
  test("few open files: E6006, at once", () => {
    // Node 22 and newer cannot read their own script with 20.
    for (const files of [32, 47]) {
      const { status, said } = shell(`ulimit -n ${files};`, ["inspect", DIGITS_MODEL]);
      expect([status, said]).toEqual([6, expect.stringContaining(`error[E6006]: too many open files: ${files} are`)]);
    }
    const { status, said } = shell("ulimit -n 56;", [
      "quantize",
      DIGITS_MODEL,
      "--data",
      "random",
      "-o",
      "/dev/null/x",
    ]);
    expect([status, said]).toEqual([expect.toBeOneOf([2, 6]), expect.stringMatching(/error\[E(6006|2006)\]/)]);
  });

  test("a working folder that was removed: E6008; what needs no file still answers", async () => {
    const gone = join(await temporaryFolder(), "gone");
    await mkdir(gone);
    const before = `cd '${gone}'; rmdir '${gone}';`;
    expect(shell(before, ["inspect", DIGITS_MODEL])).toMatchObject({
      status: 6,
      said: expect.stringContaining("error[E6008]: the working folder does not exist"),
    });
    await mkdir(gone);
    expect(shell(before, ["--help"])).toMatchObject({ status: 0, shown: expect.stringContaining("Exit codes") });
  });

  // How much address space Node itself needs depends on its version: below and just above, it ends before it says anything.
  test.each([1000, 1200, 1400])("%i MB of address space: enough, or E6001 and nothing partial", async (megabytes) => {
    const before = `ulimit -v ${megabytes * 1000};`;
    const less = `ulimit -v ${(megabytes - 200) * 1000};`;
    const starts = spawnSync("bash", ["-c", `${less} exec "$0" -e 0`, process.execPath]).status === 0;
    const folder = await temporaryFolder();
    await mkdir(join(folder, "data"));
    const digits = await writeDigits(join(folder, "data"), 4);
    const out = join(folder, "out");
    await mkdir(out);
    const argv = ["quantize", DIGITS_MODEL, "--data", digits, "-o", join(out, "q.onnx")];
    const { status, said } = shell(before, argv);
    if (starts && status !== 0) expect([status, said]).toEqual([6, expect.stringContaining("error[E6001]")]);
    expect(await readdir(out)).toEqual(status === 0 ? ["q.onnx"] : []);
  });

  test.each([
    ["inspect", "/dev/zero"],
    ["report", "/dev/urandom"],
    ["run", "/dev/zero"],
    ["inspect", DIGITS_MODEL, "--config", "/dev/zero"],
    ["quantize", DIGITS_MODEL, "--calibration", "/dev/zero", "-o", "q.onnx"],
  ])("%s %s: a file without an end is refused", (...argv) => {
    expect(shell("", argv)).toMatchObject({
      status: 3,
      said: expect.stringMatching(/error\[E3001\]: cannot read \S+: it is a device/),
    });
  });

  test("ranges beyond float32 are said to be that", async () => {
    const folder = await temporaryFolder();
    const [stats, output] = [join(folder, "c.json"), join(folder, "q.onnx")];
    const made = shell("", ["calibrate", DIGITS_MODEL, "--data", "random", "--samples", "2", "-o", stats]);
    expect(made.status, made.said).toBe(0);
    const text = await readFile(stats, "utf8");
    await writeFile(
      stats,
      text.replace(/"max": ?[\d.e+-]+/g, '"max": 1e308').replace(/"min": ?[\d.e+-]+/g, '"min": -1e308'),
    );
    const { status, said } = shell("", ["quantize", DIGITS_MODEL, "--calibration", stats, "-o", output]);
    expect([status, said]).toEqual([5, expect.stringMatching(/error\[E500\d\]/)]);
    expect(await readdir(folder)).toEqual(["c.json"]);
  });
});
