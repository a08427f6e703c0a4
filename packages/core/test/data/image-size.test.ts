import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { toGray } from "../../src/data/image.js";
import { declaredSize, decodedSize } from "../../src/data/image-size.js";
import { resizeBicubic } from "../../src/data/resize.js";
import { sharpDecoder } from "../../src/node.js";
import { failureOf } from "./helpers.js";

/** Grey values that differ from pixel to pixel, the same in blocks of `by` × `by`. */
function pixels(width: number, height: number, by = 1): Buffer {
  const data = Buffer.alloc(width * height);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) data[y * width + x] = (37 * Math.floor(x / by) + 11 * Math.floor(y / by)) % 251;
  return data;
}

const image = (width: number, height: number, by = 1) =>
  sharp(pixels(width, height, by), { raw: { width, height, channels: 1 }, limitInputPixels: false });

describe("declaredSize", () => {
  it.each([
    ["png", () => image(37, 21).png()],
    ["jpeg", () => image(37, 21).jpeg()],
    ["progressive jpeg with a profile", () => image(37, 21).withIccProfile("srgb").jpeg({ progressive: true })],
    ["gif", () => image(37, 21).gif()],
    ["webp", () => image(37, 21).webp()],
    ["lossless webp", () => image(37, 21).webp({ lossless: true })],
    ["webp with a profile", () => image(37, 21).withIccProfile("srgb").webp()],
  ])("reads the header of a %s", async (_, make) => {
    expect(declaredSize(await make().toBuffer())).toEqual({ width: 37, height: 21 });
  });

  it("says nothing of other files, however short", () => {
    for (const length of [0, 1, 29, 30, 100]) expect(declaredSize(new Uint8Array(length))).toBeUndefined();
  });
});

describe("decodedSize", () => {
  it("keeps what fits, and takes the smallest whole factor of what does not", () => {
    expect(decodedSize({ width: 8192, height: 4096 }, "a")).toEqual({ width: 8192, height: 4096 });
    expect(decodedSize({ width: 8193, height: 4096 }, "a")).toEqual({ width: 4097, height: 2048 });
    expect(decodedSize({ width: 16_000, height: 16_000 }, "a")).toEqual({ width: 5334, height: 5334 });
  });

  it("refuses more than can be decoded, with both numbers", () => {
    const details = expect.objectContaining({ actual: 3_600_000_000, expected: 268_402_689 });
    expect(() => decodedSize({ width: 60_000, height: 60_000 }, "a.png")).toThrow(
      expect.objectContaining({ code: "E6001", details }),
    );
    expect(() => decodedSize({ width: 28, height: 6_619_164 }, "a.png")).toThrow(
      expect.objectContaining({ code: "E6001", details: expect.objectContaining({ actual: 6_619_164 }) }),
    );
  });
});

describe("sharpDecoder", () => {
  it("reduces a large image, which then gives the same sample but for rounding", async () => {
    const [width, height] = [8400, 4200];
    const png = await image(width, height, 50).png({ compressionLevel: 1 }).toBuffer();
    const decoded = await sharpDecoder(sharp as never)(png, "large.png");
    expect(decoded).toMatchObject({ width: width / 2, height: height / 2 });
    const whole = { width, height, channels: 1, data: new Uint8Array(pixels(width, height, 50)) };
    const [expected, actual] = [whole, toGray(decoded)].map((one) => resizeBicubic(one, 224, 112).data);
    let worst = 0;
    for (let i = 0; i < expected!.length; i++) worst = Math.max(worst, Math.abs(actual![i]! - expected![i]!));
    expect(worst).toBeLessThanOrEqual(2);
  });

  it("refuses an image by what its header declares", async () => {
    const png = await image(3, 3).png().toBuffer();
    png.writeUInt32BE(60_000, 16);
    png.writeUInt32BE(60_000, 20);
    const failure = await failureOf(() => sharpDecoder(sharp as never)(png, "claim.png"));
    expect(failure).toMatchObject({ code: "E6001", file: "claim.png" });
  });
});
