import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, open, readdir, readFile, rename, rm, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type Model, serializeModel, Tensor, tensorsOf } from "../../src/graph/index.js";
import { externalBytesOf, parseModelFile, readModel, readModelSync, writeModel } from "../../src/node.js";
import { convReluConv } from "../helpers/build.js";
import { temporaryFolder } from "../helpers/folder.js";
import { runner } from "../helpers/runner.js";

const coded = (code: string, text: RegExp, hint?: RegExp) =>
  expect.objectContaining({
    code,
    message: expect.stringMatching(text),
    ...(hint && { hint: expect.stringMatching(hint) }),
  });

/** All constants by name, as hashes of their bytes. */
const weights = (model: Model) =>
  Object.fromEntries(
    [...tensorsOf(model)].map(({ name, tensor }) => [name, createHash("sha256").update(tensor.bytes()).digest("hex")]),
  );

const outside = (model: Model) =>
  [...model.graph.initializers].filter(([, tensor]) => tensor.external).map(([name]) => name);

/** A model whose weights lie in weights.bin: conv1.weight at 0, the rest in the model. */
async function external(folder: string, location = "weights.bin"): Promise<string> {
  const model = convReluConv();
  const tensor = model.graph.initializers.get("conv1.weight")!;
  await writeFile(join(folder, "weights.bin"), tensor.bytes());
  const bytes = serializeModel(model, {
    externalize: (name) => (name === "conv1.weight" ? { location, offset: 0, length: tensor.byteLength! } : undefined),
  });
  const path = join(folder, "model.onnx");
  await writeFile(path, bytes);
  return path;
}

describe("writing and reading", () => {
  test("one file comes back byte for byte, async and sync", async () => {
    const path = join(await temporaryFolder(), "sub/model.onnx");
    const model = convReluConv();
    const bytes = serializeModel(model);
    expect(await writeModel(model, path)).toEqual([{ path, bytes: bytes.length }]);
    expect(Buffer.compare(await readFile(path), bytes)).toBe(0);
    expect(serializeModel(await readModel(path))).toEqual(bytes);
    expect(serializeModel(readModelSync(path))).toEqual(bytes);
  });

  test("inline → outside → inline is the identity, and the outside model runs", async () => {
    const folder = await temporaryFolder();
    const model = convReluConv({ channels: 16 });
    const [a, b, c] = ["a", "b", "c"].map((name) => join(folder, `${name}.onnx`)) as [string, string, string];
    await writeModel(model, a);
    await writeModel(await readModel(a), b, { externalData: "all" });
    expect((await readdir(folder)).sort()).toEqual(["a.onnx", "b.onnx", "b.onnx.data"]);
    const moved = await readModel(b);
    expect(outside(moved)).toEqual(["conv1.weight", "conv2.weight"]);
    expect(weights(moved)).toEqual(weights(model));
    expect(externalBytesOf(moved)).toBe(2 * 16 * 16 * 9 * 4);
    await writeModel(moved, c, { externalData: "inline" });
    expect(Buffer.compare(await readFile(c), await readFile(a))).toBe(0);

    const x = { input: { dtype: "float32" as const, dims: [1, 16, 8, 8], data: new Float32Array(1024).fill(0.5) } };
    const [expected, actual] = await Promise.all(
      [model, moved].map((each) => runner.using(each, (session) => session.run(x))),
    );
    expect(actual).toEqual(expected);
  });

  test("keep leaves outside what was outside, and only that", async () => {
    const folder = await temporaryFolder();
    const model = await readModel(await external(folder));
    await writeModel(model, join(folder, "kept.onnx"), { externalData: "keep" });
    const kept = await readModel(join(folder, "kept.onnx"));
    expect(outside(kept)).toEqual(["conv1.weight"]);
    expect(kept.graph.initializers.get("conv1.weight")!.external!.location).toBe("kept.onnx.data");
    expect(weights(kept)).toEqual(weights(model));
  });

  test("auto decides by the total, and large weights begin at a page", async () => {
    const folder = await temporaryFolder();
    const model = convReluConv();
    const large = (value: number) => new Tensor("uint8", [2 ** 20 + 1], new Uint8Array(2 ** 20 + 1).fill(value));
    for (const [name, value] of [
      ["first", 1],
      ["second", 2],
    ] as const)
      model.graph.initializers.set(name, large(value));
    await writeModel(model, join(folder, "one.onnx"));
    await writeModel(model, join(folder, "two.onnx"), { maxInlineBytes: 2 ** 20 });
    expect((await readdir(folder)).sort()).toEqual(["one.onnx", "two.onnx", "two.onnx.data"]);
    const two = await readModel(join(folder, "two.onnx"));
    expect(weights(two)).toEqual(weights(model));
    for (const name of ["first", "second"]) expect(two.graph.initializers.get(name)!.external!.offset % 4096).toBe(0);
    for (const tensor of two.graph.initializers.values()) expect((tensor.external?.offset ?? 0) % 64).toBe(0);
    // Weights below 1 kB stay in the model.
    expect(outside(two)).toEqual(["first", "second"]);
  });

  test("a weight that two names share is written once", async () => {
    const folder = await temporaryFolder();
    const model = convReluConv({ channels: 16 });
    model.graph.initializers.set("again", model.graph.initializers.get("conv1.weight")!);
    await writeModel(model, join(folder, "m.onnx"), { externalData: "all" });
    const read = await readModel(join(folder, "m.onnx"));
    expect(read.graph.initializers.get("again")!.external).toEqual(
      read.graph.initializers.get("conv1.weight")!.external,
    );
    expect(weights(read)).toEqual(weights(model));
  });

  test("existing files need overwrite; a file that weights are read from is never replaced", async () => {
    const folder = await temporaryFolder();
    const path = join(folder, "m.onnx");
    await writeModel(convReluConv({ channels: 16 }), path, { externalData: "all" });
    const before = await readFile(`${path}.data`);
    const model = await readModel(path);
    await expect(writeModel(model, join(folder, "m.onnx"))).rejects.toEqual(coded("E2006", /exists already/));
    const over = writeModel(model, path, { externalData: "all", overwrite: true });
    await expect(over).rejects.toEqual(coded("E2006", /weights of the model are still read from it/, /another name/));
    expect(Buffer.compare(await readFile(`${path}.data`), before)).toBe(0);
    expect((await readdir(folder)).sort()).toEqual(["m.onnx", "m.onnx.data"]);
    // The model alone may be replaced: its own bytes are in memory.
    await writeModel(model, path, { externalData: "inline", overwrite: true });
    expect(outside(await readModel(path))).toEqual([]);
  });

  test("unknown options and values are refused", async () => {
    const model = convReluConv();
    await expect(writeModel(model, "x", { overwrit: true } as never)).rejects.toEqual(coded("E2001", /overwrit/));
    await expect(writeModel(model, "x", { externalData: "some" as never })).rejects.toEqual(coded("E2004", /'some'/));
  });
});

