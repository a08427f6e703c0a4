import { gzipSync as nativeGzip } from "node:zlib";
import fc from "fast-check";
import { gzipSync, strToU8 } from "fflate";
import { describe, expect, it } from "vitest";
import { memoryFile } from "../../src/data/data-file.js";
import { ARCHIVE_LIMITS, crc32, gunzipBounded } from "../../src/data/inflate.js";
import { openFiles } from "../../src/data/open-files.js";
import { openZip } from "../../src/data/zip.js";
import { CompressionError } from "../../src/errors.js";
import { failureOf, filesOf, flatImage, idsOf, idx, labelsOf, sampleOf, toyDecoder, zipOf } from "./helpers.js";

const input = { shape: [3, 2, 2] };
const openImages = (zip: Uint8Array) =>
  openFiles(filesOf({ "d.zip": zip }), { input, decode: toyDecoder, main: "d.zip" });
const open = (zip: Uint8Array) => openZip(memoryFile("d.zip", zip));

/** Overwrites a 32- or 16-bit field of the first central directory entry. */
function patched(zip: Uint8Array, offset: number, bytes: readonly number[]): Uint8Array {
  const copy = zip.slice();
  for (let at = 0; at < copy.length - 4; at++) {
    if (copy[at] === 0x50 && copy[at + 1] === 0x4b && copy[at + 2] === 1 && copy[at + 3] === 2) {
      copy.set(bytes, at + offset);
      return copy;
    }
  }
  throw new Error("no central directory");
}

describe("zip as a folder", () => {
  it.each([0, 6] as const)("holds class folders, wrapped or not (level %i)", async (level) => {
    for (const prefix of ["", "set/"]) {
      const zip = zipOf({ [`${prefix}dog/1.jpg`]: flatImage(9), [`${prefix}cat/1.jpg`]: flatImage(4) }, level);
      const data = await openImages(zip);
      expect([data.classNames, labelsOf(data)]).toEqual([
        ["cat", "dog"],
        [0, 1],
      ]);
      expect(await sampleOf(data, 1)).toEqual(new Array(12).fill(9));
    }
  });

  it("holds labels.csv with its files, flat images, and array files", async () => {
    const listed = await openImages(zipOf({ "x/labels.csv": "file,label\nb.jpg,3\n", "x/b.jpg": flatImage(2) }));
    expect([idsOf(listed), labelsOf(listed)]).toEqual([["x/b.jpg"], [3]]);
    expect((await openImages(zipOf({ "a.jpg": flatImage(2) }))).label).toBeUndefined();
    const mnist = zipOf({ "m/t-images.idx3": idx([2, 1, 1], [5, 6]), "m/t-labels.idx1": idx([2], [1, 0]) });
    const digits = await openFiles(filesOf({ "m.zip": mnist }), { input: { shape: [1, 1, 1] }, main: "m.zip" });
    expect([digits.format, labelsOf(digits), await sampleOf(digits, 1)]).toEqual(["IDX", [1, 0], [6]]);
  });

  it("gives back what was packed, whole and in part (property)", async () => {
    const bytes = fc.uint8Array({ maxLength: 3000 });
    await fc.assert(
      fc.asyncProperty(bytes, bytes, fc.constantFrom(0 as const, 6 as const), async (a, b, level) => {
        const files = await open(zipOf({ a, "f/b": b }, level));
        for (const [file, content] of [
          [files[0]!, a],
          [files[1]!, b],
        ] as const) {
          expect(await file.size()).toBe(content.length);
          expect([...(await file.read())]).toEqual([...content]);
          expect([...(await file.read(3, 20))]).toEqual([...content.subarray(3, 20)]);
        }
      }),
      { seed: 6, numRuns: 40 },
    );
  });
});

