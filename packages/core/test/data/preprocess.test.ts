import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { DecodedImage } from "../../src/data/image.js";
import { toGray, toRgb } from "../../src/data/image.js";
import { createPreprocessor, type ImageTarget, PRESETS } from "../../src/data/preprocess.js";
import { resizeBicubic } from "../../src/data/resize.js";
import { failureOf } from "./helpers.js";

const target = (channels: number, height: number, width: number, layout: "NCHW" | "NHWC" = "NCHW"): ImageTarget => ({
  channels,
  height,
  width,
  layout,
});

/** Pixels that are all different: value = 1 + position (mod 256). */
function ramp(width: number, height: number, channels: number): DecodedImage {
  return { width, height, channels, data: Uint8Array.from({ length: width * height * channels }, (_, i) => i + 1) };
}

describe("layout and colours", () => {
  const image: DecodedImage = { width: 2, height: 1, channels: 3, data: Uint8Array.of(10, 20, 30, 40, 50, 60) };

  it("NCHW has a plane a channel, NHWC interleaves", () => {
    expect([...createPreprocessor({}, target(3, 1, 2))(image)]).toEqual([10, 40, 20, 50, 30, 60]);
    expect([...createPreprocessor({}, target(3, 1, 2, "NHWC"))(image)]).toEqual([10, 20, 30, 40, 50, 60]);
  });

  it("BGR swaps, gray weighs as ITU-R 601 and may fill three channels", () => {
    expect([...createPreprocessor({ colorOrder: "BGR" }, target(3, 1, 2, "NHWC"))(image)]).toEqual([
      30, 20, 10, 60, 50, 40,
    ]);
    // 0.299·10 + 0.587·20 + 0.114·30 = 18.15; 48.15
    expect([...createPreprocessor({}, target(1, 1, 2))(image)]).toEqual([18, 48]);
    expect([...createPreprocessor({ colorOrder: "gray" }, target(3, 1, 2))(image)]).toEqual([18, 48, 18, 48, 18, 48]);
  });

  it("grey images become RGB by repetition, alpha is dropped", () => {
    const gray: DecodedImage = { width: 2, height: 1, channels: 1, data: Uint8Array.of(7, 9) };
    expect([...createPreprocessor({}, target(3, 1, 2, "NHWC"))(gray)]).toEqual([7, 7, 7, 9, 9, 9]);
    const rgba: DecodedImage = { width: 1, height: 1, channels: 4, data: Uint8Array.of(1, 2, 3, 0) };
    expect([...toRgb(rgba).data]).toEqual([1, 2, 3]);
    expect([...toGray({ width: 1, height: 1, channels: 4, data: Uint8Array.of(255, 255, 255, 0) }).data]).toEqual([
      255,
    ]);
  });

  it("keeps equal red, green and blue as that grey", () => {
    const data = Uint8Array.from({ length: 768 }, (_, i) => Math.floor(i / 3));
    expect([...toGray({ width: 256, height: 1, channels: 3, data }).data]).toEqual(
      Array.from({ length: 256 }, (_, i) => i),
    );
  });

  it("writes into a given array at an offset and nowhere else", () => {
    const out = new Float32Array(10).fill(-1);
    createPreprocessor({}, target(3, 1, 2))(image, "a.png", out, 3);
    expect([...out]).toEqual([-1, -1, -1, 10, 40, 20, 50, 30, 60, -1]);
  });
});

