import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { loadConfig } from "../../src/config/load.js";
import { equant, temporaryFolder } from "../helpers/run.js";

test("writes a config from flags and defaults that loads as it is", async () => {
  const cwd = await temporaryFolder();
  const argv = [
    "init",
    "models/m.onnx",
    "--data",
    "cal",
    "--preset",
    "tf",
    "--samples",
    "20",
    "--resize",
    "224x192",
    "--seed",
    "3",
  ];
  const result = await equant(argv, { cwd });
  expect(result).toMatchObject({ code: 0, stdout: "equant.config.json written\n" });
  expect(result.stderr).toContain("hint: equant run -c equant.config.json");
  const { config } = await loadConfig("equant.config.json", cwd);
  expect(config).toMatchObject({
    model: join(cwd, "models/m.onnx"),
    data: {
      calibrate: { dir: join(cwd, "cal"), samples: 20 },
      preprocess: { preset: "tf", resize: [224, 192] },
      seed: 3,
    },
    gates: { maxDrop: "1pp" },
  });
  expect(config.steps?.map(({ use }) => use)).toEqual([
    "fold",
    "dead-channels",
    "equalize",
    "quantize",
    "bias-correct",
  ]);
});

test("refuses to overwrite, and does with --overwrite", async () => {
  const cwd = await temporaryFolder();
  await writeFile(join(cwd, "equant.config.json"), "mine");
  const refused = await equant(["init"], { cwd });
  expect(refused.code).toBe(2);
  expect(refused.stderr).toContain("error[E2006]: cannot write equant.config.json: it exists already");
  expect(await readFile(join(cwd, "equant.config.json"), "utf8")).toBe("mine");
  expect((await equant(["init", "--overwrite"], { cwd })).code).toBe(0);
  expect((await equant(["init", "-o", "x.yaml"], { cwd })).code).toBe(2);
});

test("- is stdout, --dry-run writes nothing, --json has the config in the envelope", async () => {
  const cwd = await temporaryFolder();
  const stdout = JSON.parse((await equant(["init", "-o", "-"], { cwd })).stdout) as object;
  const dry = await equant(["init", "--dry-run"], { cwd });
  expect(JSON.parse(dry.stdout)).toEqual(stdout);
  expect(dry.stderr).toContain("dry run: would write equant.config.json");
  await expect(readFile(join(cwd, "equant.config.json"))).rejects.toMatchObject({ code: "ENOENT" });
  const json = await equant(["init", "--json"], { cwd });
  expect(json.json()).toMatchObject({ ok: true, result: { path: "equant.config.json", config: stdout } });
  const both = await equant(["init", "-o", "-", "--json"], { cwd });
  expect(both.code).toBe(2);
  expect(both.json()).toMatchObject({ ok: false, error: { code: "E2006" } });
});

test("paths in a config elsewhere are relative to it", async () => {
  const cwd = await temporaryFolder();
  await equant(["init", "m.onnx", "--data", "cal", "--labels", "l.csv", "-o", "sub/c.json"], { cwd });
  expect(JSON.parse(await readFile(join(cwd, "sub/c.json"), "utf8"))).toMatchObject({
    model: "../m.onnx",
    data: { calibrate: { dir: "../cal", labels: "../l.csv" } },
  });
});
