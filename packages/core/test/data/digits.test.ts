import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import fc from "fast-check";
import * as ort from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import { DIGIT_SPLIT, digitDataset, digitImage } from "../../src/data/digits.js";
import { DIGIT_GLYPHS } from "../../src/data/digits-glyphs.js";
import { drawStroke } from "../../src/data/digits-raster.js";
import { parseModel } from "../../src/graph/index.js";
import { createRunner } from "../../src/runtime/index.js";

const MODEL = new URL("../../../cli/assets/digits.onnx", import.meta.url);

function hash(...images: Uint8Array[]): string {
  const sha = createHash("sha256");
  for (const image of images) sha.update(image);
  return sha.digest("hex");
}

describe("digitImage", () => {
  it("draws 10,000 distinct readable images", () => {
    const seen = new Set<string>();
    for (let index = 0; index < 10_000; index++) {
      const image = digitImage(index, 0);
      seen.add(hash(image));
      // A digit is there: neither an empty nor a flooded image. The thinnest short 1 inks about 15 pixels.
      const ink = image.reduce((count, value) => count + (value > 90 ? 1 : 0), 0);
      if (ink < 12 || ink > 400) expect.fail(`image ${index} has ${ink} pixels of ink`);
    }
    expect(seen.size).toBe(10_000);
  });

  it("keeps its bytes: golden hash of the first 100 images", () => {
    const images = Array.from({ length: 100 }, (_, index) => digitImage(index, 0));
    expect(images.every((image) => image.length === 784)).toBe(true);
    expect(hash(...images)).toBe("72e8e44b219530af2372ebd1ef2e6180315cf2e7505d27562ef78550fb3d50b7");
  });

  it("depends on seed and index only, not on what was drawn before", () => {
    fc.assert(
      fc.property(fc.nat(2 ** 32 - 1), fc.nat(2 ** 32 - 1), (index, seed) => {
        const image = digitImage(index, seed);
        digitImage((index ^ 1) >>> 0, seed);
        expect(digitImage(index, seed)).toEqual(image);
      }),
      { seed: 4, numRuns: 50 },
    );
    expect(digitImage(7, 1)).not.toEqual(digitImage(7, 2));
  });

  it("uses the range of a byte", () => {
    let [min, max] = [255, 0];
    for (let index = 0; index < 500; index++) {
      for (const value of digitImage(index, 3)) [min, max] = [Math.min(min, value), Math.max(max, value)];
    }
    expect([min, max]).toEqual([0, 255]);
  });

  it.each([
    [-1, 0],
    [0.5, 0],
    [Number.NaN, 0],
    [0, -1],
    [0, 2 ** 32],
  ])("rejects index %s of seed %s", (index, seed) => {
    expect(() => digitImage(index, seed)).toThrow(/^digits: invalid (index|seed) .+, expected an integer from 0 to/);
  });
});