describe("scaling", () => {
  it("computes (x − mean) / std of every preset in float32", () => {
    const image = ramp(16, 16, 3);
    for (const [preset, { mean, std }] of Object.entries(PRESETS)) {
      const out = createPreprocessor({ preset: preset as keyof typeof PRESETS }, target(3, 16, 16, "NHWC"))(image);
      const expected = Array.from(image.data, (x, i) =>
        Math.fround((x - (mean[i % 3] ?? mean[0])) / (std[i % 3] ?? std[0])),
      );
      expect([...out]).toEqual(expected);
    }
  });

  it("presets mean what their names say", () => {
    const ends: DecodedImage = { width: 2, height: 1, channels: 1, data: Uint8Array.of(0, 255) };
    const run = (preset: keyof typeof PRESETS) => [...createPreprocessor({ preset }, target(1, 1, 2))(ends)];
    expect(run("tf")).toEqual([-1, 1]);
    expect(run("zero-one")).toEqual([0, 1]);
    expect(run("raw")).toEqual([0, 255]);
    // torchvision: (1 − 0.485) / 0.229 and (0 − 0.485) / 0.229 in red.
    const imagenet = createPreprocessor({ preset: "imagenet" }, target(3, 1, 2))(ends);
    expect(imagenet[0]).toBeCloseTo(-0.485 / 0.229, 5);
    expect(imagenet[1]).toBeCloseTo((1 - 0.485) / 0.229, 5);
    expect(imagenet[5]).toBeCloseTo((1 - 0.406) / 0.225, 5);
  });

  it("explicit numbers replace the preset's, and follow the model's channel order", () => {
    const image: DecodedImage = { width: 1, height: 1, channels: 3, data: Uint8Array.of(10, 20, 30) };
    const run = (options: Parameters<typeof createPreprocessor>[0]) => [
      ...createPreprocessor(options, target(3, 1, 1))(image),
    ];
    expect(run({ preset: "tf", mean: 0 })).toEqual([10, 20, 30].map((x) => Math.fround(x / 127.5)));
    expect(run({ mean: [1, 2, 3], std: [1, 2, 4] })).toEqual([9, 9, 6.75]);
    // Blue is the first channel, so the first mean is blue's.
    expect(run({ mean: [30, 20, 10], colorOrder: "BGR" })).toEqual([0, 0, 0]);
    // Presets belong to colours: blue comes first and keeps blue's statistics.
    expect(run({ preset: "imagenet", colorOrder: "BGR" })[0]).toBe(Math.fround((30 - 103.53) / 57.375));
  });
});

describe("sizes", () => {
  it("scales exactly to the input when nothing is said", () => {
    const image = ramp(5, 7, 3);
    const out = createPreprocessor({}, target(3, 4, 6, "NHWC"))(image);
    expect([...out]).toEqual([...resizeBicubic(image, 6, 4).data]);
  });

  it("resize N scales the shorter side, the longer is rounded down, then the crop is central", () => {
    for (const [width, height] of [
      [9, 5],
      [5, 9],
    ] as const) {
      const image = ramp(width, height, 1);
      const out = createPreprocessor({ resize: 4, crop: 4 }, target(1, 4, 4))(image);
      // 4·9/5 = 7.2 → 7; (7 − 4) / 2 = 1.5 → 2 (half to even)
      const wide = width > height;
      const scaled = resizeBicubic(image, wide ? 7 : 4, wide ? 4 : 7);
      const expected = Array.from({ length: 16 }, (_, i) => {
        const [x, y] = [i % 4, Math.floor(i / 4)];
        return scaled.data[wide ? y * 7 + x + 2 : (y + 2) * 4 + x];
      });
      expect([...out]).toEqual(expected);
    }
  });

  it("crops without resizing when only a crop is given", () => {
    const image = ramp(6, 5, 1);
    // left (6 − 3) / 2 = 1.5 → 2, top 1
    const out = createPreprocessor({ crop: 3 }, target(1, 3, 3))(image);
    expect([...out]).toEqual([9, 10, 11, 15, 16, 17, 21, 22, 23]);
    // (8 − 3) / 2 = 2.5 → 2, the even neighbour
    expect(createPreprocessor({ crop: 3 }, target(1, 3, 3))(ramp(8, 3, 1))[0]).toBe(3);
  });

  it("resize [height, width] is exact", () => {
    const image = ramp(9, 4, 1);
    expect([...createPreprocessor({ resize: [2, 3] }, target(1, 2, 3))(image)]).toEqual([
      ...resizeBicubic(image, 3, 2).data,
    ]);
  });

  it("always fills the target with finite numbers in range (property)", () => {
    const size = fc.integer({ min: 1, max: 12 });
    fc.assert(
      fc.property(size, size, size, size, fc.constantFrom(1, 3), fc.constantFrom(1, 3, 4), (w, h, W, H, to, from) => {
        const out = createPreprocessor({ preset: "zero-one" }, target(to, H, W))(ramp(w, h, from));
        return out.length === to * H * W && out.every((x) => x >= 0 && x <= 1);
      }),
      { seed: 4, numRuns: 200 },
    );
  });
});

