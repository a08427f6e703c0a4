import { readFileSync } from "node:fs";
import fc from "fast-check";
import { gzipSync } from "fflate";
import { describe, expect, it } from "vitest";
import { memoryFile } from "../../src/data/data-file.js";
import { openNpy } from "../../src/data/npy.js";
import { openFiles } from "../../src/data/open-files.js";
import { CompressionError } from "../../src/errors.js";
import { failureOf, filesOf, idsOf, idx, labelsOf, npy, sampleOf, zipOf } from "./helpers.js";
import { readAllValues } from "./read-all.js";

const fixture = new URL("../../../../fixtures/data/numpy-arrays.json", import.meta.url);
const numpy = JSON.parse(readFileSync(fixture, "utf8")) as {
  npy: { name: string; shape: number[]; version: number; npy: string; values: number[] }[];
  npz: string[];
  npzImages: string;
  npzLabels: number[];
};
const decode64 = (text: string) => new Uint8Array(Buffer.from(text, "base64"));
const vector = (length: number) => ({ input: { shape: [length] } });

describe("npy", () => {
  it.each(numpy.npy.map((c) => [`${c.name}, version ${c.version}`, c] as const))(
    "reads %s as numpy does",
    async (_, c) => {
      const source = await openNpy(memoryFile("a.npy", decode64(c.npy)));
      expect(source.shape).toEqual(c.shape);
      expect(Array.from(await source.all())).toEqual(c.values);
      if (c.shape.length > 1) expect(await readAllValues(source)).toEqual(c.values);
    },
  );

  it("reads range by range when nothing may be kept", async () => {
    const c = numpy.npy.find(({ name }) => name === "float32")!;
    const source = await openNpy(memoryFile("a.npy", decode64(c.npy)), false);
    expect(await readAllValues(source)).toEqual(c.values);
  });

  it("names truncated, foreign and damaged files", async () => {
    const good = npy("<f4", [2, 3], new Float32Array(6));
    for (const [bytes, message] of [
      [good.subarray(0, good.length - 1), /truncated: 151 bytes, its header promises 152/],
      [good.subarray(0, 40), /truncated/],
      [good.subarray(0, 8), /not a complete .npy/],
      [npy("<U5", [2, 3], new Uint8Array(120)), /elements of type '<U5'/],
      [npy("|O", [2, 3], new Uint8Array(120)), /elements of type '\|O'/],
      [Uint8Array.from(good, (byte, i) => (i === 6 ? 9 : byte)), /version 9/],
      [Uint8Array.from(good, (byte, i) => (i > 20 && i < 60 ? 65 : byte)), /header that cannot be read/],
      [npy("<f4", [1e9, 1e9], new Float32Array(6)), /truncated/],
    ] as const) {
      const failure = await failureOf(() => openFiles(filesOf({ "x.npy": bytes }), { ...vector(3), main: "x.npy" }));
      expect(failure).toMatchObject({ code: "E5002", file: "x.npy" });
      expect(failure.message).toMatch(message);
      expect(failure.hint).not.toBe("");
    }
  });
});

