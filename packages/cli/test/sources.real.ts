import { copyFile, readdir, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { expect, test } from "vitest";
import { parseXml } from "../../report/test/helpers.js";
import { DIGITS_MODEL, writeDigits } from "./helpers/digits.js";
import { equant, temporaryFolder } from "./helpers/run.js";

/** Commands of the page, in order: later ones read what earlier ones wrote. */
const page = await readFile(new URL("../../../docs/sources.md", import.meta.url), "utf8");
const COMMANDS = [...page.matchAll(/^\|.*\| `equant (.+)` \|$/gm)].map(([, line]) => line!);

test("every command of docs/sources.md runs", { timeout: 180_000 }, async () => {
  expect(COMMANDS.length).toBeGreaterThan(40);
  const cwd = await temporaryFolder();
  await copyFile(DIGITS_MODEL, join(cwd, "model.onnx"));
  const digits = basename(await writeDigits(cwd, 60));
  for (const line of COMMANDS) {
    const { code, stdout, stderr } = await equant(line.replaceAll("images/", digits).split(" "), { cwd });
    expect(code, `equant ${line}\n${stderr}`).toBe(0);
    expect(stdout, line).not.toBe("");
  }
  const charts = (await readdir(cwd)).filter((name) => name.endsWith(".svg"));
  expect(charts.length).toBe(new Set(COMMANDS.flatMap((line) => /--svg (\S+)/.exec(line)?.[1] ?? [])).size);
  for (const name of charts) parseXml(await readFile(join(cwd, name), "utf8"));
});
