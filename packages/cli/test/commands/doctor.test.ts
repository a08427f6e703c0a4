import { readdir } from "node:fs/promises";
import { expect, test } from "vitest";
import { equant, temporaryFolder } from "../helpers/run.js";

interface Doctor {
  result: { healthy: boolean; checks: { name: string; ok: boolean; value: string }[] };
}

test("reports versions, runtime, decoder, threads, memory and write access", async () => {
  const cwd = await temporaryFolder();
  const { result } = (await equant(["doctor", "--json"], { cwd })).json<Doctor>();
  const value = (name: string) => result.checks.find((check) => check.name === name)?.value;
  expect(result.healthy).toBe(true);
  expect(value("node")).toBe(process.versions.node);
  expect(value("onnxruntime-node")).toMatch(/^\d+\.\d+\.\d+, providers: .*cpu/);
  expect(value("sharp")).toMatch(/^\d+\.\d+\.\d+, reads .*jpeg.*png/);
  expect(value("threads")).toMatch(/^\d+ used, \d+ available$/);
  expect(value("memory")).toMatch(/ GB free of /);
  expect(value("current folder")).toBe(`${cwd} is writable`);
  expect(await readdir(cwd)).toEqual([]);
});

test("says what is wrong and what to do", async () => {
  const text = await equant(["doctor"], { cwd: "/nowhere" });
  expect(text.code).toBe(0);
  expect(text.stdout).toMatch(/!! +current folder +\/nowhere: ENOENT/);
  expect(text.stdout).toContain("hint: current folder: write outputs to another folder");
  const { result } = (await equant(["doctor", "--json"], { cwd: "/nowhere" })).json<Doctor>();
  expect(result.healthy).toBe(false);
});