describe("arrays as samples", () => {
  const open = (bytes: Uint8Array, shape: readonly number[], more: object = {}) =>
    openFiles(filesOf({ "x.npy": bytes }), { input: { shape }, main: "x.npy", ...more });

  it("takes floats as they are, and says that the preset did not apply", async () => {
    const data = await open(npy("<f4", [2, 3], Float32Array.of(1, -2, 3.5, 4, 5, 6)), [3], {
      preprocess: { preset: "tf" },
    });
    expect(data).toMatchObject({ length: 2, format: "NPY", preprocessed: false, total: 2 });
    expect(await sampleOf(data, 1)).toEqual([4, 5, 6]);
    expect(data.notes[0]).toMatch(/preset.*not applied/);
    expect(idsOf(data)).toEqual(["x.npy[0]", "x.npy[1]"]);
    expect((await open(npy("<f4", [1, 3], Float32Array.of(1, 2, 3)), [3])).notes).toEqual([]);
  });

  it("puts uint8 pixels through the preset, interleaved or planar, grey or colour", async () => {
    const pixels = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12);
    const preprocess = { preset: "zero-one" } as const;
    const as255 = (values: number[]) => values.map((x) => Math.fround(x / 255));
    const hwc = await open(npy("|u1", [1, 2, 2, 3], pixels), [3, 2, 2], { preprocess });
    expect(await sampleOf(hwc, 0)).toEqual(as255([1, 4, 7, 10, 2, 5, 8, 11, 3, 6, 9, 12]));
    const chw = await open(npy("|u1", [1, 3, 2, 2], pixels), [3, 2, 2], { preprocess });
    expect(await sampleOf(chw, 0)).toEqual(as255([...pixels]));
    const toNhwc = await open(npy("|u1", [1, 3, 2, 2], pixels), [2, 2, 3], { preprocess });
    expect(await sampleOf(toNhwc, 0)).toEqual(as255([1, 5, 9, 2, 6, 10, 3, 7, 11, 4, 8, 12]));
    const gray = await open(npy("|u1", [3, 2, 2], pixels), [1, 2, 2], { preprocess });
    expect([gray.length, gray.preprocessed]).toEqual([3, true]);
    expect(await sampleOf(gray, 2)).toEqual(as255([9, 10, 11, 12]));
  });

  it("resizes uint8 pixels of another size like any image", async () => {
    const data = await open(npy("|u1", [2, 3, 3], new Uint8Array(18).fill(50)), [1, 5, 5]);
    expect(await sampleOf(data, 1)).toEqual(new Array(25).fill(50));
  });

  it("reads one whole sample where the shape says so", async () => {
    const image = await open(npy("|u1", [2, 2, 3], new Uint8Array(12).fill(9)), [3, 2, 2]);
    expect([image.length, await sampleOf(image, 0)]).toEqual([1, new Array(12).fill(9)]);
    const floats = await open(npy("<f4", [2, 2], Float32Array.of(1, 2, 3, 4)), [2, 2]);
    expect([floats.length, await sampleOf(floats, 0)]).toEqual([1, [1, 2, 3, 4]]);
    const one = await open(npy("<f4", [4], Float32Array.of(1, 2, 3, 4)), [4]);
    expect([one.length, await sampleOf(one, 0)]).toEqual([1, [1, 2, 3, 4]]);
  });

  it("flattens for vector inputs, scaling uint8 by the preset", async () => {
    const data = await open(npy("|u1", [2, 2, 2], Uint8Array.of(0, 255, 51, 102, 1, 2, 3, 4)), [4], {
      preprocess: { preset: "zero-one" },
    });
    expect(await sampleOf(data, 0)).toEqual([0, 1, Math.fround(0.2), Math.fround(0.4)]);
  });

  it("refuses shapes that do not fit, and says when only the order is wrong", async () => {
    const wrong = await failureOf(() => open(npy("<f4", [2, 5], new Float32Array(10)), [3]));
    expect(wrong).toMatchObject({ code: "E5003", file: "x.npy", message: expect.stringContaining("[5]") });
    const swapped = await failureOf(() => open(npy("<f4", [1, 4, 4, 3], new Float32Array(48)), [3, 4, 4]));
    expect(swapped).toMatchObject({ code: "E5003", hint: expect.stringContaining("transpose") });
    const cropped = await failureOf(() =>
      open(npy("|u1", [2, 4], new Uint8Array(8)), [4], { preprocess: { crop: 2 } }),
    );
    expect(cropped.code).toBe("E2002");
  });

  it("names the sample that holds NaN or infinity", async () => {
    for (const [descr, values] of [
      ["<f4", Float32Array.of(1, 2, 3, Number.NaN)],
      ["<f4", Float32Array.of(1, 2, Number.POSITIVE_INFINITY, 4)],
      // Finite as float64, too large for float32.
      ["<f8", Float64Array.of(1, 2, 1e39, 4)],
    ] as const) {
      const data = await open(npy(descr, [2, 2], values), [2]);
      expect(await sampleOf(data, 0)).toEqual([1, 2]);
      const failure = await failureOf(() => sampleOf(data, 1));
      expect(failure).toMatchObject({ code: "E5002", file: "x.npy[1]" });
      expect(failure.message).toMatch(/NaN|not finite/);
    }
  });

  it("joins files of a folder in order of name", async () => {
    const one = (value: number) => npy("<f4", [1, 2], Float32Array.of(value, value));
    const folder = filesOf({ "b.npy": one(2), "a.npy": one(1), "notes.txt": "hello" });
    const data = await openFiles(folder, vector(2));
    expect(idsOf(data)).toEqual(["a.npy[0]", "b.npy[0]"]);
    expect(await sampleOf(data, 1)).toEqual([2, 2]);
  });

  it("an empty array is no data", async () => {
    expect((await failureOf(() => open(npy("<f4", [0, 2], new Float32Array(0)), [2]))).code).toBe("E5001");
  });
});

