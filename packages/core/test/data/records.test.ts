import { describe, expect, test } from "vitest";
import { openFiles } from "../../src/data/index.js";
import { readWave } from "../../src/data/wave-file.js";
import type { Signature, SignatureInput } from "../../src/graph/index.js";
import { filesOf, npy, zipOf } from "./helpers.js";

const input = (name: string, dtype: SignatureInput["dtype"], dims: SignatureInput["dims"]): SignatureInput => ({
  name,
  dtype,
  dims,
  role: /^(h|c)$/.test(name) ? "state" : "data",
});
const signature = (...inputs: SignatureInput[]): Signature => ({ inputs, outputs: [] });
const TOKENS = signature(input("input_ids", "int64", ["N", "S"]), input("attention_mask", "int64", ["N", "S"]));

async function samples(files: Record<string, Uint8Array | string>, options: object, main?: string) {
  const dataset = await openFiles(filesOf(files), { ...options, ...(main !== undefined && { main }) } as never);
  const all = [];
  for (let at = 0; at < dataset.length; at++) all.push(await dataset.record!(at));
  return { dataset, all };
}

describe("arrays by input name", () => {
  test("a sample is a row of every array; a state that nobody gives begins at zero", async () => {
    const takes = signature(
      input("x", "float32", ["N", 2]),
      input("k", "int64", ["N", 1]),
      input("h", "float32", [1, 1, 2]),
    );
    const npz = zipOf({
      "x.npy": npy("<f8", [3, 2], Float64Array.of(1, 2, 3, 4, 5, 6)),
      "k.npy": npy("<i4", [3], Int32Array.of(7, 8, 9)),
      "label.npy": npy("<i8", [3], BigInt64Array.of(0n, 1n, 1n)),
    });
    const { dataset, all } = await samples({ "a.npz": npz }, { signature: takes }, "a.npz");
    expect(all[1]).toEqual({
      x: { dtype: "float32", dims: [1, 2], data: Float32Array.of(3, 4) },
      k: { dtype: "int64", dims: [1, 1], data: BigInt64Array.of(8n) },
      h: { dtype: "float32", dims: [1, 1, 2], data: Float32Array.of(0, 0) },
    });
    expect([dataset.label!(0), dataset.label!(2)]).toEqual([0, 1]);
  });

  test("an array with a dimension more than the input has no batch", async () => {
    const takes = signature(input("x", "float32", ["T", 2]));
    const { all } = await samples(
      { "a.npy": npy("<f4", [2, 3, 2], new Float32Array(12)) },
      { signature: takes },
      "a.npy",
    );
    expect(all.map(({ x }) => x!.dims)).toEqual([
      [3, 2],
      [3, 2],
    ]);
  });

  test("a folder of archives is one set", async () => {
    const one = (value: number) => zipOf({ "input_ids.npy": npy("<i8", [1, 2], BigInt64Array.of(BigInt(value), 1n)) });
    const { all } = await samples({ "a.npz": one(5), "b.npz": one(6) }, { signature: TOKENS });
    expect(all.map(({ input_ids }) => Array.from(input_ids!.data as BigInt64Array, Number))).toEqual([
      [5, 1],
      [6, 1],
    ]);
    expect(all[0]!.attention_mask!.data).toEqual(BigInt64Array.of(1n, 1n));
  });

  test.each([
    ["sizes that are said and not met", "E5003", { "input_ids.npy": npy("<i8", [2, 3, 4], new BigInt64Array(24)) }],
    [
      "no array of an input's name",
      "E5001",
      { "a.npy": npy("<i8", [2, 2], new BigInt64Array(4)), "b.npy": npy("<i8", [2, 2], new BigInt64Array(4)) },
    ],
    [
      "arrays of different lengths",
      "E5003",
      {
        "input_ids.npy": npy("<i8", [2, 2], new BigInt64Array(4)),
        "attention_mask.npy": npy("<i8", [3, 2], new BigInt64Array(6)),
      },
    ],
  ])("%s: %s", async (_, code, entries) => {
    const takes = signature(input("input_ids", "int64", ["N", 3, 3, "S"].slice(0, 2)), TOKENS.inputs[1]!);
    await expect(
      openFiles(filesOf({ "a.npz": zipOf(entries) }), { signature: takes, main: "a.npz" }),
    ).rejects.toMatchObject({ code });
  });
});

