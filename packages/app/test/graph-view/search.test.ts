import type { SummaryNode } from "@equant/report/graph";
import { expect, test } from "vitest";
import { parseSearch } from "../../src/graph-view/search.js";

const node: SummaryNode = {
  id: "block_1/dw",
  name: "block_1/dw",
  opType: "Conv",
  inputs: [],
  outputs: [],
  weightBytes: 12_000,
  macs: 3_000_000,
  bits: 8,
  sparsity: 0.25,
  sqnrDb: 18.4,
};

test.each([
  ["dw", true],
  ["DW", true],
  ["conv", true],
  ["op:conv", true],
  ["op:block", false],
  ["name:conv", false],
  ["name:block", true],
  ["sqnr<20", true],
  ["SQNR<=18.4dB", true],
  ["sqnr<18.4", false],
  ["sqnr>-3", true],
  ["bits=8", true],
  ["bits=8bit", true],
  ["bits>8", false],
  ["size>10k", true],
  ["size>=12kB", true],
  ["size>1M", false],
  ["macs>=3M", true],
  ["sparsity>20%", true],
  ["sparsity>0.25", false],
  ["dw sqnr<20 bits=8", true],
  ["dw sqnr<10", false],
  ["  ", false],
])("%s → %s", (query, found) => {
  const search = parseSearch(query);
  expect(search.problems).toEqual([]);
  expect(search.test(node)).toBe(found);
  expect(search.empty).toBe(query.trim() === "");
});

test("says what it does not understand, and finds nothing by it", () => {
  expect(parseSearch("sqnr<abc").problems).toEqual(['search: "abc" after sqnr< is no number']);
  expect(parseSearch("speed>3").problems[0]).toMatch(/unknown value "speed", expected sqnr, bits/);
  expect(parseSearch("dw sqnr<").test(node)).toBe(false);
});

test("values of the overlay come before those of the graph; a node without one is not found", () => {
  const overlay = { metric: "sqnr", values: { "block_1/dw": 30 } } as const;
  expect(parseSearch("sqnr<20").test(node, overlay)).toBe(false);
  expect(parseSearch("sqnr<40").test(node, overlay)).toBe(true);
  const { sqnrDb: _, ...bare } = node;
  expect(parseSearch("sqnr<1000").test(bare)).toBe(false);
});