describe("labels of arrays", () => {
  const x = npy("<f4", [3, 2], new Float32Array(6));

  it("come from <name>.labels.npy, from a named file, or from labels.csv without a file column", async () => {
    const beside = filesOf({ "x.npy": x, "x.labels.npy": npy("<i8", [3], BigInt64Array.of(2n, 0n, 1n)) });
    expect(labelsOf(await openFiles(beside, { ...vector(2), main: "x.npy" }))).toEqual([2, 0, 1]);
    expect(labelsOf(await openFiles(beside, vector(2)))).toEqual([2, 0, 1]);
    expect((await openFiles(beside, { ...vector(2), labels: "none" })).label).toBeUndefined();
    const [labels] = filesOf({ "y.npy": npy("<f4", [3, 1], Float32Array.of(1, 1, 0)) });
    expect(labelsOf(await openFiles(filesOf({ "x.npy": x }), { ...vector(2), labels: labels! }))).toEqual([1, 1, 0]);
    const table = filesOf({ "x.npy": x, "labels.csv": "label\n5\n6\n7\n" });
    expect(labelsOf(await openFiles(table, vector(2)))).toEqual([5, 6, 7]);
  });

  it("must be whole numbers, one a sample", async () => {
    const open = (labels: Uint8Array) => openFiles(filesOf({ "x.npy": x, "x.labels.npy": labels }), vector(2));
    for (const [bytes, message] of [
      [npy("<i8", [2], BigInt64Array.of(1n, 2n)), /2 labels for 3 samples/],
      [npy("<f4", [3], Float32Array.of(0, 1, 0.5)), /label 0.5 at position 2/],
      [npy("<i4", [3], Int32Array.of(0, -1, 2)), /label -1 at position 1/],
      [npy("<f4", [3, 4], new Float32Array(12)), /labels of shape \[3, 4\]/],
    ] as const) {
      const failure = await failureOf(() => open(bytes));
      expect(failure.code).toBe("E5004");
      expect(failure.message).toMatch(message);
    }
    const folders = await failureOf(() => openFiles(filesOf({ "x.npy": x }), { ...vector(2), labels: "folders" }));
    expect(folders.code).toBe("E2002");
  });
});

describe("npz", () => {
  it.each([0, 1])("reads images and labels as numpy saved them (file %i)", async (which) => {
    const data = await openFiles(filesOf({ "d.npz": decode64(numpy.npz[which]!) }), {
      input: { shape: [5, 6, 3] },
      main: "d.npz",
    });
    expect(data).toMatchObject({ length: 4, format: "NPZ" });
    expect(labelsOf(data)).toEqual(numpy.npzLabels);
    const all = [];
    for (let i = 0; i < 4; i++) all.push(...(await sampleOf(data, i)));
    expect(all).toEqual([...decode64(numpy.npzImages)]);
  });

  it("asks which array to use", async () => {
    const array = npy("<f4", [1, 2], new Float32Array(2));
    const two = zipOf({ "x_train.npy": array, "x_test.npy": array });
    const failure = await failureOf(() => openFiles(filesOf({ "d.npz": two }), { ...vector(2), main: "d.npz" }));
    expect(failure).toMatchObject({ code: "E5001", message: expect.stringContaining("x_train, x_test") });
  });
});

describe("IDX", () => {
  const images = idx([2, 1, 2], [1, 2, 3, 4]);
  const labels = idx([2], [7, 3]);

  it("finds the labels of a pair by name, gzipped or not", async () => {
    for (const pack of [(b: Uint8Array) => b, (b: Uint8Array) => gzipSync(b)]) {
      const files = filesOf({ "t10k-images-idx3-ubyte.gz": pack(images), "t10k-labels-idx1-ubyte.gz": pack(labels) });
      const options = { input: { shape: [1, 1, 2] } };
      for (const main of [undefined, "t10k-images-idx3-ubyte.gz"]) {
        const data = await openFiles(files, { ...options, ...(main && { main }) });
        expect(data.format).toBe("IDX");
        expect(labelsOf(data)).toEqual([7, 3]);
        expect(await sampleOf(data, 1)).toEqual([3, 4]);
      }
    }
  });

  it("does not take another set's labels, nor mix two sets", async () => {
    const alone = filesOf({ "t10k-images-idx3-ubyte": images, "train-labels-idx1-ubyte": labels });
    expect((await openFiles(alone, { input: { shape: [1, 1, 2] } })).label).toBeUndefined();
    const both = filesOf({ "t10k-images-idx3-ubyte": images, "train-images-idx3-ubyte": images });
    const failure = await failureOf(() => openFiles(both, { input: { shape: [1, 1, 2] } }));
    expect(failure).toMatchObject({ code: "E5001", message: expect.stringContaining("several sets") });
  });

  it("names truncated files", async () => {
    for (const bytes of [images.subarray(0, 17), images.subarray(0, 9), gzipSync(images.subarray(0, 17))]) {
      const files = filesOf({ "a-images": bytes });
      const failure = await failureOf(() => openFiles(files, { input: { shape: [1, 1, 2] }, main: "a-images" }));
      expect(failure).toMatchObject({ code: "E5002", message: expect.stringContaining("truncated") });
    }
  });
});

