import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { resizeBicubic } from "../../src/data/resize.js";

interface Case {
  channels: number;
  from: [number, number];
  to: [number, number];
  input: string;
  output: string;
}

const fixture = new URL("../../../../fixtures/data/pillow-resize.json", import.meta.url);
const { cases } = JSON.parse(readFileSync(fixture, "utf8")) as { cases: Case[] };

describe("resizeBicubic", () => {
  it.each(cases.map((c) => [`${c.channels} channels ${c.from.join("x")} to ${c.to.join("x")}`, c] as const))(
    "equals Pillow on random pixels: %s",
    (_, { channels, from, to, input, output }) => {
      const data = new Uint8Array(Buffer.from(input, "base64"));
      const resized = resizeBicubic({ width: from[0], height: from[1], channels, data }, to[0], to[1]);
      const expected = Buffer.from(output, "base64");
      expect(resized).toMatchObject({ width: to[0], height: to[1], channels });
      expect(resized.data.length).toBe(expected.length);
      // Measured: no pixel differs. The contract is one grey level.
      const worst = resized.data.reduce((max, value, i) => Math.max(max, Math.abs(value - expected[i]!)), 0);
      expect(worst).toBe(0);
    },
  );

  it("keeps an image of one grey exactly, whatever the sizes", () => {
    const data = new Uint8Array(7 * 5 * 3).fill(93);
    for (const [width, height] of [
      [3, 2],
      [20, 31],
      [7, 40],
      [1, 1],
    ] as const) {
      const resized = resizeBicubic({ width: 7, height: 5, channels: 3, data }, width, height);
      expect(new Set(resized.data)).toEqual(new Set([93]));
    }
  });

  it("mirrors with its input", () => {
    const data = Uint8Array.from({ length: 12 }, (_, i) => (i * 89) % 256);
    const forward = resizeBicubic({ width: 12, height: 1, channels: 1, data }, 5, 1).data;
    const backward = resizeBicubic({ width: 12, height: 1, channels: 1, data: data.slice().reverse() }, 5, 1).data;
    expect([...backward].reverse()).toEqual([...forward]);
  });

  it("leaves the input untouched and returns the same pixels at the same size", () => {
    const data = Uint8Array.from({ length: 27 }, (_, i) => i * 9);
    const resized = resizeBicubic({ width: 3, height: 3, channels: 3, data }, 3, 3);
    expect([...resized.data]).toEqual(Array.from({ length: 27 }, (_, i) => i * 9));
  });
});
