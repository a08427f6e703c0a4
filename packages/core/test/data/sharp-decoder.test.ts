import { readFileSync } from "node:fs";
import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { sharpDecoder } from "../../src/node.js";
import { failureOf } from "./helpers.js";

const fixture = new URL("../../../../fixtures/data/pillow-decode.json", import.meta.url);
const { cases } = JSON.parse(readFileSync(fixture, "utf8")) as {
  cases: { file: string; bytes: string; rgb: string }[];
};
const decode = sharpDecoder(sharp);
const bytesOf = (name: string) => Buffer.from(cases.find((c) => c.file === name)!.bytes, "base64");

describe("sharpDecoder", () => {
  it.each(cases.map((c) => [c.file, c] as const))("reads what Pillow's convert('RGB') reads: %s", async (file, c) => {
    const image = await decode(Buffer.from(c.bytes, "base64"), file);
    const expected = Buffer.from(c.rgb, "base64");
    expect(image).toMatchObject({ width: 16, height: 12, channels: 3 });
    expect(Buffer.from(image.data).equals(expected)).toBe(true);
  });

  it("reads colour as stored, whatever profile is embedded", async () => {
    const pixels = Buffer.from(bytesOf("rgb.png"));
    const tagged = await sharp(pixels).withIccProfile("p3").png().toBuffer();
    const untagged = await sharp(tagged).raw().toBuffer();
    const image = await decode(tagged, "p3.png");
    const plain = await sharp(tagged, { ignoreIcc: true }).raw().toBuffer();
    expect(Buffer.from(image.data).equals(plain)).toBe(true);
    // The profile would have mattered: this test can fail.
    expect(plain.equals(untagged)).toBe(false);
  });

  it("keeps the high byte of 16-bit grey", async () => {
    const raw = Uint16Array.of(0, 255, 256, 0x1234, 0xff00, 0xffff);
    const png = await sharp(raw, { raw: { width: 6, height: 1, channels: 1 } })
      .toColourspace("grey16")
      .png()
      .toBuffer();
    const image = await decode(png, "deep.png");
    expect([...image.data].filter((_, i) => i % image.channels === 0)).toEqual([0, 0, 1, 0x12, 0xff, 0xff]);
  });

  it.each(["rgb.jpg", "progressive.jpg", "rgb.png", "lossless.webp"])("names a truncated %s", async (name) => {
    const bytes = bytesOf(name);
    for (const share of [0.3, 0.6, 0.85]) {
      const failure = await failureOf(() => decode(bytes.subarray(0, Math.floor(bytes.length * share)), `cat/${name}`));
      expect(failure).toMatchObject({ code: "E5002", file: `cat/${name}` });
      expect(failure.message).not.toContain("\n");
    }
  });

  it("names what is no image at all", async () => {
    for (const bytes of [new Uint8Array(0), Buffer.from("hello, this is text")]) {
      const failure = await failureOf(() => decode(bytes, "notes.jpg"));
      expect(failure).toMatchObject({ code: "E5002", file: "notes.jpg", hint: expect.stringContaining("PNG or JPEG") });
    }
  });
});
