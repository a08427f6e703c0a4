import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseModel, type TuneReport } from "@equant/core";
import { expect, test } from "vitest";
import { DIGITS_MODEL, writeDigits } from "../helpers/digits.js";
import { equant, temporaryFolder } from "../helpers/run.js";

interface Tuned {
  ok: boolean;
  result: Omit<TuneReport, "front"> & { front: { id: string; model: string; bytes: number }[] };
}

const ids = ({ trials }: Tuned["result"]) => trials.map(({ id }) => id);

test("a search within limits: front, models, and going on where it stopped", { timeout: 120_000 }, async () => {
  const cwd = await temporaryFolder();
  const data = await writeDigits(cwd, 16);
  const tune = (...flags: string[]) =>
    equant(
      [
        "tune",
        DIGITS_MODEL,
        "--data",
        data,
        "--preset",
        "zero-one",
        "--calibration-samples",
        "8",
        "-o",
        "out",
        ...flags,
      ],
      { cwd },
    );
  // Ctrl+C after the first trial: what it found is kept.
  const stopped = await equant(
    ["tune", DIGITS_MODEL, "--data", data, "--preset", "zero-one", "--calibration-samples", "8", "-o", "out"],
    { cwd, onStart: (io) => void io.stderrHas("tensor-eq-tail").then(() => io.send("SIGINT")) },
  );
  expect(stopped.code).toBe(130);
  const state = async () => JSON.parse(await readFile(join(cwd, "out/state.json"), "utf8")).state;
  const known = (await state()).trials.length;
  expect(known).toBeGreaterThan(0);
  expect(known).toBeLessThan(3);

  const run = await tune("--trials", "3", "--json", "--max-size", "5MB", "--svg", "front.svg");
  expect(run.code, run.stderr).toBe(0);
  expect(run.stderr).toMatch(new RegExp(`resume +${known} trials of out/state.json`));
  const { result } = run.json<Tuned>();
  expect(ids(result)).toEqual(["tensor-eq-tail", "channel-eq-tail", "tensor-plain-tail"]);
  expect(result).toMatchObject({ metric: "top-1", labelled: true, exhausted: false, samples: 16 });
  expect((await state()).trials).toEqual(result.trials);
  expect(JSON.parse(await readFile(join(cwd, "out/front.json"), "utf8")).front).toEqual(result.front);
  const files = (await readdir(join(cwd, "out/models"))).sort();
  expect(files).toEqual(result.front.map(({ id }) => `${id}.onnx`).sort());
  for (const { model, bytes } of result.front) {
    const file = await readFile(join(cwd, "out", model));
    expect(file.length).toBe(bytes);
    expect(parseModel(file).graph.nodes.some(({ opType }) => opType === "QuantizeLinear")).toBe(true);
  }
  expect(await readFile(join(cwd, "front.svg"), "utf8")).toContain("Size and top-1");

  // Everything is known: nothing is built again, and other limits are judged on the same trials.
  const again = await tune("--trials", "3", "--max-size", "1kB");
  expect(again.code).toBe(1);
  expect(again.stdout).toMatch(/no trial keeps the limits/);
  expect(again.stderr).not.toMatch(/tensor-eq-tail/);
  const other = await tune("--trials", "3", "--samples", "9");
  expect([other.code, other.stderr]).toEqual([2, expect.stringContaining("error[E2006]: out/state.json belongs to")]);
  const whole = await readFile(join(cwd, "out/state.json"));
  await writeFile(join(cwd, "out/state.json"), "{");
  const torn = await tune("--trials", "3");
  expect([torn.code, torn.stderr]).toEqual([5, expect.stringContaining("error[E5002]: out/state.json: not JSON")]);
  await writeFile(join(cwd, "out/state.json"), whole);
  const anew = await tune("--trials", "1", "--overwrite", "--labels", "none");
  expect(anew.code, anew.stderr).toBe(0);
  expect(await readdir(join(cwd, "out/models"))).toEqual(["tensor-eq-tail.onnx"]);
  expect(anew.stdout).toMatch(/1 trial on 16 samples, quality is agreement; the budget ended first/);
});
