import {
  CompressionError,
  DataError,
  type ErrorCode,
  ModelError,
  OptionsError,
  PreconditionError,
  RunError,
} from "@equant/core/errors";
import { expect, test } from "vitest";
import type { CommandDefinition, CommandOutcome } from "../../src/frame/command.js";
import type { CommandContext } from "../../src/frame/context.js";
import { equant, runDefinition } from "../helpers/run.js";

function failing(error: unknown): CommandDefinition {
  return {
    configure() {},
    run: () => Promise.reject(error),
  };
}

function ending(outcome: Partial<CommandOutcome>): CommandDefinition {
  return { configure() {}, run: async () => ({ result: {}, text: "", ...outcome }) };
}

test("0: done", async () => {
  expect((await runDefinition(ending({ text: "fine\n" }))).code).toBe(0);
});

test("1: a gate failed; the result is printed all the same, in text and in JSON", async () => {
  const gates = [
    { name: "max-size", limit: "4MB", actual: "3.61 MB", passed: true },
    { name: "max-drop", limit: "1pp", actual: "−9.48 pp", passed: false },
  ];
  const definition = ending({ result: { drop: 0.0948 }, text: "table\n", gates, hint: "try another" });
  const text = await runDefinition(definition);
  expect(text).toMatchObject({ code: 1, stdout: "table\n" });
  expect(text.stderr).toContain("✖ gate max-drop 1pp failed: −9.48 pp\n");
  expect(text.stderr).toContain("✔ gate max-size 4MB held: 3.61 MB\n");
  expect(text.stderr).toContain("hint: try another\n");
  const json = await runDefinition(definition, ["--json"]);
  expect(json.code).toBe(1);
  expect(json.json()).toMatchObject({
    ok: false,
    result: { drop: 0.0948 },
    error: { code: "E1001", message: "gate max-drop 1pp failed: −9.48 pp" },
  });
});

test("a failed gate is said even with --quiet, a held one is not", async () => {
  const gates = [
    { name: "a", limit: "1", actual: "0", passed: true },
    { name: "b", limit: "1", actual: "2", passed: false },
  ];
  const { stderr } = await runDefinition(ending({ gates }), ["-q"]);
  expect(stderr).toBe("✖ gate b 1 failed: 2\n");
});

const CASES: [number, ErrorCode, new (code: ErrorCode, message: string) => CompressionError][] = [
  [2, "E2001", OptionsError],
  [2, "E2007", OptionsError],
  [2, "E2103", OptionsError],
  [3, "E3001", ModelError],
  [3, "E3005", ModelError],
  [4, "E4001", PreconditionError],
  [4, "E4003", PreconditionError],
  [5, "E5001", DataError],
  [5, "E5004", DataError],
  [6, "E6001", RunError],
  [6, "E6002", RunError],
  [7, "E7001", RunError],
  [70, "E9001", CompressionError],
  [130, "E6005", RunError],
];
test.each(CASES)("%i: %s", async (code, errorCode, Type) => {
  const definition = failing(new Type(errorCode, "what happened"));
  const text = await runDefinition(definition);
  expect(text.code).toBe(code);
  expect(text.stdout).toBe("");
  expect(text.stderr).toContain(`error[${errorCode}]: what happened\n`);
  const json = await runDefinition(definition, ["--json"]);
  expect(json.code).toBe(code);
  expect(json.json()).toMatchObject({ ok: false, result: null, error: { code: errorCode, message: "what happened" } });
});

test("70: an error without a type is a bug; its stack is shown with -v only", async () => {
  const definition = failing(new TypeError("x is undefined"));
  const plain = await runDefinition(definition);
  expect(plain.code).toBe(70);
  expect(plain.stderr).toContain("error[E9001]: internal error (TypeError: x is undefined)");
  expect(plain.stderr).toMatch(/hint: this is a bug in equant: please report it/);
  expect(plain.stderr).not.toContain("at ");
  const verbose = await runDefinition(definition, ["-v"]);
  expect(verbose.stderr).toContain("exit-codes.test.ts");
});

test.each([
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const)("%s: the first aborts, what is partial is kept, exit code %i", async (signal, code) => {
  let saved = false;
  const definition: CommandDefinition = {
    configure() {},
    async run(context: CommandContext): Promise<CommandOutcome> {
      await new Promise((resolve) => context.signal.addEventListener("abort", resolve));
      saved = true;
      return { result: { partial: true }, text: "partial\n" };
    },
  };
  const result = await runDefinition(definition, [], { onStart: (io) => setTimeout(() => io.send(signal), 5) });
  expect(result).toMatchObject({ code, stdout: "partial\n" });
  expect(result.stderr).toContain("stopping");
  expect(saved).toBe(true);
});

test("a command that ends by the abort itself has the signal's code too", async () => {
  const definition: CommandDefinition = {
    configure() {},
    async run(context: CommandContext): Promise<CommandOutcome> {
      await new Promise((resolve) => context.signal.addEventListener("abort", resolve));
      throw context.signal.reason;
    },
  };
  const result = await runDefinition(definition, ["--json"], {
    onStart: (io) => setTimeout(() => io.send("SIGTERM"), 5),
  });
  expect(result.code).toBe(143);
  expect(result.json()).toMatchObject({ ok: false, error: { code: "E6005" } });
});

test("the second Ctrl+C ends at once", async () => {
  const exits: number[][] = [];
  const definition: CommandDefinition = {
    configure() {},
    async run(): Promise<CommandOutcome> {
      await new Promise((resolve) => setTimeout(resolve, 30));
      return { result: null, text: "" };
    },
  };
  await runDefinition(definition, [], {
    onStart(io) {
      exits.push(io.exits);
      setTimeout(() => io.send("SIGINT"), 1);
      setTimeout(() => io.send("SIGINT"), 5);
    },
  });
  expect(exits).toEqual([[130]]);
});

test("every exit code is printed by --help", async () => {
  const { stdout, code } = await equant(["--help"]);
  expect(code).toBe(0);
  for (const exit of [
    "0 done",
    "1 gate",
    "2 usage",
    "3 model",
    "4 unsupported",
    "5 data",
    "6 memory",
    "7 numeric",
    "70 bug",
    "130/143",
  ]) {
    expect(stdout).toContain(exit);
  }
});
