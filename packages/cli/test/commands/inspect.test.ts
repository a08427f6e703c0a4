import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { float, GraphBuilder, int, ints, type Model, serializeModel, Tensor } from "@equant/core/lab";
import { writeModel } from "@equant/core/node";
import { expect, test } from "vitest";
import { equant, temporaryFolder } from "../helpers/run.js";

interface Inspected {
  result: {
    parameters: number;
    macs: number | null;
    bytes: number;
    nodes: { name: string; opType: string; macs: number | null }[];
    findings: { kind: string; message: string }[];
    weights?: { name: string; spread: number; channels: number }[];
    layers?: { name: string; opType: string; attributes: Record<string, unknown>; weights: { channelMax: number[] } }[];
  };
}

/** conv → batch-norm → relu6 → depthwise → flatten → fc, with channels of very different ranges. */
function network(): Model {
  const { model, builder } = GraphBuilder.model("m");
  const filled = (dims: number[], name: string, values: (i: number) => number) => {
    const size = dims.reduce((product, dim) => product * dim, 1);
    return builder.constant(
      Tensor.float32(
        dims,
        Float32Array.from({ length: size }, (_, i) => values(i)),
      ),
      name,
    );
  };
  const conv = builder.node(
    "Conv",
    [builder.input("x", ["N", 2, 4, 4]), filled([4, 2, 1, 1], "conv.weight", (i) => 10 ** -Math.floor(i / 2))],
    { kernel_shape: ints([1, 1]) },
    { name: "body/conv" },
  );
  const bn = ["scale", "bias", "mean", "var"].map((name) => filled([4], `bn.${name}`, () => 1));
  const normal = builder.node("BatchNormalization", [conv, ...bn], { epsilon: float(1e-3) }, { name: "body/bn" });
  const relu6 = builder.node(
    "Clip",
    [normal, builder.constant(0, "zero"), builder.constant(6, "six")],
    {},
    { name: "body/relu6" },
  );
  const depthwise = builder.node(
    "Conv",
    [relu6, filled([4, 1, 1, 1], "dw.weight", () => 1)],
    { group: int(4) },
    { name: "body/depthwise" },
  );
  const fc = [builder.node("Flatten", [depthwise], {}, { name: "flatten" }), filled([64, 3], "fc.weight", () => 1)];
  builder.output(builder.node("MatMul", fc, {}, { name: "classifier/fc" }), "float32", ["N", 3]);
  return model;
}

async function folder(): Promise<string> {
  const cwd = await temporaryFolder();
  await writeFile(join(cwd, "m.onnx"), serializeModel(network()));
  return cwd;
}

test("prints the head line, the operators and the findings", async () => {
  const { code, stdout, stderr } = await equant(["inspect", "m.onnx"], { cwd: await folder() });
  expect(code).toBe(0);
  const lines = stdout.trimEnd().split("\n");
  expect(lines[0]).toMatch(/^m\.onnx {2}\d.* kB · opset 17 · 6 nodes · 212 parameters · 384 MACs$/);
  expect(stdout).toMatch(/op +count +parameters +MACs +bytes +quantizable\n/);
  expect(stdout).toMatch(/Conv +1 +8 +128 +32 B +yes +! range spread up to 1000x between channels \(body\/conv\)\n/);
  expect(stdout).toMatch(/DepthwiseConv +1 +4 +64 +16 B +yes\n/);
  expect(lines.at(-1)).toBe(
    "3 findings: 1 BatchNormalization foldable · range spread up to 1000x between channels (body/conv) · Clip(0,6) x1 bounds equalization",
  );
  expect(stderr).toContain("hint: try  equant compress m.onnx --data images/");
});

test("--json has parameters, macs, bytes and nodes", async () => {
  const cwd = await folder();
  const { result } = (await equant(["inspect", "m.onnx", "--json"], { cwd })).json<Inspected>();
  expect(result).toMatchObject({ parameters: 212, macs: 384, bytes: serializeModel(network()).length });
  expect(result.nodes.map(({ name, opType }) => [name, opType])).toEqual([
    ["body/conv", "Conv"],
    ["body/bn", "BatchNormalization"],
    ["body/relu6", "Clip"],
    ["body/depthwise", "DepthwiseConv"],
    ["flatten", "Flatten"],
    ["classifier/fc", "MatMul"],
  ]);
  expect(result.weights).toBeUndefined();
});

test("--names lists what --exclude and --layer take", async () => {
  const { stdout } = await equant(["inspect", "m.onnx", "--names"], { cwd: await folder() });
  expect(stdout.trimEnd().split("\n")).toEqual([
    "body/conv",
    "body/bn",
    "body/relu6",
    "body/depthwise",
    "flatten",
    "classifier/fc",
  ]);
});

test("--weights shows ranges by layer, with the batch-norm folded in", async () => {
  const cwd = await folder();
  const { stdout } = await equant(["inspect", "m.onnx", "--weights"], { cwd });
  expect(stdout).toMatch(/layer +op +shape +min +max +spread +channels +zero in int8 +dead +zeros +leading bits\n/);
  expect(stdout).toMatch(
    /body\/conv +Conv +4x2x1x1 +9\.995e-4 +0\.9995 +1000x +4 +1 +0 +0\.0 % +2\^-10 … 2\^-1, most 2\^-10\n/,
  );
  const { result } = (await equant(["inspect", "m.onnx", "--weights", "--json"], { cwd })).json<Inspected>();
  expect(result.weights!.map(({ name, channels }) => [name, channels])).toEqual([
    ["body/conv", 4],
    ["body/depthwise", 4],
    ["classifier/fc", 3],
  ]);
});

