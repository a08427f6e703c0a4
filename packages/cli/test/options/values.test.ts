import { nearest } from "@equant/core/errors";
import fc from "fast-check";
import { expect, test } from "vitest";
import { matchNames } from "../../src/options/match.js";
import {
  parseBytes,
  parseInteger,
  parseNumber,
  parseNumbers,
  parsePp,
  parseShare,
  parseSize,
} from "../../src/options/values.js";
import {
  formatBytes,
  formatChange,
  formatCount,
  formatDb,
  formatMs,
  formatPercent,
  formatPp,
} from "../../src/text/format.js";
import { renderTable } from "../../src/text/table.js";

test.each([
  ["1pp", 0.01],
  ["1.5 pp", 0.015],
  [".5PP", 0.005],
  ["0pp", 0],
])("percentage points %s", (text, value) => {
  expect(parsePp("--max-drop", text)).toBeCloseTo(value, 15);
});

test.each(["1", "1%", "", "-1pp", "pp", "1ppp", "101pp", 1, null])("%j is not percentage points", (value) => {
  expect(() => parsePp("--max-drop", value)).toThrow(expect.objectContaining({ code: "E2002" }));
});

test("a bare number gets the unit as hint", () => {
  expect(() => parsePp("gates.maxDrop", 1)).toThrow(expect.objectContaining({ hint: "did you mean '1pp'?" }));
  expect(() => parseShare("--min-accuracy", "83")).toThrow(expect.objectContaining({ hint: "did you mean '83%'?" }));
});

test.each([
  ["4MB", 4_000_000],
  ["3.61 mb", 3_610_000],
  ["512kB", 512_000],
  ["1MiB", 1_048_576],
  ["2GiB", 2 * 1024 ** 3],
  ["123", 123],
  [123, 123],
  ["0B", 0],
])("size %s", (text, bytes) => {
  expect(parseBytes("--max-size", text)).toBe(bytes);
});

test.each(["4XB", "MB", "-4MB", "4 M B", "", 1.5, -1, null])("%j is not a size", (value) => {
  expect(() => parseBytes("--max-size", value)).toThrow(expect.objectContaining({ code: "E2002" }));
});

test("what is printed as a size is read back within its rounding", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 10 ** 12 }), (bytes) => {
      const back = parseBytes("x", formatBytes(bytes));
      expect(Math.abs(back - bytes)).toBeLessThanOrEqual(Math.max(0, bytes * 0.0051));
    }),
    { seed: 7 },
  );
});

test("shares, sizes in pixels, numbers, integers", () => {
  expect([parseShare("x", "83%"), parseShare("x", "0.83"), parseShare("x", "1"), parseShare("x", "100 %")]).toEqual([
    0.83, 0.83, 1, 1,
  ]);
  expect([parseSize("x", "224"), parseSize("x", "224x320")]).toEqual([224, [224, 320]]);
  expect(parseNumbers("x", "123.68,-1,1e-3")).toEqual([123.68, -1, 0.001]);
  expect(parseInteger("x", "-3")).toBe(-3);
  for (const text of ["0", "0x10", "224x", "-1", "1.5", ""])
    expect(() => parseSize("x", text), text).toThrow(/a size in pixels/);
  for (const text of ["1.5", "1e3", "", "0x10", "NaN"])
    expect(() => parseInteger("x", text), text).toThrow(/an integer/);
  for (const text of ["", "1,", "NaN", "Infinity", "0x1", "1 2"])
    expect(() => parseNumbers("x", text), text).toThrow(/a number/);
  expect(() => parseNumber("x", "3", { max: 2 })).toThrow("x: '3' is not a number <= 2");
  expect(() => parseNumber("x", "1", { min: 2 })).toThrow("x: '1' is not a number >= 2");
});