describe("JSON lines", () => {
  test("keys are inputs; lines may differ in length", async () => {
    const text = '{"input_ids": [5, 6, 7], "label": 2}\n\n{"input_ids": [8]}\n';
    const { all, dataset } = await samples({ "a.jsonl": text }, { signature: TOKENS }, "a.jsonl");
    expect(all.map(({ input_ids }) => input_ids!.dims)).toEqual([
      [1, 3],
      [1, 1],
    ]);
    expect(dataset.id(1)).toBe("a.jsonl:3");
    expect(dataset.label!(0)).toBe(2);
  });

  test.each([
    ["no JSON", "{", "E5002"],
    ["no object", "[1]", "E5002"],
    ["lists of unequal lengths", '{"input_ids": [[1, 2], [3]]}', "E5002"],
    ["text among numbers", '{"input_ids": [1, "a"]}', "E5002"],
    ["a fraction where an integer belongs", '{"input_ids": [1.5]}', "E5002"],
    ["a size nobody can hold", `{"input_ids": ${"[".repeat(12)}${"]".repeat(12)}}`, "E5003"],
    ["other keys", '{"ids": [1]}', "E5001"],
    ["nothing", "\n", "E5001"],
  ])("%s", async (_, text, code) => {
    const opening = samples({ "a.jsonl": text }, { signature: TOKENS }, "a.jsonl");
    await expect(opening).rejects.toMatchObject({ code });
  });
});

test("text lines become tokens; a fixed length is filled up and masked", async () => {
  const tokenize = (line: string) => ({ ids: [...line].map((char) => char.charCodeAt(0)) });
  const fixed = signature(input("input_ids", "int64", ["N", 4]), input("attention_mask", "int64", ["N", 4]));
  const { all } = await samples({ "a.txt": "ab\nabcdef\n" }, { signature: fixed, tokenize }, "a.txt");
  const numbers = (at: number, name: string) => Array.from(all[at]![name]!.data as BigInt64Array, Number);
  expect([numbers(0, "input_ids"), numbers(0, "attention_mask")]).toEqual([
    [97, 98, 0, 0],
    [1, 1, 0, 0],
  ]);
  expect(numbers(1, "input_ids")).toEqual([97, 98, 99, 100]);
  await expect(openFiles(filesOf({ "a.txt": "a" }), { signature: fixed, main: "a.txt" })).rejects.toMatchObject({
    code: "E2005",
  });
});

/** A WAV file of 16 bits. */
function wave(channels: number, rate: number, samples: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(44 + 2 * samples.length);
  const view = new DataView(bytes.buffer);
  bytes.set(new TextEncoder().encode("RIFF    WAVEfmt "));
  [
    [16, 16, 4],
    [20, 1, 2],
    [22, channels, 2],
    [24, rate, 4],
    [34, 16, 2],
  ].forEach(([at, value, size]) => {
    if (size === 2) view.setUint16(at!, value!, true);
    else view.setUint32(at!, value!, true);
  });
  bytes.set(new TextEncoder().encode("data"), 36);
  view.setUint32(40, 2 * samples.length, true);
  for (const [at, value] of samples.entries()) view.setInt16(44 + 2 * at, value * 32768, true);
  return bytes;
}