test("--layer shows one node, globs several", async () => {
  const cwd = await folder();
  const { stdout } = await equant(["inspect", "m.onnx", "--layer", "body/conv"], { cwd });
  expect(stdout).toMatch(/^body\/conv {2}Conv\n/);
  for (const part of [
    "conv.weight  float32 [4, 2, 1, 1]  stored",
    "attribute  kernel_shape = [1,1]",
    "int8       yes",
    "widest     0: 0.9995",
  ]) {
    expect(stdout).toContain(part);
  }
  const { result } = (await equant(["inspect", "m.onnx", "--layer", "body/*", "--json"], { cwd })).json<Inspected>();
  expect(result.layers!.map(({ name, opType }) => [name, opType])).toEqual([
    ["body/conv", "Conv"],
    ["body/bn", "BatchNormalization"],
    ["body/relu6", "Clip"],
    ["body/depthwise", "DepthwiseConv"],
  ]);
  expect(result.layers![3]!.attributes).toEqual({ group: 4 });
  expect(result.layers![3]!.weights.channelMax).toEqual([1, 1, 1, 1]);
});

test("--layer that matches nothing is E2103 with the nearest names", async () => {
  const { code, stderr } = await equant(["inspect", "m.onnx", "--layer", "body/depthwize"], { cwd: await folder() });
  expect(code).toBe(2);
  expect(stderr).toContain("error[E2103]: --layer 'body/depthwize' matches none of 6 nodes");
  expect(stderr).toContain("nearest: body/depthwise");
  expect(stderr).toContain("equant inspect MODEL --names");
});

test("a model that does not run on zeros is still shown, without operations", async () => {
  const cwd = await temporaryFolder();
  const model = network();
  model.graph.inputs[0] = { name: "x", dtype: "float32", shape: ["N", 2, "H", "W"] };
  await writeFile(join(cwd, "m.onnx"), serializeModel(model));
  const { code, stdout, stderr } = await equant(["inspect", "m.onnx"], { cwd });
  expect(code).toBe(0);
  expect(stdout).toContain("MACs unknown");
  expect(stdout).toContain("open sizes besides the batch: x");
  expect(stderr).toMatch(/note {6}the model does not run on zeros of batch 1: /);
  const quiet = await equant(["inspect", "m.onnx", "--no-run"], { cwd });
  expect(quiet.stderr).not.toContain("note");
});

test("external data counts, and a missing file, a folder and a foreign file say what to do", async () => {
  const cwd = await temporaryFolder();
  const model = network();
  model.graph.initializers.set("fc.weight", Tensor.float32([64, 8], new Float32Array(512).fill(1)));
  await writeModel(model, join(cwd, "m.onnx"), { externalData: "all" });
  const { result } = (await equant(["inspect", "m.onnx", "--json"], { cwd })).json<Inspected>();
  expect(result.findings.map(({ message }) => message)).toContain("weights of 1 tensor lie in m.onnx.data");
  expect(result.bytes).toBeGreaterThan(2048);
  await writeFile(join(cwd, "m.onnx.data"), "");
  const cut = await equant(["inspect", "m.onnx"], { cwd });
  expect([cut.code, cut.stderr]).toEqual([
    3,
    expect.stringContaining("error[E3005]: external data m.onnx.data ends at byte 0"),
  ]);
  await writeFile(join(cwd, "net.pt"), "PK\u0003\u0004 net/data.pkl");
  const foreign = await equant(["inspect", "net.pt"], { cwd });
  expect([foreign.code, foreign.stderr]).toEqual([
    3,
    expect.stringContaining("error[E3002]: net.pt: not an ONNX file but a PyTorch checkpoint"),
  ]);
  expect(foreign.stderr).toContain("torch.onnx.export");
});

test("an invalid graph is refused", async () => {
  const cwd = await temporaryFolder();
  const model = network();
  model.graph.nodes[0]!.inputs[0] = "nobody";
  await writeFile(join(cwd, "m.onnx"), serializeModel(model));
  const { code, stderr } = await equant(["inspect", "m.onnx"], { cwd });
  expect([code, stderr]).toEqual([3, expect.stringContaining('reads value "nobody", which nobody makes')]);
});

test("--svg draws what --weights or --layer shows", async () => {
  const cwd = await folder();
  const draw = async (...flags: string[]) => {
    const run = await equant(["inspect", "m.onnx", ...flags, "--svg", "c.svg", "--overwrite"], { cwd });
    return { ...run, svg: run.code === 0 ? await readFile(join(cwd, "c.svg"), "utf8") : "" };
  };
  const all = await draw("--weights");
  for (const layer of ["body/conv", "body/depthwise", "classifier/fc"]) expect(all.svg).toContain(layer);
  expect(all.svg).toContain("Most significant bits of values");
  const one = await draw("--layer", "body/conv");
  // Channel 3 lies at 1/1000 of channel 0, below half a step of the common scale.
  expect(one.svg).toContain("before: 4 channels, 1 dead (×)");
  const refused = [
    [[], "--svg needs --weights or --layer"],
    [["--layer", "body/*"], "--svg draws one layer, --layer matches 4"],
    [["--layer", "flatten"], "flatten has none"],
  ] as const;
  for (const [flags, message] of refused) {
    const { code, stderr } = await draw(...flags);
    expect([code, stderr]).toEqual([2, expect.stringContaining(message)]);
  }
});
