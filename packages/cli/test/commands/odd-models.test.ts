import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  createNode,
  float32ToBfloat16,
  float32ToFloat16,
  type Model,
  parseModel,
  serializeModel,
  Tensor,
} from "@equant/core/lab";
import { beforeAll, describe, expect, test } from "vitest";
import { DIGITS_MODEL, writeDigits } from "../helpers/digits.js";
import { equant, temporaryFolder } from "../helpers/run.js";

let digits: Uint8Array;
beforeAll(async () => {
  digits = await readFile(DIGITS_MODEL);
});

/** A folder with the digit network, changed, and data for it. */
async function folderWith(change: (model: Model) => void) {
  const cwd = await temporaryFolder();
  const model = parseModel(digits);
  change(model);
  await writeFile(join(cwd, "m.onnx"), serializeModel(model));
  await writeDigits(cwd, 8);
  return cwd;
}

const DATA = ["--data", "digits-images-idx3-ubyte", "--preset", "zero-one", "--samples", "8"];

function halfWeights({ graph }: Model): void {
  for (const [name, tensor] of graph.initializers) {
    if (tensor.dtype !== "float32") continue;
    const half = float32ToFloat16(tensor.array() as Float32Array);
    graph.initializers.set(name, Tensor.of("float16", tensor.dims, half));
  }
}

/** Inputs and outputs of half precision too, as `model.half()` exports them. */
function halfEnds({ graph }: Model): void {
  graph.inputs = graph.inputs.map(({ name, shape }) => ({ name, shape, dtype: "float16" }));
  graph.outputs = graph.outputs.map(({ name, shape }) => ({ name, shape, dtype: "float16" }));
}

function bfloat16({ graph }: Model): void {
  for (const [name, tensor] of graph.initializers) {
    if (tensor.dtype !== "float32") continue;
    graph.initializers.set(name, Tensor.of("bfloat16", tensor.dims, float32ToBfloat16(tensor.array() as Float32Array)));
  }
  graph.inputs = graph.inputs.map(({ name, shape }) => ({ name, shape, dtype: "bfloat16" }));
  graph.outputs = graph.outputs.map(({ name, shape }) => ({ name, shape, dtype: "bfloat16" }));
}

describe("half precision", () => {
  test.each([
    ["quantize", "-o", "q.onnx", "--no-latency"],
    ["compress", "-o", "q.onnx", "--no-latency"],
    ["calibrate", "-o", "c.json"],
    ["equalize", "-o", "e.onnx"],
    ["prune", "-o", "p.onnx", "--sparsity", "20%"],
    ["debug"],
    ["validate", "--no-latency"],
  ])("%s takes float16 as it is", async (command, ...rest) => {
    const cwd = await folderWith((model) => {
      halfWeights(model);
      halfEnds(model);
    });
    const run = await equant([command, "m.onnx", ...DATA, ...rest, "--json"], { cwd });
    expect(run.code, run.stderr).toBe(0);
  });

  test.each([
    ["float16", (model: Model) => [halfWeights(model), halfEnds(model)], "float16"],
    ["bfloat16", bfloat16, "float32"],
  ])(
    "%s: integers inside, inputs and outputs as they were, the outputs those of the float file",
    async (_, change, ends) => {
      const cwd = await folderWith((model) => void change(model));
      const run = await equant(["quantize", "m.onnx", ...DATA, "-o", "q.onnx", "--json", "--no-latency"], { cwd });
      expect(run.code, run.stderr).toBe(0);
      const { result } = run.json<{ result: { verification: { runtime: { sqnrDb: number } } } }>();
      expect(result.verification.runtime.sqnrDb).toBeGreaterThan(25);
      const { graph } = parseModel(await readFile(join(cwd, "q.onnx")));
      expect([...graph.inputs, ...graph.outputs].map(({ dtype }) => dtype)).toEqual([ends, ends]);
      const types = new Set([...graph.initializers.values()].map(({ dtype }) => dtype));
      expect([...types].sort()).toEqual(
        ["float32", "int32", "int8", "uint8"].filter((type) => types.has(type as never)),
      );
      expect(types.has("int8")).toBe(true);
    },
  );

  test("inspect says what the weights are", async () => {
    const cwd = await folderWith(halfWeights);
    const inspected = await equant(["inspect", "m.onnx"], { cwd });
    expect(inspected.stdout).toContain("weights are float16: quantizing makes them float32 first");
  });
});

test("an opset newer than ONNX Runtime reads is E4002, with the newest it does", async () => {
  const cwd = await folderWith((model) => model.opsets.set("", 99));
  const run = await equant(["quantize", "m.onnx", ...DATA, "-o", "q.onnx"], { cwd });
  expect(run.code).toBe(4);
  expect(run.stderr).toMatch(/error\[E4002\]: \w+: opset 99 is newer than ONNX Runtime reads \(up to \d+\)/);
  expect(run.stderr).not.toContain("onnxruntime_src");
});

