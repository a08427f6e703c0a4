import { readFile, stat } from "node:fs/promises";
import { digitImage, type ValidationReport } from "@equant/core";
import * as ort from "onnxruntime-node";
import { beforeAll, describe, expect, test } from "vitest";
import type { Envelope } from "../../src/frame/envelope.js";
import { DIGITS_MODEL, writeDamagedModel, writeDigits } from "../helpers/digits.js";
import { equant, temporaryFolder } from "../helpers/run.js";

const COUNT = 120;
type Json = Omit<Envelope, "result"> & { result: ValidationReport };

async function files(noise = 0.1) {
  const folder = await temporaryFolder();
  return { folder, data: await writeDigits(folder, COUNT), damaged: await writeDamagedModel(folder, noise) };
}

const quick = ["--preset", "zero-one", "--no-latency", "--progress", "none"];

/** Answers of a model to the digits, straight from the runtime. */
async function answersOf(path: string): Promise<number[]> {
  const session = await ort.InferenceSession.create(path, { logSeverityLevel: 4 });
  const answers: number[] = [];
  for (let i = 0; i < COUNT; i++) {
    const pixels = Float32Array.from(digitImage(7500 + i, 0), (pixel) => pixel / 255);
    const { logits } = await session.run({ input: new ort.Tensor("float32", pixels, [1, 1, 28, 28]) });
    const values = Array.from(logits!.data as Float32Array);
    answers.push(values.indexOf(Math.max(...values)));
  }
  await session.release();
  return answers;
}

describe("--task", () => {
  test("limits are in the task's figure; its report is in the JSON", async () => {
    const { data, damaged } = await files(0.5);
    const run = await equant([
      ...["validate", damaged, "--against", DIGITS_MODEL, "--data", data, ...quick, "--json"],
      ...["--task", "embedding", "--min-accuracy", "99.9%"],
    ]);
    expect(run.code, run.stderr).toBe(1);
    const { task } = run.json<Json>().result;
    expect(task).toMatchObject({ task: "embedding", against: "labels", samples: COUNT, decoder: 'output "logits"' });
    expect(task!.candidate.figures["recall@1"]!).toBeLessThan(0.999);
    expect(task!.drop).toBeCloseTo(task!.baseline!.figures["recall@1"]! - task!.candidate.figures["recall@1"]!, 12);
    expect(task!.paired!.interval.low).toBeLessThanOrEqual(task!.paired!.difference);
  });

  test("what a head leaves open is asked, with what to write", async () => {
    const { data } = await files();
    const run = await equant(["validate", DIGITS_MODEL, "--data", data, ...quick, "--task", "detection"]);
    expect(run.code).toBe(2);
    expect(run.stderr).toContain('the outputs "logits" [10] are no known head');
    const alone = await equant(["validate", DIGITS_MODEL, "--data", data, ...quick, "--decode", "head.json"]);
    expect(alone.stderr).toContain("--decode needs --task");
  });

  test("the names of tasks are those of core", async () => {
    const [{ TASKS }, { TASK_NAMES }] = await Promise.all([
      import("@equant/core/lab"),
      import("../../src/options/option-groups.js"),
    ]);
    expect(TASK_NAMES).toEqual(Object.keys(TASKS));
  });
});