test("numbers for people", () => {
  expect([0, 999, 1000, 13_980_000, 999_994_999, 999_999_999].map(formatBytes)).toEqual([
    "0 B",
    "999 B",
    "1.00 kB",
    "13.98 MB",
    "999.99 MB",
    "1.00 GB",
  ]);
  expect([512, 2_190_000, 300_000_000].map(formatCount)).toEqual(["512", "2.19 k".replace("k", "M"), "300.00 M"]);
  expect([0.04, 9.94, 9.96, 38, 999.4, 999.6, 12_100, 119_949, 119_951, 3_725_000].map(formatMs)).toEqual([
    "0.0 ms",
    "9.9 ms",
    "10 ms",
    "38 ms",
    "999 ms",
    "1.0 s",
    "12.1 s",
    "119.9 s",
    "2 min 0 s",
    "1 h 2 min",
  ]);
  expect([formatPercent(0.8592), formatPercent(1), formatPp(-0.0948), formatPp(0.002), formatPp(-0.00001)]).toEqual([
    "85.92 %",
    "100.00 %",
    "−9.48 pp",
    "+0.20 pp",
    "0.00 pp",
  ]);
  expect([formatChange(13.98, 3.61), formatDb(18.44), formatDb(-3), formatDb(Infinity)]).toEqual([
    "−74.2 %",
    "18.4 dB",
    "−3.0 dB",
    "exact",
  ]);
});

const COLUMNS = [
  { title: "op", cell: (row: [string, number, string]) => row[0] },
  { title: "count", cell: (row: [string, number, string]) => row[1] },
  { title: "share", cell: (row: [string, number, string]) => row[2] },
];
const ROWS: [string, number, string][] = [
  ["Conv", 35, "85.92 %"],
  ["Gemm|x", 1, "−"],
];

test("tables: numbers to the right, Markdown and CSV escape", () => {
  expect(renderTable(COLUMNS, ROWS)).toBe(
    "  op      count    share\n  Conv       35  85.92 %\n  Gemm|x      1        −\n",
  );
  expect(renderTable(COLUMNS, ROWS, "md")).toBe(
    "| op | count | share |\n|---|---:|---:|\n| Conv | 35 | 85.92 % |\n| Gemm\\|x | 1 | − |\n",
  );
  const tricky: [string, number, string][] = [['a "b", c', 1, "x\ny"]];
  expect(renderTable(COLUMNS, tricky, "csv")).toBe('op,count,share\n"a ""b"", c",1,"x\ny"\n');
  expect(renderTable(COLUMNS, [])).toBe("  op  count  share\n");
});

test("tables line up with wide characters", () => {
  const lines = renderTable(
    [
      { title: "n", cell: (row: string) => row },
      { title: "x", cell: () => "y" },
    ],
    ["猫", "ab"],
  ).split("\n");
  expect(lines.slice(1, 3)).toEqual(["  猫  y", "  ab  y"]);
});

test("nearest: typing errors yes, other words no", () => {
  expect(nearest("in8", ["int8", "uint8", "float32"])).toEqual(["int8"]);
  expect(nearest("Clasifier", ["classifier", "conv"])).toEqual(["classifier"]);
  expect(nearest("banana", ["int8", "uint8", "float32"])).toEqual([]);
  expect(nearest("int8", ["int16", "int4", "uint8"], 2)).toHaveLength(2);
});

const NAMES = ["conv1", "block/conv1", "block/conv2", "classifier/fc1", "classifier/fc2", "a[0];b"];
const options = { option: "--exclude", hint: "list names" };

test("names and globs", () => {
  expect(matchNames(["classifier/*"], NAMES, options)).toEqual(["classifier/fc1", "classifier/fc2"]);
  expect(matchNames(["conv*"], NAMES, options)).toEqual(["conv1"]);
  expect(matchNames(["*conv1", "block/*"], NAMES, options)).toEqual(["conv1", "block/conv1", "block/conv2"]);
  expect(matchNames(["*fc?"], NAMES, options)).toEqual(["classifier/fc1", "classifier/fc2"]);
  expect(matchNames(["a[0];b"], NAMES, options)).toEqual(["a[0];b"]);
  expect(matchNames(["*"], NAMES, options)).toEqual(NAMES);
});

test("a pattern that matches nothing is E2103 with the nearest names", () => {
  expect(() => matchNames(["conv1", "classifer/*"], NAMES, options)).toThrow(
    expect.objectContaining({
      code: "E2103",
      message: "--exclude 'classifer/*' matches none of 6 nodes",
      details: expect.objectContaining({ nearest: ["classifier/fc1", "classifier/fc2"], hint: "list names" }),
    }),
  );
  expect(() => matchNames(["clasifier/fc1"], NAMES, options)).toThrow(
    expect.objectContaining({ details: expect.objectContaining({ nearest: ["classifier/fc1", "classifier/fc2"] }) }),
  );
});