describe("sound", () => {
  test("channels are averaged, the rate is changed, a file is a sample", async () => {
    const file = wave(2, 100, [0.5, 0, -0.5, -0.25]);
    expect(Array.from(readWave(file, "a").samples)).toEqual([0.25, -0.375]);
    const resample = (samples: Float32Array, from: number, to: number) => samples.map((value) => (value * to) / from);
    const takes = signature(input("wave", "float32", ["N", "T"]));
    const { all } = await samples({ "a.wav": file }, { signature: takes, sampleRate: 200, resample }, "a.wav");
    expect(all[0]!.wave).toEqual({ dtype: "float32", dims: [1, 2], data: Float32Array.of(0.5, -0.75) });
  });

  test("windows of a fixed length; one sequence where the network has states", async () => {
    const file = wave(1, 100, [0.25, 0.5, 0.75, -0.25, -0.5]);
    const windows = await samples(
      { "a.wav": file },
      { signature: signature(input("x", "float32", ["N", 3])), stride: 2 },
      "a.wav",
    );
    expect(windows.all.map(({ x }) => Array.from(x!.data as Float32Array))).toEqual([
      [0.25, 0.5, 0.75],
      [0.75, -0.25, -0.5],
    ]);
    const takes = signature(input("x", "float32", ["T", 3]), input("h", "float32", [1, 2]));
    const sequence = await samples({ "a.wav": file }, { signature: takes, stride: 2 }, "a.wav");
    expect(sequence.all.map(({ x }) => x!.dims)).toEqual([[2, 3]]);
  });

  test("cut off, or of an unknown coding", () => {
    const file = wave(1, 100, [0.25, 0.5]);
    expect(() => readWave(file.subarray(0, 45), "a")).toThrowError(expect.objectContaining({ code: "E5002" }));
    const coded = file.slice();
    coded[20] = 85;
    expect(() => readWave(coded, "a")).toThrowError(expect.objectContaining({ code: "E5002" }));
  });
});

describe("images beside arrays", () => {
  const takes = signature(input("picture", "float32", ["N", 3, 2, 2]), input("t", "float32", ["N", 1]));
  const decode = async (bytes: Uint8Array) => ({ width: 2, height: 2, channels: 1, data: bytes.slice(8, 12) });
  const image = (grey: number) => Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, grey, grey, grey, grey);
  const files = { "a.png": image(10), "b.png": image(20) };

  test("the one input of images takes them, the others their rows", async () => {
    const t = npy("<f4", [2], Float32Array.of(0.5, 0.25));
    const { dataset, all } = await samples({ ...files, "t.npy": t }, { signature: takes, decode });
    expect(all.map(({ picture, t: row }) => [picture!.dims, picture!.data[0], row!.data[0]])).toEqual([
      [[1, 3, 2, 2], 10, 0.5],
      [[1, 3, 2, 2], 20, 0.25],
    ]);
    expect(dataset.id(1)).toBe("b.png");
  });

  test("an array of another length, and an input that nothing gives, are refused", async () => {
    const t = npy("<f4", [3], new Float32Array(3));
    await expect(samples({ ...files, "t.npy": t }, { signature: takes, decode })).rejects.toMatchObject({
      code: "E5003",
    });
    await expect(samples(files, { signature: takes, decode })).rejects.toMatchObject({ code: "E5001" });
  });
});

test("sound tells its rate to the input that asks for it; axes of one element are no windows", async () => {
  const wave = new Uint8Array(44 + 2 * 6);
  const view = new DataView(wave.buffer);
  for (const [at, word] of [
    [0, "RIFF"],
    [8, "WAVE"],
    [12, "fmt "],
    [36, "data"],
  ] as const)
    wave.set(new TextEncoder().encode(word), at);
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, 8000, true);
  view.setUint16(34, 16, true);
  view.setUint32(40, 12, true);
  for (let at = 0; at < 6; at++) view.setInt16(44 + 2 * at, 4096 * (at + 1), true);
  const takes = signature(input("x", "float32", ["N", 3, 1]), input("sr", "int64", []));
  const { all } = await samples({ "a.wav": wave }, { signature: takes });
  expect(all.map(({ x, sr }) => [x!.dims, Array.from(x!.data as Float32Array), sr!.dims, sr!.data[0]])).toEqual([
    [[1, 3, 1], [0.125, 0.25, 0.375], [], 8000n],
    [[1, 3, 1], [0.5, 0.625, 0.75], [], 8000n],
  ]);
  const open = signature(input("x", "float32", ["N", undefined]), input("h", "float32", [1, 1]));
  const windows = await samples({ "a.wav": wave }, { signature: open, stride: 2 });
  expect(windows.all.map(({ x }) => [x!.dims, x!.data[0]])).toEqual([
    [[1, 2], 0.125],
    [[1, 2], 0.375],
    [[1, 2], 0.625],
  ]);
  expect((await samples({ "a.wav": wave }, { signature: open })).all[0]!.x!.dims).toEqual([1, 6]);
});