describe("what is no model", () => {
  test.each<[string, Uint8Array | string, RegExp, RegExp]>([
    ["empty.onnx", "", /empty\.onnx: the file is empty/, /again/],
    ["cat.png", Buffer.from("\x89PNG\r\n\x1a\n", "latin1"), /cat\.png: not an ONNX file but a PNG image/, /--data/],
    ["net.pt", Buffer.from("PK\x03\x04 net/data.pkl", "latin1"), /a PyTorch checkpoint/, /torch\.onnx\.export/],
    ["net.zip", Buffer.from("PK\x03\x04 a.txt", "latin1"), /a zip archive/, /unpack/],
    ["net.tflite", Buffer.from("\x1c\0\0\0TFL3", "latin1"), /TensorFlow Lite/, /tf2onnx/],
    ["net.h5", Buffer.from("\x89HDF\r\n\x1a\n", "latin1"), /HDF5/, /tf2onnx/],
    ["lfs.onnx", "version https://git-lfs.github.com/spec/v1\n", /Git LFS pointer/, /git lfs pull/],
    ["noise.onnx", "this is text", /damaged/, /download/],
  ])("%s is E3002 and says what to do", async (name, content, text, hint) => {
    const path = join(await temporaryFolder(), name);
    await writeFile(path, content);
    await expect(readModel(path)).rejects.toEqual(coded("E3002", text, hint));
    expect(() => readModelSync(path)).toThrow(coded("E3002", text, hint));
  });

  test("a missing file and a folder are E3001", async () => {
    const folder = await temporaryFolder();
    await expect(readModel(join(folder, "no.onnx"))).rejects.toEqual(coded("E3001", /no\.onnx: no such file/, /path/));
    await expect(readModel(folder)).rejects.toEqual(coded("E3001", /it is a folder/, /\.onnx/));
    await writeFile(join(folder, "inside.onnx"), "");
    await expect(readModel(folder)).rejects.toEqual(coded("E3001", /it is a folder/, /inside\.onnx/));
    expect(() => readModelSync(join(folder, "no.onnx"))).toThrow(coded("E3001", /no such file/));
  });

  test("a file beyond 2 GiB is E3002 before it is read", async () => {
    const path = join(await temporaryFolder(), "huge.onnx");
    const file = await open(path, "w");
    await file.truncate(2 ** 31);
    await file.close();
    await expect(readModel(path)).rejects.toEqual(
      coded("E3002", /2147483648 bytes, but an ONNX file ends at 2 GiB/, /external data/),
    );
  });
});

