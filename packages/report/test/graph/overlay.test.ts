import { expect, test } from "vitest";
import { formatBytes, formatValue } from "../../src/graph/format-value.js";
import { binOf, cardValue, legendOf } from "../../src/graph/overlay.js";
import type { SummaryNode } from "../../src/graph/types.js";

const node = (more: Partial<SummaryNode>): SummaryNode => ({
  ...{ id: "n", name: "n", opType: "Conv", inputs: [], outputs: [] },
  ...more,
});
const nodes = [
  node({ id: "a", weightBytes: 100, macs: 10, bits: 8, sparsity: 0.5, sqnrDb: 30 }),
  node({ id: "b", weightBytes: 300, macs: 5, bits: 32, sparsity: 0.1, sqnrDb: 12 }),
  node({ id: "c" }),
];

test("a card sums sizes and operations, takes the worst of SQNR and bits, and weighs sparsity by bytes", () => {
  const value = (metric: Parameters<typeof cardValue>[1]) => cardValue(nodes, metric);
  expect([value("size"), value("macs"), value("sqnr"), value("bits")]).toEqual([400, 15, 12, 8]);
  expect(value("sparsity")).toBeCloseTo((100 * 0.5 + 300 * 0.1) / 400, 12);
  expect(cardValue([nodes[2]!], "sqnr")).toBeUndefined();
  expect(cardValue(nodes, "sqnr", { metric: "sqnr", values: { c: 3 } })).toBe(3);
});

test("bins cover all values once, in order, and sizes reach the largest", () => {
  for (const metric of ["sqnr", "bits", "size", "sparsity", "macs"] as const) {
    const values = [1e2, 3.4e6];
    const legend = legendOf(metric, values)!;
    const edges = legend.bins.map((bin) => bin.from);
    expect(edges).toEqual([...edges].sort((a, b) => a - b));
    expect(binOf(legend, edges.at(-1))).toBe(legend.bins.length - 1);
    expect(binOf(legend, -1e9)).toBe(0);
    for (let i = 1; i < edges.length; i++) expect(binOf(legend, edges[i]! - 1e-9)).toBe(i - 1);
    expect(binOf(legend, undefined)).toBe(-1);
  }
  expect(legendOf("size", [3.4e6])!.bins.at(-1)!.label).toBe("≥ 1 MB");
  expect(legendOf("none", [])).toBeUndefined();
});

test("values are printed with their unit", () => {
  expect(formatValue("sqnr", 18.44)).toBe("18.4 dB");
  expect(formatValue("sqnr", Number.POSITIVE_INFINITY)).toBe("no noise");
  expect(formatValue("bits", 8)).toBe("8 bit");
  expect(formatValue("sparsity", 0.456)).toBe("46 %");
  expect(formatValue("macs", 1.234e6)).toBe("1.23 MMAC");
  expect([formatBytes(999), formatBytes(999_600), formatBytes(23e6)]).toEqual(["999 B", "1.00 MB", "23.0 MB"]);
});
