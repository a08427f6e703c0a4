import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openDataset, sharpDecoder } from "../../src/node.js";
import { failureOf, idsOf, idx, labelsOf, npy, sampleOf, zipOf } from "./helpers.js";

let root = "";
const at = (...parts: string[]) => join(root, ...parts);
const decode = sharpDecoder(sharp);
const input = { shape: [3, 2, 2] };

async function png(value: number): Promise<Buffer> {
  const create = { width: 2, height: 2, channels: 3, background: { r: value, g: value, b: value } } as const;
  return sharp({ create }).png().toBuffer();
}

function put(path: string, content: Uint8Array | string): void {
  mkdirSync(dirname(at(path)), { recursive: true });
  writeFileSync(at(path), content);
}

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), "equant-data-"));
  for (const [name, value] of [
    ["dog/1", 30],
    ["dog/2", 31],
    ["cat/1", 20],
  ] as const)
    put(`sets/cal/${name}.png`, await png(value));
  put("sets/classes.csv", "index,name\n4,cat\n6,dog\n");
  put("sets/cal.zip", zipOf({ "cal/dog/1.png": await png(30), "cal/cat/1.png": await png(20) }));
  put("sets/listed/labels.csv", "file,label\nx.png,2\n");
  put("sets/listed/x.png", await png(9));
  put("truth.csv", "file,label\ndog/2.png,1\n");
  put("digits/images-idx3", idx([2, 1, 1], [5, 6]));
  put("digits/labels-idx1", idx([2], [1, 0]));
  put("plain/clip.f32", new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer));
  put("plain/x.npy", npy("<f4", [1, 2], Float32Array.of(8, 9)));
  mkdirSync(at("empty"));
  put("linked/a/1.png", await png(1));
  symlinkSync(at("linked"), at("linked/a/up"), "dir");
  symlinkSync(at("nowhere"), at("linked/a/broken.png"));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

describe("openDataset", () => {
  it("opens a folder; a class list beside it is used when it covers the classes", async () => {
    const data = await openDataset(at("sets/cal"), { input, decode });
    expect(idsOf(data)).toEqual(["cat/1.png", "dog/1.png", "dog/2.png"]);
    expect(labelsOf(data)).toEqual([4, 6, 6]);
    expect(await sampleOf(data, 2)).toEqual(new Array(12).fill(31));
  });

  it("opens a zip, a table, a single image, and one file of a pair", async () => {
    const zipped = await openDataset(at("sets/cal.zip"), { input, decode });
    expect([labelsOf(zipped), await sampleOf(zipped, 1)]).toEqual([[0, 1], new Array(12).fill(30)]);
    const table = await openDataset(at("sets/listed/labels.csv"), { input, decode });
    expect([table.format, labelsOf(table)]).toEqual(["labels.csv", [2]]);
    const single = await openDataset(at("sets/cal/dog/2.png"), { input, decode });
    expect(idsOf(single)).toEqual(["2.png"]);
    const digits = await openDataset(at("digits/images-idx3"), { input: { shape: [1, 1, 1] } });
    expect(labelsOf(digits)).toEqual([1, 0]);
  });

  it("takes labels from a path", async () => {
    const data = await openDataset(at("sets/cal"), { input, decode, labels: at("truth.csv") });
    expect([idsOf(data), labelsOf(data)]).toEqual([["dog/2.png"], [1]]);
    const missing = await failureOf(() => openDataset(at("sets/cal"), { input, decode, labels: at("gone.csv") }));
    expect(missing).toMatchObject({ code: "E5004", file: at("gone.csv") });
  });

  it("cuts bare floats by the input's shape", async () => {
    const data = await openDataset(at("plain/clip.f32"), { input: { shape: [2] }, stride: 1 });
    expect([data.length, await sampleOf(data, 2)]).toEqual([3, [3, 4]]);
  });

  it("gives marked random input only for the exact word", async () => {
    const data = await openDataset("random", { input, samples: 5, seed: 3, preprocess: { preset: "tf" } });
    expect(data).toMatchObject({ random: true, length: 5, format: "random" });
    expect(Math.min(...(await sampleOf(data, 0)))).toBeLessThan(0);
    expect(await sampleOf(await openDataset("random", { input, seed: 3, preprocess: { preset: "tf" } }), 4)).toEqual(
      await sampleOf(data, 4),
    );
    expect((await failureOf(() => openDataset("./random", { input }))).code).toBe("E5001");
  });

  it("follows links without going round in circles", async () => {
    const data = await openDataset(at("linked"), { input, decode, labels: "none" });
    expect(idsOf(data)[0]).toBe("a/1.png");
  });

  it("names what is not there, and what holds nothing", async () => {
    expect(await failureOf(() => openDataset(at("gone"), { input, decode }))).toMatchObject({
      code: "E5001",
      message: expect.stringContaining("does not exist"),
      file: at("gone"),
    });
    const empty = await failureOf(() => openDataset(at("empty"), { input, decode }));
    expect(empty).toMatchObject({ code: "E5001", file: at("empty"), message: expect.stringContaining("empty folder") });
    const mixed = await failureOf(() => openDataset(at("plain"), { input: { shape: [2] } }));
    expect(mixed.message).toMatch(/several sets \(clip.f32, x.npy\)/);
  });

  it("names a file that disappears between listing and reading", async () => {
    put("volatile/a.png", await png(1));
    const data = await openDataset(at("volatile"), { input, decode });
    rmSync(at("volatile/a.png"));
    expect(await failureOf(() => sampleOf(data, 0))).toMatchObject({ code: "E5002", file: "a.png" });
  });

  it("notices a file that was cut after it was opened", async () => {
    // 80 MB, more than is kept in memory; sparse, so it costs no disk.
    put("big/x.npy", npy("<f4", [20_000, 1000], new Float32Array(0)));
    truncateSync(at("big/x.npy"), 128 + 80_000_000);
    const data = await openDataset(at("big/x.npy"), { input: { shape: [1000] } });
    expect(data.length).toBe(20_000);
    expect((await sampleOf(data, 19_999)).every((x) => x === 0)).toBe(true);
    truncateSync(at("big/x.npy"), 5000);
    expect(await failureOf(() => sampleOf(data, 19_999))).toMatchObject({
      code: "E5002",
      message: expect.stringContaining("truncated"),
    });
  });
});
