import { spawnSync } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { lockFolder, removeTemps } from "../../src/node/temp-files.js";

test("one run has a folder, until it ends; the lock of a process that is gone is taken over", async () => {
  const parent = await mkdtemp(join(tmpdir(), "equant-lock-"));
  onTestFinished(() => rm(parent, { recursive: true, force: true }));
  const folder = join(parent, "out");
  await lockFolder(folder);
  const refusal = { code: "E2006", message: expect.stringContaining(`(process ${process.pid}, for 1 min)`) };
  await expect(lockFolder(folder)).rejects.toThrow(expect.objectContaining(refusal));
  await lockFolder(join(parent, "other"));
  const [lock] = (await readdir(parent)).filter((name) => name.includes("out"));
  const text = await readFile(join(parent, lock!), "utf8");
  removeTemps();
  expect(await readdir(parent)).toEqual([]);
  const gone = spawnSync(process.execPath, ["-e", ""]).pid;
  await writeFile(join(parent, lock!), text.replace(String(process.pid), String(gone)));
  await lockFolder(folder);
  expect(await readFile(join(parent, lock!), "utf8")).toBe(text);
  removeTemps();
});

test("a folder beside which nothing can be written is not locked", async () => {
  await lockFolder(join(tmpdir(), "equant-no-such-folder", "out"));
  removeTemps();
});