test("a result in which nothing was quantized is a warning", async () => {
  const cwd = await folderWith(({ graph }) => {
    graph.nodes = [createNode({ opType: "Relu", inputs: [graph.inputs[0]!.name], outputs: ["out"], name: "relu" })];
    graph.outputs = [{ name: "out", dtype: "float32" }];
    graph.initializers.clear();
  });
  for (const command of ["quantize", "compress"]) {
    const run = await equant([command, "m.onnx", ...DATA, "-o", `${command}.onnx`, "--json"], { cwd });
    expect(run.code, run.stderr).toBe(0);
    const { warnings } = run.json<{ warnings: { code: string; message: string }[] }>();
    expect(warnings.map(({ message }) => message)).toContain("nothing was quantized: the output is a float model");
  }
});

test("quantized and float model in each other's place: the hint is the command that works", async () => {
  const cwd = await folderWith(() => {});
  expect((await equant(["quantize", "m.onnx", ...DATA, "-o", "q.onnx"], { cwd })).code).toBe(0);
  const data = ["--data", "digits-images-idx3-ubyte", "--preset", "zero-one", "--samples", "8"];
  const alone = await equant(["debug", "q.onnx", ...data], { cwd });
  expect(alone.stderr).toMatch(/E4003[\s\S]*equant debug q\.onnx --against FLOAT\.onnx/);
  const swapped = await equant(["debug", "m.onnx", "--against", "q.onnx", ...data], { cwd });
  expect(swapped.stderr).toMatch(/E4003[\s\S]*comes first: {2}equant debug q\.onnx --against m\.onnx/);
  const right = await equant(["debug", "q.onnx", "--against", "m.onnx", "--no-advice", ...data], { cwd });
  expect(right.code, right.stderr).toBe(0);
  // The file says how it was quantized: defaults of flags that do not count are not echoed.
  expect(right.stderr).not.toMatch(/weights int8 \(default\)/);
});

test("a model through pipes: no hint that names a pipe", async () => {
  const cwd = await folderWith(() => {});
  const run = await equant(["quantize", "-", "-o", "-", ...DATA], { cwd, stdin: digits });
  expect(run.code, run.stderr).toBe(0);
  expect(run.stderr).not.toContain("hint");
});

test("report reads stdin, and then wants a name for the page", async () => {
  const cwd = await folderWith(() => {});
  const made = await equant(["compress", "m.onnx", ...DATA, "--equalize", "none", "--out", "out"], { cwd });
  expect(made.code, made.stderr).toBe(0);
  const stdin = await readFile(join(cwd, "out/report.json"));
  expect((await equant(["report", "-"], { cwd, stdin })).stderr).toMatch(/E2005[\s\S]*-o report\.html/);
  const page = await equant(["report", "-", "-o", "-"], { cwd, stdin });
  expect(page.code, page.stderr).toBe(0);
  expect(page.stdout).toMatch(/^<!doctype html>/i);
  const gone = await equant(["report", "none.json"], { cwd });
  expect(gone.code).toBe(3);
  expect(gone.stderr).toMatch(/E3001.*no such file[\s\S]*hint/);
});

describe("height and width that the model leaves open", () => {
  const open = ({ graph }: Model) => {
    graph.inputs = graph.inputs.map(({ name, dtype }) => ({ name, dtype, shape: [-1, 1, "height", "?"] }));
  };

  test("are those of the data, where these have them", async () => {
    const cwd = await folderWith(open);
    const run = await equant(["quantize", "m.onnx", ...DATA, "-o", "q.onnx"], { cwd });
    expect(run.code, run.stderr).toBe(0);
  });

  test("are what preprocessing ends with, and stay open in the file", async () => {
    const cwd = await folderWith(open);
    const run = await equant(["compress", "m.onnx", ...DATA, "--resize", "28x28", "-o", "q.onnx"], { cwd });
    expect(run.code, run.stderr).toBe(0);
    const written = parseModel(await readFile(join(cwd, "q.onnx")));
    expect(written.graph.inputs[0]!.shape).toEqual([-1, 1, "height", "?"]);
    const fixed = await folderWith(() => {});
    const same = await equant(["compress", "m.onnx", ...DATA, "-o", "q.onnx"], { cwd: fixed });
    expect(same.code).toBe(0);
    const [one, other] = [written, parseModel(await readFile(join(fixed, "q.onnx")))].map((model) =>
      [...model.graph.initializers.values()].map((tensor) => [tensor.dims, tensor.bytes()]),
    );
    expect(one).toEqual(other);
  });
});
