import { createHash } from "node:crypto";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { GraphBuilder, serializeModel } from "@equant/core/lab";
import { expect, test } from "vitest";
import type { CommandDefinition, CommandOutcome } from "../../src/frame/command.js";
import type { CommandContext } from "../../src/frame/context.js";
import { addOutputOptions, type OutputOptions } from "../../src/options/option-groups.js";
import { equant, runDefinition, temporaryFolder } from "../helpers/run.js";

/** y = |x| + 2 with two named nodes. */
function tinyModel(): Uint8Array {
  const { model, builder } = GraphBuilder.model("tiny");
  const x = builder.input("x", [2]);
  const absolute = builder.node("Abs", [x], {}, { name: "block/abs" });
  const y = builder.node("Add", [absolute, builder.constant(2)], {}, { name: "block/add" });
  model.graph.outputs.push({ name: y, dtype: "float32", shape: [2] });
  return serializeModel(model);
}

/** Runs the model on [-1, 3] and copies it. */
const copy: CommandDefinition = {
  configure(command) {
    command.argument("<model>");
    addOutputOptions(command);
  },
  async run(context: CommandContext, path: string): Promise<CommandOutcome> {
    const { output = "-" } = context.options<OutputOptions>();
    const { model, bytes } = await context.loadModel(path);
    await context.checkOutput(output);
    const { runner } = await context.transformContext();
    const feeds = { x: { dtype: "float32" as const, dims: [2], data: Float32Array.of(-1, 3) } };
    const results = await runner!.using(model, (session) => session.run(feeds));
    const values = Object.values(results)[0]!.data;
    await context.writeOutput(output, bytes);
    return { result: { values }, text: `copied ${path}\n` };
  },
};

test("loads, hashes, runs and writes a model; the envelope identifies the input", async () => {
  const cwd = await temporaryFolder();
  const bytes = tinyModel();
  await writeFile(join(cwd, "m.onnx"), bytes);
  const result = await runDefinition(copy, ["m.onnx", "-o", "sub/out.onnx", "--json", "--threads", "1"], { cwd });
  expect(result.json()).toMatchObject({
    ok: true,
    model: { sha256: createHash("sha256").update(bytes).digest("hex"), bytes: bytes.length },
    result: { values: [3, 5] },
  });
  expect(new Uint8Array(await readFile(join(cwd, "sub/out.onnx")))).toEqual(bytes);
});

test("the input is never written over, also with --overwrite", async () => {
  const cwd = await temporaryFolder();
  await writeFile(join(cwd, "m.onnx"), tinyModel());
  const result = await runDefinition(copy, ["m.onnx", "-o", "./m.onnx", "--overwrite"], { cwd });
  expect(result.code).toBe(2);
  expect(result.stderr).toContain("error[E2006]: output ./m.onnx is the input m.onnx");
});

test("- reads stdin and writes stdout; what is said then goes to stderr", async () => {
  const cwd = await temporaryFolder();
  const bytes = tinyModel();
  const result = await runDefinition(copy, ["-", "-o", "-"], { cwd, stdin: bytes });
  expect(result.code).toBe(0);
  expect(result.stdout).toBe(Buffer.from(bytes).toString("utf8"));
  expect(result.stderr).toContain("copied -\n");
  const both = await runDefinition(copy, ["-", "-o", "-", "--json"], { cwd, stdin: bytes });
  expect(both.code).toBe(2);
  expect(both.json()).toMatchObject({
    ok: false,
    error: { code: "E2006", message: "output - and --json both want stdout" },
  });
});

test("--dry-run writes nothing", async () => {
  const cwd = await temporaryFolder();
  await writeFile(join(cwd, "m.onnx"), tinyModel());
  const result = await runDefinition(copy, ["m.onnx", "-o", "out.onnx", "--dry-run"], { cwd });
  expect(result.stderr).toContain("dry run: would write out.onnx\n");
  expect(await readdir(cwd)).toEqual(["m.onnx"]);
});

test.each([
  ["missing.onnx", 3, "error[E3001]: cannot read missing.onnx: no such file or folder (ENOENT)"],
  [".", 3, "error[E3001]: cannot read .: it is a folder, a file was expected"],
  ["text.onnx", 3, "error[E3002]: text.onnx: "],
  ["empty.onnx", 3, "error[E3002]: empty.onnx: the file is empty"],
] as const)("%s: exit %i", async (path, code, message) => {
  const cwd = await temporaryFolder();
  await writeFile(join(cwd, "text.onnx"), "this is no model at all");
  await writeFile(join(cwd, "empty.onnx"), "");
  const result = await runDefinition(copy, [path, "-o", "out.onnx"], { cwd });
  expect(result.code).toBe(code);
  expect(result.stderr).toContain(message);
  expect(result.stderr).toContain("  hint: ");
  expect(await readdir(cwd)).not.toContain("out.onnx");
});

test("__complete names: node names, cached until the model changes", async () => {
  const cwd = await temporaryFolder();
  const cache = await temporaryFolder();
  const options = { cwd, env: { XDG_CACHE_HOME: cache } };
  await writeFile(join(cwd, "m.onnx"), tinyModel());
  const first = await equant(["__complete", "names", "m.onnx"], options);
  expect(first).toMatchObject({ code: 0, stdout: "block/abs\nblock/add\n", stderr: "" });
  const [file] = await readdir(join(cache, "equant"));
  await writeFile(join(cache, "equant", file!), '["from the cache"]');
  expect((await equant(["__complete", "names", "m.onnx"], options)).stdout).toBe("from the cache\n");
  await writeFile(join(cwd, "m.onnx"), Buffer.concat([tinyModel(), Buffer.from("damaged")]));
  expect((await equant(["__complete", "names", "m.onnx"], options)).stdout).not.toContain("cache");
});
