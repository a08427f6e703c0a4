import { chmod, link, mkdir, readdir, readFile, stat, symlink, utimes, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import { checkOutput, writeOutput, writeOutputs } from "../../src/files/output-file.js";
import { bundle, printed, start } from "../helpers/process.js";
import { temporaryFolder } from "../helpers/run.js";

const coded = (code: string, text?: RegExp) =>
  expect.objectContaining({ code, message: text ? expect.stringMatching(text) : expect.any(String) });

test("writes text, bytes and chunks, and makes parent folders", async () => {
  const folder = await temporaryFolder();
  const path = join(folder, "a/b/out.bin");
  expect(await writeOutput(path, Uint8Array.of(1, 2, 3))).toEqual({ path, bytes: 3 });
  expect([...(await readFile(path))]).toEqual([1, 2, 3]);
  async function* chunks() {
    yield Uint8Array.of(4);
    yield new Uint8Array(0);
    yield Uint8Array.of(5, 6);
  }
  await writeOutput(path, chunks(), { overwrite: true });
  expect([...(await readFile(path))]).toEqual([4, 5, 6]);
  await writeOutput("text", "h\u00e9", { cwd: folder });
  expect(await readFile(join(folder, "text"), "utf8")).toBe("h\u00e9");
  expect((await readdir(folder)).sort()).toEqual(["a", "text"]);
});

test("an existing file needs overwrite and is left alone without", async () => {
  const folder = await temporaryFolder();
  const path = join(folder, "out");
  await writeFile(path, "old");
  await expect(writeOutput(path, "new")).rejects.toEqual(coded("E2006", /exists already/));
  expect(await readFile(path, "utf8")).toBe("old");
  await writeOutput(path, "new", { overwrite: true });
  expect(await readFile(path, "utf8")).toBe("new");
});

test("a file that appears while the new one is written is not replaced", async () => {
  const folder = await temporaryFolder();
  const path = join(folder, "out");
  async function* slow() {
    yield Uint8Array.of(1);
    await writeFile(path, "somebody else's");
    yield Uint8Array.of(2);
  }
  await expect(writeOutput(path, slow())).rejects.toEqual(coded("E2006", /exists already/));
  expect(await readFile(path, "utf8")).toBe("somebody else's");
  expect(await readdir(folder)).toEqual(["out"]);
});

test("never over an input: same path, other spelling, symbolic link, hard link", async () => {
  const folder = await temporaryFolder();
  const input = join(folder, "in.onnx");
  await writeFile(input, "model");
  await symlink(input, join(folder, "soft.onnx"));
  await link(input, join(folder, "hard.onnx"));
  await symlink(folder, join(folder, "self"));
  for (const name of ["in.onnx", "./self/../in.onnx", "self/in.onnx", "soft.onnx", "hard.onnx"]) {
    const options = { overwrite: true, inputs: ["in.onnx"], cwd: folder };
    await expect(writeOutput(name, "x", options), name).rejects.toEqual(coded("E2006", /is the input in\.onnx/));
  }
  expect(await readFile(input, "utf8")).toBe("model");
  await writeFile(join(folder, "other.onnx"), "");
  await writeOutput("other.onnx", "x", { overwrite: true, inputs: ["in.onnx"], cwd: folder });
});

test("a folder, a path through a file, and a name too long are E2006 with the path", async () => {
  const folder = await temporaryFolder();
  await mkdir(join(folder, "dir"));
  await writeFile(join(folder, "file"), "");
  await expect(checkOutput("dir", { cwd: folder })).rejects.toEqual(coded("E2006", /dir: it is a folder/));
  await expect(writeOutput("file/x", "", { cwd: folder })).rejects.toEqual(
    coded("E2006", /file\/x.*part of the path is a file/),
  );
  await expect(writeOutput("n".repeat(300), "", { cwd: folder })).rejects.toEqual(coded("E2006", /name is too long/));
});

test("several files appear all or none", async () => {
  const folder = await temporaryFolder();
  async function* broken() {
    yield Uint8Array.of(1);
    throw new Error("serializer failed");
  }
  const bad = writeOutputs([
    { path: join(folder, "data"), data: "weights" },
    { path: join(folder, "model"), data: broken() },
  ]);
  await expect(bad).rejects.toThrow("serializer failed");
  expect(await readdir(folder)).toEqual([]);
  await writeOutputs([
    { path: join(folder, "data"), data: "weights" },
    { path: join(folder, "model"), data: "graph" },
  ]);
  expect((await readdir(folder)).sort()).toEqual(["data", "model"]);
});

test.runIf(process.platform === "linux")("disk full is E6002 and names the file", async () => {
  // /dev/full answers every write with ENOSPC.
  await expect(writeOutput("/dev/full", "x")).rejects.toEqual(
    coded("E6002", /\/dev\/full: the disk is full \(ENOSPC\)/),
  );
  expect(await writeOutput("/dev/null", "x")).toEqual({ path: "/dev/null", bytes: 1 });
  expect((await stat("/dev/null")).isCharacterDevice()).toBe(true);
});

test.runIf(process.platform === "linux")("a read-only file system is E6002", async () => {
  // sysfs refuses new files even to root, who ignores the mode of a folder; a mkdir in /proc must not hang.
  await expect(writeOutput("/proc/equant-test/out", "x")).rejects.toEqual(coded("E2006"));
  await expect(writeOutput("/sys/equant-test", "x")).rejects.toEqual(coded("E6002"));
});

test("replacing a file keeps its mode", async () => {
  const folder = await temporaryFolder();
  const path = join(folder, "out");
  await writeOutput(path, "x");
  expect((await stat(path)).mode & 0o777).toBe(0o666 & ~process.umask());
  await chmod(path, 0o600);
  await writeOutput(path, "y", { overwrite: true });
  expect((await stat(path)).mode & 0o777).toBe(0o600);
});

test("left-over temporary files of dead processes are removed, others are not", async () => {
  const folder = await temporaryFolder();
  const script = await bundle(`
    import { tempPathFor } from "./files/temp-files.js";
    import { writeFileSync } from "node:fs";
    writeFileSync(tempPathFor(process.argv[2] + "/model.onnx"), "half");
  `);
  await start(script, [folder]).ended;
  const [left] = await readdir(folder);
  expect(left).toMatch(/^\.model\.onnx\.equant-[0-9a-f]{8}-\d+-0\.tmp$/);
  const mine = left!.replace(/-\d+-0\.tmp$/, `-${process.pid}-99.tmp`);
  const foreign = left!.replace(/equant-[0-9a-f]{8}/, "equant-00000000");
  const abandoned = foreign.replace("-0.tmp", "-1.tmp");
  for (const name of [mine, foreign, abandoned, ".model.onnx.tmp", "x.equant-00000000-1-1.tmp"]) {
    await writeFile(join(folder, name), "");
  }
  const longAgo = new Date(Date.now() - 25 * 3600 * 1000);
  await utimes(join(folder, abandoned), longAgo, longAgo);
  await writeOutput(join(folder, "out"), "x");
  const expected = [mine, foreign, ".model.onnx.tmp", "x.equant-00000000-1-1.tmp", "out"];
  expect((await readdir(folder)).sort()).toEqual(expected.sort());
});

test("kill -9 in the middle leaves no partial output; the next run cleans up", async () => {
  const folder = await temporaryFolder();
  const target = join(folder, "model.onnx");
  await writeFile(target, "the old model");
  const script = await bundle(`
    import { writeOutput } from "./files/output-file.js";
    async function* endless() {
      for (let i = 0; ; i++) {
        yield new Uint8Array(1 << 16);
        if (i === 4) process.stdout.write("writing");
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    }
    await writeOutput(process.argv[2], endless(), { overwrite: true });
  `);
  const { child, ended } = start(script, [target]);
  await printed(child, "writing");
  expect(await readFile(target, "utf8")).toBe("the old model");
  child.kill("SIGKILL");
  expect((await ended).signal).toBe("SIGKILL");
  expect(await readFile(target, "utf8")).toBe("the old model");
  expect(await readdir(folder)).toHaveLength(2);
  await writeOutput(target, "the new model", { overwrite: true });
  expect(await readdir(folder)).toEqual(["model.onnx"]);
});

test("writing to a socket path fails with a typed error instead of replacing it", async () => {
  const folder = await temporaryFolder();
  const path = join(folder, "socket");
  const server = createServer().listen(path);
  await new Promise((resolve) => server.once("listening", resolve));
  await expect(writeOutput(path, "x", { overwrite: true })).rejects.toThrow();
  expect((await stat(path)).isSocket()).toBe(true);
  server.close();
});