describe("CIFAR binary", () => {
  const record = (labels: number[], value: number) => [...labels, ...new Array<number>(3072).fill(value)];
  const input = { shape: [3, 32, 32] };

  it("recognises CIFAR-10 and CIFAR-100 by their records", async () => {
    const ten = await openFiles(
      filesOf({ "test_batch.bin": Uint8Array.from([...record([3], 5), ...record([9], 6)]) }),
      { input },
    );
    expect(ten).toMatchObject({ format: "CIFAR-10", length: 2 });
    expect(labelsOf(ten)).toEqual([3, 9]);
    expect(await sampleOf(ten, 1)).toEqual(new Array(3072).fill(6));
    const bytes = Uint8Array.from([...record([19, 99], 1), ...record([0, 42], 2)]);
    const hundred = await openFiles(filesOf({ "test.bin": bytes }), { input });
    expect(hundred.format).toBe("CIFAR-100");
    expect(labelsOf(hundred)).toEqual([99, 42]);
  });

  it("joins the training batches, but never with the test batch", async () => {
    const one = Uint8Array.from(record([1], 5));
    const train = filesOf({ "data_batch_1.bin": one, "data_batch_2.bin": Uint8Array.from(record([2], 5)) });
    expect(labelsOf(await openFiles(train, { input }))).toEqual([1, 2]);
    const all = [...train, ...filesOf({ "test_batch.bin": one })];
    expect((await failureOf(() => openFiles(all, { input }))).code).toBe("E5001");
  });

  it("names a record whose label is out of range", async () => {
    const bytes = Uint8Array.from([...Array.from({ length: 300 }, () => record([1], 0)).flat(), ...record([200], 0)]);
    const failure = await failureOf(() => openFiles(filesOf({ "a.bin": bytes }), { input, main: "a.bin" }));
    expect(failure).toMatchObject({ code: "E5004", file: "a.bin[300]" });
  });
});

describe("raw float32", () => {
  const bytes = new Uint8Array(Float32Array.from({ length: 12 }, (_, i) => i).buffer);
  const open = (content: Uint8Array, more: object = {}) =>
    openFiles(filesOf({ "clip.f32": content }), { ...vector(4), main: "clip.f32", ...more });

  it("cuts samples one after the other, or overlapping by a stride", async () => {
    const plain = await open(bytes);
    expect([plain.length, plain.format, await sampleOf(plain, 2)]).toEqual([3, "raw float32", [8, 9, 10, 11]]);
    const frames = await open(bytes, { stride: 2 });
    expect([frames.length, await sampleOf(frames, 1), await sampleOf(frames, 4)]).toEqual([
      5,
      [2, 3, 4, 5],
      [8, 9, 10, 11],
    ]);
  });

  it("refuses sizes that leave a rest", async () => {
    expect((await failureOf(() => open(bytes.subarray(0, 47)))).code).toBe("E5002");
    expect((await failureOf(() => open(bytes.subarray(0, 44)))).code).toBe("E5003");
    expect((await failureOf(() => open(bytes, { stride: 3 }))).code).toBe("E5003");
    expect((await failureOf(() => open(bytes, { stride: 0 }))).code).toBe("E2002");
    expect((await failureOf(() => open(new Uint8Array(0)))).code).toBe("E5002");
  });
});

describe("damage", () => {
  it("only ever gives typed errors, and small damage never more data than the file holds (property)", async () => {
    const good: Record<string, Uint8Array> = {
      "a.npy": npy("<f4", [2, 3], new Float32Array(6)),
      "b-images.idx": idx([2, 1, 3], [1, 2, 3, 4, 5, 6]),
      "c.npz": zipOf({ "x.npy": npy("|u1", [2, 3], new Uint8Array(6)), "y.npy": npy("|u1", [2], new Uint8Array(2)) }),
      "d.npy.gz": gzipSync(npy("<f8", [2, 3], new Float64Array(6))),
    };
    const damage = fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { minLength: 1, maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...Object.keys(good)), damage, async (name, edits) => {
        const bytes = good[name]!.slice();
        for (const [at, value] of edits) bytes[at % bytes.length] = value;
        try {
          const data = await openFiles(filesOf({ [name]: bytes }), { ...vector(3), main: name });
          expect(data.length).toBeLessThanOrEqual(bytes.length);
          for (let i = 0; i < Math.min(data.length, 3); i++) expect(await sampleOf(data, i)).toHaveLength(3);
        } catch (error) {
          expect(error).toBeInstanceOf(CompressionError);
        }
      }),
      { seed: 12, numRuns: 1500 },
    );
  });
});