describe("external data", () => {
  test("is found beside the model, in subfolders, and through links that stay inside", async () => {
    const folder = await temporaryFolder();
    const expected = weights(await readModel(await external(folder)));
    await mkdir(join(folder, "deep/er"), { recursive: true });
    await rename(join(folder, "weights.bin"), join(folder, "deep/er/weights.bin"));
    expect(weights(await readModel(await external(folder, "deep/er/weights.bin")))).toEqual(expected);
    await symlink("deep/er/weights.bin", join(folder, "link.bin"));
    expect(weights(await readModel(await external(folder, "./link.bin")))).toEqual(expected);
  });

  test("of a model that is a link itself, as in download caches, may lie beside the real one", async () => {
    const folder = await temporaryFolder();
    await mkdir(join(folder, "blobs"));
    await mkdir(join(folder, "snapshot"));
    await external(join(folder, "blobs"));
    await symlink("../blobs/model.onnx", join(folder, "snapshot/model.onnx"));
    await symlink("../blobs/weights.bin", join(folder, "snapshot/weights.bin"));
    expect(outside(await readModel(join(folder, "snapshot/model.onnx")))).toEqual(["conv1.weight"]);
  });

  test.each([
    "../weights.bin",
    "sub/../../weights.bin",
    "..\\weights.bin",
    "/etc/passwd",
    "C:\\weights.bin",
    "c:weights.bin",
    "\\\\host\\share",
    "a\0b",
  ])("at %j is refused with E3005, even where such a file exists", async (location) => {
    const folder = await temporaryFolder();
    await mkdir(join(folder, "sub"));
    await external(folder);
    const path = await external(join(folder, "sub"), location);
    await expect(readModel(path)).rejects.toEqual(coded("E3005", /outside the model's folder/, /attack/));
  });

  test("behind a link that leads out is refused", async () => {
    const folder = await temporaryFolder();
    await mkdir(join(folder, "sub"));
    await external(folder);
    await symlink("../weights.bin", join(folder, "sub/link.bin"));
    const path = await external(join(folder, "sub"), "link.bin");
    await expect(readModel(path)).rejects.toEqual(coded("E3005", /a link that leads out of the model's folder/));
    await symlink("..", join(folder, "sub/up"));
    const other = await external(join(folder, "sub"), "up/weights.bin");
    await expect(readModel(other)).rejects.toEqual(coded("E3005", /a link that leads out/));
  });

  test("that is missing, cut, or no file is E3005 and named", async () => {
    const folder = await temporaryFolder();
    const path = await external(folder);
    await writeFile(join(folder, "weights.bin"), "short");
    await expect(readModel(path)).rejects.toEqual(
      coded("E3005", /weights\.bin ends at byte 5, but "conv1\.weight" reaches to 576/, /cut/),
    );
    await rm(join(folder, "weights.bin"));
    await expect(readModel(path)).rejects.toEqual(
      coded("E3005", /weights in weights\.bin, which is missing/, /weights\.bin/),
    );
    await mkdir(join(folder, "weights.bin"));
    await expect(readModel(path)).rejects.toEqual(coded("E3005", /weights\.bin, which is no file/));
  });

  test.runIf(process.platform !== "win32")("that is a named pipe does not hang", async () => {
    const folder = await temporaryFolder();
    const path = await external(folder, "pipe");
    execFileSync("mkfifo", [join(folder, "pipe")]);
    await expect(readModel(path)).rejects.toEqual(coded("E3005", /which is no file/));
  });

  test("that disappears later is E3005 at the use", async () => {
    const folder = await temporaryFolder();
    const model = await readModel(await external(folder));
    await rm(join(folder, "weights.bin"));
    expect(() => model.graph.initializers.get("conv1.weight")!.bytes()).toThrow(
      coded("E3005", /weights\.bin cannot be read/),
    );
  });

  test("parseModelFile looks beside the given path", async () => {
    const path = await external(await temporaryFolder());
    const model = parseModelFile(await readFile(path), path);
    expect(model.graph.initializers.get("conv1.weight")!.bytes().length).toBe(576);
  });
});

test.runIf(process.platform === "linux")("no file stays open", async () => {
  const model = await readModel(await external(await temporaryFolder()));
  const before = (await readdir("/proc/self/fd")).length;
  for (let i = 0; i < 50; i++) model.graph.initializers.get("conv1.weight")!.bytesBetween(0, 4);
  expect((await readdir("/proc/self/fd")).length).toBeLessThanOrEqual(before);
});

test("a model with 2.2 GB of weights is opened and read in parts", async () => {
  const folder = await temporaryFolder();
  const path = join(folder, "large.onnx");
  const length = 2_200_000_000;
  const model = convReluConv();
  const place = { location: "large.bin", offset: 0, length };
  model.graph.initializers.set("huge", new Tensor("uint8", [length], () => new Uint8Array(0), place));
  await writeFile(path, serializeModel(model, { externalize: (_name, tensor) => tensor.external }));
  // Sparse: takes no room on the disk.
  const file = await open(join(folder, "large.bin"), "w");
  await file.write(Uint8Array.of(7, 8, 9), 0, 3, length - 3);
  await file.close();
  expect((await stat(join(folder, "large.bin"))).size).toBe(length);
  const huge = (await readModel(path)).graph.initializers.get("huge")!;
  expect([...huge.bytesBetween(length - 4, length)]).toEqual([0, 7, 8, 9]);
  const inline = writeModel(await readModel(path), join(folder, "inline.onnx"), { externalData: "inline" });
  await expect(inline).rejects.toEqual(coded("E3003", /does not fit in one file of 2 GiB/, /external data/));
});