describe("figures", () => {
  let float: number[];
  beforeAll(async () => {
    float = await answersOf(DIGITS_MODEL);
  });
  const right = (answers: readonly number[]) => answers.filter((answer, i) => answer === i % 10).length;

  test("of a pair: accuracy, drop and agreement are those of the runtime's answers", async () => {
    const { data, damaged } = await files();
    const worse = await answersOf(damaged);
    const run = await equant(["validate", damaged, "--against", DIGITS_MODEL, "--data", data, ...quick, "--json"]);
    expect(run.code, run.stderr).toBe(0);
    const { schema, ok, model, result, settings } = run.json<Json>();
    expect({ schema, ok }).toEqual({ schema: "equant.validate/1", ok: true });
    expect(model!.bytes).toBe((await stat(damaged)).size);
    expect(settings.against).toEqual({ value: DIGITS_MODEL, from: "flag" });
    expect(result.samples).toBe(COUNT);
    expect(result.baseline!.top1).toBeCloseTo(right(float) / COUNT, 12);
    expect(result.candidate.top1).toBeCloseTo(right(worse) / COUNT, 12);
    expect(result.drop).toBeCloseTo((right(float) - right(worse)) / COUNT, 12);
    expect(result.drop).toBeGreaterThan(0);
    expect(result.agreement).toBeCloseTo(worse.filter((answer, i) => answer === float[i]).length / COUNT, 12);
    expect(result.logitSqnrDb).toBeGreaterThan(0);
    expect(result.candidate).toMatchObject({ bytes: model!.bytes, latencyMs: null, int8: null });
    expect(result.candidate.top5).toBeGreaterThan(result.candidate.top1!);
    expect(result.baseline!.bytes).toBe((await stat(DIGITS_MODEL)).size);
    expect(result.latency).toBeNull();
  });

  test("of a model against itself: nothing differs, and infinity is a string", async () => {
    const { data } = await files();
    const run = await equant(["validate", DIGITS_MODEL, "--against", DIGITS_MODEL, "--data", data, ...quick, "--json"]);
    expect(run.json<Json>().result).toMatchObject({ drop: 0, agreement: 1, logitSqnrDb: "Infinity" });
  });

  test("as a table, with what matters under it", async () => {
    const { data, damaged } = await files();
    const run = await equant(["validate", damaged, "--against", DIGITS_MODEL, "--data", data, "--preset", "zero-one"]);
    const [title, first, second, ...rest] = run.stdout.split("\n");
    expect(title).toMatch(/^ +top-1 +95 % interval +top-5 +size +latency$/);
    expect(first).toContain(`${((100 * right(float)) / COUNT).toFixed(2)} %`);
    expect(second).toMatch(/−\d+\.\d\d pp \(McNemar p [<=] \d\.\d{3}\)$/);
    expect(rest.join("\n")).toMatch(/same answer on \d+\.\d\d % of 120 samples · output SQNR \d+\.\d dB/);
    expect(rest.join("\n")).toMatch(/latency at batch 1: ratio \d+\.\d\d, median of \d+ pairs; .*onnxruntime-node 1\./);
    expect(run.stderr).toContain("settings  against");
  });

  test("one model alone; --table csv prints the table only", async () => {
    const { data } = await files();
    const run = await equant(["validate", DIGITS_MODEL, "--data", data, ...quick, "--table", "csv"]);
    expect(run.code).toBe(0);
    expect(run.stdout.split("\n")).toHaveLength(3);
    expect(run.stdout).toMatch(/^,top-1,95 % interval,top-5,size\n/);
    const json = await equant(["validate", DIGITS_MODEL, "--data", data, ...quick, "--json"]);
    expect(json.json<Json>().result).toMatchObject({ baseline: null, drop: null, agreement: null, logitSqnrDb: null });
  });
});