describe("errors", () => {
  const make = (options: object, to = target(3, 4, 4)) => failureOf(() => createPreprocessor(options, to));

  it.each([
    [{ preset: "imagnet" }, "E2004", /'imagnet' is not one of imagenet, tf, zero-one, raw/],
    [{ presets: "tf" }, "E2001", /unknown option "presets"/],
    [{ std: 0 }, "E2002", /invalid std 0, expected numbers above 0/],
    [{ std: [1, -1, 1] }, "E2002", /invalid std -1/],
    [{ mean: Number.POSITIVE_INFINITY }, "E2002", /invalid mean/],
    [{ mean: "12" }, "E2002", /invalid mean "12"/],
    [{ std: null }, "E2002", /invalid std null/],
    [{ resize: null }, "E2002", /invalid resize null/],
    [{ mean: [1, 2] }, "E2002", /2 values of mean for an input of 3/],
    [{ mean: [] }, "E2002", /0 values of mean/],
    [{ resize: 0 }, "E2002", /invalid resize 0/],
    [{ resize: 2.5 }, "E2002", /invalid resize 2.5/],
    [{ crop: [4, 5, 6] }, "E2002", /invalid crop/],
    [{ crop: 3 }, "E2002", /crop 3x3 is not the model's input size 4x4/],
    [{ colorOrder: "GBR" }, "E2004", /'GBR' is not one of RGB, BGR, gray/],
  ])("option %j", async (options, code, message) => {
    const failure = await make(options);
    expect(failure.code).toBe(code);
    expect(failure.message).toMatch(message);
  });

  it("grey inputs refuse colour statistics and colour orders", async () => {
    expect((await make({ preset: "imagenet" }, target(1, 4, 4))).message).toMatch(/the input is grey/);
    expect((await make({ colorOrder: "BGR" }, target(1, 4, 4))).message).toMatch(/needs 3 channels/);
    expect((await make({ preset: "imagenet", colorOrder: "gray" })).code).toBe("E2002");
  });

  it("an input that is no image is named with a way out", async () => {
    const failure = await make({}, target(4, 4, 4));
    expect(failure).toMatchObject({ code: "E5003", hint: expect.stringContaining(".npy") });
  });

  it("an image that does not come out right names the file and the fix", async () => {
    const small = await failureOf(() => createPreprocessor({ crop: 4 }, target(3, 4, 4))(ramp(3, 9, 3), "cat/1.jpg"));
    expect(small).toMatchObject({ code: "E5003", file: "cat/1.jpg", hint: expect.stringContaining("--resize 4") });
    const uncropped = await failureOf(() => createPreprocessor({ resize: 4 }, target(3, 4, 4))(ramp(3, 9, 3), "a.png"));
    expect(uncropped).toMatchObject({ code: "E5003", hint: expect.stringContaining("--crop 4") });
    const twoChannels = await failureOf(() => createPreprocessor({}, target(3, 4, 4))(ramp(4, 4, 2), "a.png"));
    expect(twoChannels).toMatchObject({ code: "E5003", file: "a.png" });
    const short = { width: 4, height: 4, channels: 3, data: new Uint8Array(47) };
    expect((await failureOf(() => createPreprocessor({}, target(3, 4, 4))(short, "a.png"))).code).toBe("E5002");
  });
});