describe("unsafe archives", () => {
  it.each(["../evil.jpg", "/etc/evil.jpg", "a/../../evil.jpg", "..\\evil.jpg", "C:\\evil.jpg"])(
    "refuses the path %s",
    async (path) => {
      const failure = await failureOf(() => openImages(zipOf({ [path]: flatImage(1) })));
      expect(failure).toMatchObject({ code: "E5005", file: "d.zip" });
      expect(failure.message).toContain(path);
    },
  );

  it("refuses archives that unpack to far more than their size, before unpacking", async () => {
    // 2 MiB that claim to be 80: the claim is enough, nothing is unpacked.
    const claims80MiB = patched(zipOf({ "a.jpg": new Uint8Array(2 ** 21) }), 24, [0, 0, 0, 5]);
    const failure = await failureOf(() => openImages(claims80MiB));
    expect(failure).toMatchObject({ code: "E5005", message: expect.stringContaining("more than 100 times") });
    // Small files may shrink as they like: an all-white picture does.
    expect((await open(zipOf({ "a.jpg": new Uint8Array(2 ** 20) }))).length).toBe(1);
  });

  it("refuses more than the total and more than one entry may hold", async () => {
    const zip = zipOf({ "a.jpg": flatImage(1) });
    const total = await failureOf(() => openZip(memoryFile("d.zip", zip), { ...ARCHIVE_LIMITS, totalBytes: 10 }));
    expect(total).toMatchObject({ code: "E5005", message: expect.stringContaining("the limit is") });
    const entry = await failureOf(() => openZip(memoryFile("d.zip", zip), { ...ARCHIVE_LIMITS, entryBytes: 10 }));
    expect(entry).toMatchObject({ code: "E5005", file: "d.zip/a.jpg" });
  });

  it("notices an entry that unpacks to more or less than it declares", async () => {
    const zip = zipOf({ "a.jpg": new Uint8Array(1000).fill(7) });
    for (const [size, message] of [
      [[100, 0, 0, 0], /more than the 100 bytes/],
      [[255, 255, 0, 0], /1000 of the 65535 bytes/],
    ] as const) {
      const [file] = await open(patched(zip, 24, size));
      const failure = await failureOf(() => file!.read());
      expect(failure).toMatchObject({ code: "E5005", file: "d.zip/a.jpg" });
      expect(failure.message).toMatch(message);
    }
  });

  it("refuses encryption and unknown methods", async () => {
    const zip = zipOf({ "a.jpg": flatImage(1) });
    expect((await failureOf(() => open(patched(zip, 8, [1, 0])))).message).toMatch(/encrypted/);
    expect((await failureOf(() => open(patched(zip, 10, [12, 0])))).message).toMatch(/method 12/);
  });

  it("names damage: cut off, changed bytes, empty", async () => {
    const zip = zipOf({ "a.jpg": Uint8Array.from({ length: 500 }, (_, i) => i * i) }, 0);
    expect((await failureOf(() => open(zip.subarray(0, zip.length - 30)))).code).toBe("E5002");
    expect((await failureOf(() => open(zip.subarray(100)))).code).toBe("E5002");
    const changed = zip.slice();
    changed[100]! ^= 1;
    const [file] = await open(changed);
    expect((await failureOf(() => file!.read())).message).toMatch(/checksum/);
    expect(await failureOf(() => openImages(zipOf({})))).toMatchObject({ code: "E5001" });
  });

  it("survives any damage with typed errors (property)", async () => {
    const zip = zipOf({ "cat/a.jpg": flatImage(1), "dog/b.jpg": flatImage(2) });
    const edits = fc.array(fc.tuple(fc.nat(zip.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(edits, fc.nat(zip.length), async (changes, cut) => {
        const bytes = zip.slice(0, cut % 3 === 0 ? cut : zip.length);
        for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
        try {
          for (const file of await open(bytes)) await file.read();
        } catch (error) {
          expect(error).toBeInstanceOf(CompressionError);
        }
      }),
      { seed: 8, numRuns: 500 },
    );
  });
});

describe("gzip and checksums", () => {
  it("crc32 has the published check value", () => {
    expect(crc32(strToU8("123456789"))).toBe(0xcbf43926);
    expect(crc32(new Uint8Array(0))).toBe(0);
  });

  it("unpacks what was packed (property)", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200_000 }), (bytes) => {
        expect(Buffer.compare(gunzipBounded(gzipSync(bytes), "a.gz"), bytes)).toBe(0);
      }),
      { seed: 3, numRuns: 25 },
    );
  });

  it("unpacks several members, one after the other", () => {
    const joined = Buffer.concat([gzipSync(strToU8("one ")), gzipSync(strToU8("two"))]);
    expect(Buffer.from(gunzipBounded(joined, "a.gz")).toString()).toBe("one two");
  });

  it("stops at a limit, and names damage", async () => {
    const packed = nativeGzip(new Uint8Array(70 * 2 ** 20));
    expect(await failureOf(() => gunzipBounded(packed, "a.gz"))).toMatchObject({ code: "E5005", file: "a.gz" });
    const good = gzipSync(Uint8Array.from({ length: 5000 }, (_, i) => (i * i) % 251));
    for (const cut of [9, 40, good.length - 9, good.length - 1]) {
      expect((await failureOf(() => gunzipBounded(good.subarray(0, cut), "a.gz"))).code).toBe("E5002");
    }
    const wrongSum = good.slice();
    wrongSum[good.length - 6]! ^= 255;
    expect((await failureOf(() => gunzipBounded(wrongSum, "a.gz"))).message).toMatch(/checksum/);
  });
});