describe("gates", () => {
  test("--max-drop fails with exit code 1; the result is there all the same", async () => {
    const { data, damaged } = await files();
    const argv = ["validate", damaged, "--against", DIGITS_MODEL, "--data", data, ...quick];
    const failed = await equant([...argv, "--max-drop", "0.1pp", "--json"]);
    expect(failed.code).toBe(1);
    const { ok, error, result } = failed.json<Json>();
    expect({ ok, code: error?.code }).toEqual({ ok: false, code: "E1001" });
    expect(error!.message).toMatch(/^gate max-drop 0\.1pp failed: −\d+\.\d\d pp/);
    // A drop that is exactly the limit holds.
    const exact = `${Number((100 * result.drop!).toFixed(9))}pp`;
    const held = await equant([...argv, "--max-drop", exact]);
    expect(held.code, held.stderr).toBe(0);
    expect(held.stderr).toContain(`✔ gate max-drop`);
  });

  test("--min-accuracy and --max-size", async () => {
    const { data, damaged } = await files();
    const size = (await readFile(damaged)).length;
    const argv = ["validate", damaged, "--data", data, ...quick];
    const held = await equant([
      "validate",
      DIGITS_MODEL,
      "--data",
      data,
      ...quick,
      "--min-accuracy",
      "90%",
      "--max-size",
      "1MB",
    ]);
    expect(held.code, held.stderr).toBe(0);
    expect(held.stderr).toMatch(/✔ gate max-size 1.00MB held: 87\.4\d kB/);
    const failed = await equant([...argv, "--min-accuracy", "100%", "--max-size", String(size - 1)]);
    expect(failed.code).toBe(1);
    expect(failed.stderr).toMatch(/✖ gate min-accuracy 100% failed: \d\d\.\d\d %/);
    expect(failed.stderr).toContain(`✖ gate max-size ${size - 1}B failed: ${size} B`);
  });

  test("gates of accuracy without labels or without a pair are refused, not skipped", async () => {
    const { data } = await files();
    const argv = ["validate", DIGITS_MODEL, "--data", data, ...quick];
    const alone = await equant([...argv, "--max-drop", "1pp"]);
    expect(alone.code).toBe(2);
    expect(alone.stderr).toContain("error[E2005]: validate: --max-drop needs a model to compare with");
    const unlabelled = await equant([...argv, "--labels", "none", "--min-accuracy", "80%"]);
    expect(unlabelled.code).toBe(5);
    expect(unlabelled.stderr).toContain("error[E5004]: validate: --min-accuracy needs labels, the data has no labels");
    const size = await equant([...argv, "--labels", "none", "--max-size", "1MB"]);
    expect(size.code, size.stderr).toBe(0);
  });
});

describe("data that does not fit", () => {
  test("labels that have nothing to do with the images: is this the right preset?", async () => {
    const folder = await temporaryFolder();
    const data = await writeDigits(folder, COUNT, (digit) => (digit + 3) % 10);
    const run = await equant(["validate", DIGITS_MODEL, "--data", data, ...quick, "--json"]);
    expect(run.code).toBe(0);
    expect(run.json<Json>().warnings).toEqual([expect.objectContaining({ code: "W5002", count: 1 })]);
  });

  test("a label beyond the classes is E5004, no data E5001", async () => {
    const folder = await temporaryFolder();
    const data = await writeDigits(folder, 20, (digit) => digit + 1);
    const run = await equant(["validate", DIGITS_MODEL, "--data", data, ...quick]);
    expect(run.code).toBe(5);
    expect(run.stderr).toContain("error[E5004]");
    const none = await equant(["validate", DIGITS_MODEL, ...quick]);
    expect(none.code).toBe(5);
    expect(none.stderr).toContain("error[E5001]: validate: no data given");
  });

  test("random data says so", async () => {
    const run = await equant(["validate", DIGITS_MODEL, "--data", "random", "--samples", "4", ...quick, "--json"]);
    expect(run.code, run.stderr).toBe(0);
    const { result, warnings } = run.json<Json>();
    expect(result).toMatchObject({ samples: 4, random: true, candidate: { top1: null } });
    expect(warnings.map(({ code }) => code)).toEqual(["W5001"]);
  });
});

test("Ctrl+C stops after the batch with exit code 130", async () => {
  const { data } = await files();
  const run = await equant(["validate", DIGITS_MODEL, "--data", data, "--batch", "1", "--preset", "zero-one"], {
    onStart: (io) => void io.stderrHas("settings").then(() => io.send("SIGINT")),
  });
  expect(run.code).toBe(130);
  expect(run.stdout).toBe("");
});
