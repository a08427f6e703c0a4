import { expect, test } from "vitest";
import type { CommandDefinition, CommandOutcome } from "../../src/frame/command.js";
import type { CommandContext } from "../../src/frame/context.js";
import { paint } from "../../src/text/color.js";
import { jsonView, Progress, type ProgressView, plainView, resolveMode } from "../../src/text/progress.js";
import { ttyView } from "../../src/text/progress-tty.js";
import { runDefinition } from "../helpers/run.js";

/** Drives a view with `total` units of `msPerUnit` each. */
function drive(view: ProgressView, total: number, msPerUnit: number): void {
  let now = 1000;
  const progress = new Progress(view, () => now);
  progress.update({ phase: "calibrate", done: 0, total });
  for (let done = 1; done <= total; done++) {
    now += msPerUnit;
    progress.update({ phase: "calibrate", done, total });
  }
  progress.finish("calibrate", now - 1000, `${total} images`);
}

test("plain: one line per 10 %, and one at the end", () => {
  const lines: string[] = [];
  drive(
    plainView((line) => lines.push(line)),
    200,
    20,
  );
  expect(lines).toHaveLength(11);
  expect(lines[0]).toBe("calibrate 20/200  50.0/s  3.6 s left");
  expect(lines[9]).toBe("calibrate 200/200  50.0/s");
  expect(lines[10]).toBe("calibrate done in 4.0 s: 200 images");
});

test("plain: one line per 10 s when 10 % take longer", () => {
  const lines: string[] = [];
  drive(
    plainView((line) => lines.push(line)),
    20,
    6000,
  );
  // Every second unit is 12 s and 10 %: both rules give one line each two units.
  expect(lines).toHaveLength(11);
  const slow: string[] = [];
  drive(
    plainView((line) => slow.push(line)),
    10,
    35_000,
  );
  expect(slow).toHaveLength(11);
  const large: string[] = [];
  drive(
    plainView((line) => large.push(line)),
    1000,
    2500,
  );
  // 10 % is 250 s, so the lines come every 10 s: 250 of them, and the end.
  expect(large.length).toBe(251);
});

test("json: first, last and at most 20 lines a second, each a document of the contract", () => {
  const lines: string[] = [];
  drive(
    jsonView((line) => lines.push(line)),
    200,
    10,
  );
  const documents = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(documents[0]).toEqual({ t: "progress", phase: "calibrate", done: 0, total: 200, rate: 0 });
  expect(documents.at(-2)).toEqual({ t: "progress", phase: "calibrate", done: 200, total: 200, rate: 100 });
  expect(documents.at(-1)).toEqual({ t: "phase", phase: "calibrate", ms: 2000, note: "200 images" });
  expect(documents.length).toBeLessThanOrEqual(2 + 40 + 1);
  expect(documents.length).toBeGreaterThan(30);
});

test("terminal: one redrawn line that never wraps, then a check mark with the time", () => {
  for (const columns of [100, 40, 10]) {
    const written: string[] = [];
    const write = (chunk: string | Uint8Array) => written.push(String(chunk)) > 0;
    drive(ttyView({ columns, isTTY: true, write }, paint(false)), 50, 100);
    const drawn = written.join("").split("\r\u001b[2K");
    expect(drawn.length).toBeGreaterThan(40);
    for (const line of drawn.slice(1, -1)) {
      expect(line).not.toContain("\n");
      expect(line.length).toBeLessThan(columns);
    }
    expect(drawn.at(-1)).toMatch(/^✔ calibrate +50 images +5\.0 s\n$/);
  }
});

test("a curve grows while its step runs: every point is told, to people and to programs", () => {
  const points = [0.99, 0.9, 0.5, 0.1];
  const run = (view: ProgressView) => {
    let now = 0;
    const progress = new Progress(view, () => now);
    points.forEach((accuracy, at) => {
      now += 10;
      progress.update({ phase: "prune", done: at + 1, total: 40, values: { sparsity: at / 40, accuracy } });
    });
  };
  const json: string[] = [];
  run(jsonView((line) => json.push(line)));
  expect(json.map((line) => JSON.parse(line).accuracy)).toEqual(points);
  expect(JSON.parse(json[1]!)).toEqual({
    t: "progress",
    phase: "prune",
    done: 2,
    total: 40,
    rate: 200,
    sparsity: 0.025,
    accuracy: 0.9,
  });
  const plain: string[] = [];
  run(plainView((line) => plain.push(line)));
  expect(plain).toHaveLength(4);
  expect(plain[2]).toContain("sparsity 5.0 %  accuracy 50.0 %");
  const written: string[] = [];
  const write = (chunk: string | Uint8Array) => written.push(String(chunk)) > 0;
  run({ ...ttyView({ columns: 100, isTTY: true, write }, paint(false)), finish() {} });
  expect(written[0]).toContain("\u2588");
});

test("rate counts only what was done since the phase began; ETA needs five units", () => {
  const states: [number, number, number | undefined][] = [];
  let now = 0;
  const view: ProgressView = {
    update: ({ done, rate, etaMs }) => states.push([done, rate, etaMs]),
    finish() {},
    clear() {},
  };
  const progress = new Progress(view, () => now);
  progress.update({ phase: "resumed", done: 100, total: 200 });
  now = 1000;
  progress.update({ phase: "resumed", done: 104, total: 200 });
  now = 2000;
  progress.update({ phase: "resumed", done: 110, total: 200 });
  expect(states).toEqual([
    [100, 0, undefined],
    [104, 4, undefined],
    [110, 5, 18_000],
  ]);
});

test("auto is a redrawn line only on a capable terminal", () => {
  expect(resolveMode("auto", {}, true)).toBe("tty");
  expect(resolveMode("auto", {}, false)).toBe("plain");
  expect(resolveMode("auto", { CI: "true" }, true)).toBe("plain");
  expect(resolveMode("auto", { TERM: "dumb" }, true)).toBe("plain");
  expect(resolveMode("none", {}, true)).toBe("none");
});

const phased: CommandDefinition = {
  configure() {},
  async run(context: CommandContext): Promise<CommandOutcome> {
    const sum = await context.phase(
      "add up",
      () => {
        for (let done = 1; done <= 10; done++) context.onProgress({ phase: "add up", done, total: 10 });
        return 55;
      },
      (value) => `sum ${value}`,
    );
    return { result: { sum }, text: `${sum}\n` };
  },
};

test("a phase is timed, closed with its note, and in the envelope; stdout stays clean in every mode", async () => {
  for (const mode of ["plain", "json", "none"]) {
    const text = await runDefinition(phased, ["--progress", mode, "--seed", "3"]);
    expect(text.stdout).toBe("55\n");
    expect(text.stderr.includes("sum 55")).toBe(mode !== "none");
    const json = await runDefinition(phased, ["--progress", mode, "--json"]);
    const { timings, result } = json.json<{ timings: Record<string, number>; result: unknown }>();
    expect(result).toEqual({ sum: 55 });
    expect(Object.keys(timings)).toEqual(["add up", "total"]);
  }
  const quiet = await runDefinition(phased, ["-q"]);
  expect(quiet).toMatchObject({ stdout: "55\n", stderr: "" });
  const machine = await runDefinition(phased, ["-q", "--progress", "json"]);
  for (const line of machine.stderr.trim().split("\n")) expect(JSON.parse(line)).toHaveProperty("t");
});