describe("digitDataset", () => {
  it("is balanced in every prefix and shows the label of its index", () => {
    const data = digitDataset({ count: 1003, seed: 5, offset: 17 });
    const counts = new Array<number>(10).fill(0);
    for (let i = 0; i < data.length; i++) {
      const label = data.label!(i);
      expect(label).toBe((17 + i) % 10);
      counts[label]!++;
      expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
    }
    expect(data.classNames).toEqual(["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
    expect(data.shape).toEqual([1, 28, 28]);
    expect(data.random).toBeUndefined();
    expect(new Set(Array.from({ length: 1003 }, (_, i) => data.id(i))).size).toBe(1003);
  });

  it("fills pixel / 255 as float32 at the offset and nothing else", async () => {
    const data = digitDataset({ count: 20, seed: 9, offset: 40 });
    const out = new Float32Array(3 * 784).fill(-1);
    await data.fill(12, out, 784);
    const image = digitImage(52, 9);
    expect(out.subarray(784, 1568)).toEqual(Float32Array.from(image, (value) => value / 255));
    expect(out.subarray(0, 784).every((value) => value === -1)).toBe(true);
    expect(out.subarray(1568).every((value) => value === -1)).toBe(true);
  });

  it("splits 75 to 25 in every class, without overlap", () => {
    const { train, heldOut } = DIGIT_SPLIT;
    expect(heldOut.offset).toBe(train.offset + train.count);
    expect(heldOut.seed).toBe(train.seed);
    for (const [part, each] of [
      [train, 750],
      [heldOut, 250],
    ] as const) {
      const data = digitDataset(part);
      const counts = new Array<number>(10).fill(0);
      for (let i = 0; i < data.length; i++) counts[data.label!(i)]!++;
      expect(counts).toEqual(new Array(10).fill(each));
    }
  });

  it.each([
    { count: 0, seed: 0 },
    { count: 2.5, seed: 0 },
    { count: 10, seed: -3 },
    { count: 10, seed: 0, offset: -1 },
    { count: 10, seed: 0, offset: 2 ** 32 - 9 },
  ])("rejects %o", (options) => {
    expect(() => digitDataset(options)).toThrow(expect.objectContaining({ code: "E2002", name: "OptionsError" }));
  });

  it("rejects an unknown option", () => {
    expect(() => digitDataset({ count: 1, seed: 0, offest: 3 } as never)).toThrow(
      expect.objectContaining({ code: "E2001" }),
    );
  });
});

describe("glyphs", () => {
  it("offers several forms of every digit, all inside the box", () => {
    expect(DIGIT_GLYPHS).toHaveLength(10);
    for (const forms of DIGIT_GLYPHS) {
      expect(forms.length).toBeGreaterThanOrEqual(5);
      for (const stroke of forms.flat()) {
        expect(stroke.length).toBeGreaterThanOrEqual(2);
        for (const { x, y } of stroke) {
          expect(x).toBeGreaterThanOrEqual(0);
          expect(x).toBeLessThanOrEqual(64);
          expect(y).toBeGreaterThanOrEqual(0);
          expect(y).toBeLessThanOrEqual(100);
        }
      }
    }
  });
});

describe("drawStroke", () => {
  it("covers pixels by their distance to a straight stroke", () => {
    const coordinate = fc.double({ min: -4, max: 32, noNaN: true });
    fc.assert(
      fc.property(
        fc.tuple(coordinate, coordinate, coordinate, coordinate),
        fc.double({ min: 0.5, max: 3, noNaN: true }),
        ([x0, y0, x1, y1], radius) => {
          const cover = new Float64Array(784);
          const end = (x: number, y: number) => ({ x, y, radius, corner: false });
          drawStroke([end(x0, y0), end(x1, y1)], cover, 28);
          for (let at = 0; at < 784; at++) {
            const [px, py] = [(at % 28) + 0.5, Math.floor(at / 28) + 0.5];
            const length = Math.hypot(x1 - x0, y1 - y0);
            const along = ((px - x0) * (x1 - x0) + (py - y0) * (y1 - y0)) / (length * length || 1);
            const t = Math.min(1, Math.max(0, along));
            const distance = Math.hypot(px - x0 - t * (x1 - x0), py - y0 - t * (y1 - y0));
            const exact = Math.min(1, Math.max(0, 0.5 + radius - distance));
            // (r² − d²) / 2r against r − d differs by (r − d)² / 2r, and by at most 1 / 8r once clamped.
            expect(Math.abs(cover[at]! - exact)).toBeLessThanOrEqual(0.125 / radius + 1e-9);
          }
        },
      ),
      { seed: 4, numRuns: 20 },
    );
  });

  it("passes through its points and turns sharply at corners", () => {
    const point = (x: number, y: number, corner = false) => ({ x, y, radius: 0.8, corner });
    const smooth = new Float64Array(784);
    const sharp = new Float64Array(784);
    drawStroke([point(4.5, 24.5), point(4.5, 4.5), point(24.5, 4.5)], smooth, 28);
    drawStroke([point(4.5, 24.5), point(4.5, 4.5, true), point(24.5, 4.5)], sharp, 28);
    for (const cover of [smooth, sharp]) {
      for (const at of [24 * 28 + 4, 4 * 28 + 4, 4 * 28 + 24]) expect(cover[at]).toBeCloseTo(0.9, 6);
    }
    // A sharp turn stays on the two straight lines; a smooth one swings beyond the point.
    expect(sharp[3 * 28 + 8]).toBeLessThan(smooth[3 * 28 + 8]!);
    expect(sharp[4 * 28 + 14]).toBeCloseTo(0.9, 6);
  });
});

describe("digits.onnx", () => {
  it("is the network of MathWorks' pruning page, small enough to ship", async () => {
    const bytes = await readFile(MODEL);
    expect(bytes.length).toBeLessThanOrEqual(120_000);
    const model = parseModel(bytes);
    expect([...model.graph.initializers.values()].map((tensor) => tensor.dims.reduce((a, b) => a * b, 1))).toEqual([
      72, 8, 1152, 16, 4608, 32, 15680, 10,
    ]);
    expect(model.graph.nodes.map((node) => node.name)).toEqual(
      "conv_1 relu_1 maxpool_1 conv_2 relu_2 maxpool_2 conv_3 relu_3 flatten fc".split(" "),
    );
    expect(model.graph.inputs).toEqual([{ name: "input", dtype: "float32", shape: ["N", 1, 28, 28] }]);
    expect(model.graph.outputs).toEqual([{ name: "logits", dtype: "float32", shape: ["N", 10] }]);
    expect([model.producerName, model.opsets.get("")]).toEqual(["equant", 17]);
  });

  it.each([
    ["held-out images", DIGIT_SPLIT.heldOut],
    ["another seed", { count: 2500, seed: 77, offset: 0 }],
  ])("recognises %s, but not all", async (_, options) => {
    const data = digitDataset(options);
    const input = new Float32Array(data.length * 784);
    for (let i = 0; i < data.length; i++) await data.fill(i, input, i * 784);
    const runner = createRunner(ort, { threads: 1 });
    const logits = await runner.using(await readFile(MODEL), async (session) => {
      const { logits } = await session.run({
        input: { dtype: "float32", dims: [data.length, ...data.shape], data: input },
      });
      return logits!.data as Float32Array;
    });
    let correct = 0;
    for (let i = 0; i < data.length; i++) {
      const row = logits.subarray(i * 10, i * 10 + 10);
      if (row.indexOf(Math.max(...row)) === data.label!(i)) correct++;
    }
    expect(correct / data.length).toBeGreaterThanOrEqual(0.985);
    // A network without mistakes would hide what compression does to it.
    expect(correct).toBeLessThan(data.length);
  });
});
