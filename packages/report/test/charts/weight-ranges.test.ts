import { describe, expect, test } from "vitest";
import { CHARTS, type LayerWeights, type WeightState } from "../../src/index.js";
import { renderSvg } from "../../src/node.js";
import { expectChart } from "../helpers.js";

function state(sizes: readonly number[], step: number): WeightState {
  const list = (factor: number) => sizes.map((size) => Number((size * factor).toPrecision(4)));
  return {
    channels: { min: list(-1), q1: list(-0.4), median: list(0.1), q3: list(0.5), max: list(0.9) },
    encoding: { scale: [step], zeroPoint: [0], dtype: "int8", bits: 8, axis: null, qmin: -127, qmax: 127 },
  };
}
const sizes = [1, 0.3, 0.001, 0.02, 0.6, 0.9];
const section: LayerWeights = {
  layer: "block_1/depthwise",
  opType: "DepthwiseConv",
  before: state(sizes, 1 / 127),
  after: state([1, 0.9, 0.8, 0.95, 1, 0.9], 1 / 127),
};

describe("weightRanges", () => {
  test("draws both states and marks channels that become zero", async () => {
    const chart = CHARTS["weight-ranges"].draw(section);
    const svg = await expectChart(chart);
    expect(svg).toContain("6 channels, 1 dead (×)");
    expect(chart.summary).toContain("1000 times the narrowest and 1 becomes all zero");
    expect(chart.table.rows.filter((row) => row.at(-1) === "yes")).toEqual([
      ["before", 2, -0.001, -0.0004, 0.0001, 0.0005, 0.0009, "yes"],
    ]);
  });

  test("enlarges a state that would be a flat line, and only that", () => {
    const small = CHARTS["weight-ranges"].draw({ ...section, after: state([0.001, 0.0009], 1e-3 / 127) });
    expect(renderSvg(small)).toContain("after: 2 channels, drawn 1000 times larger");
    expect(small.table.rows.at(-1)![2]).toBe(-0.0009);
    expect(renderSvg(CHARTS["weight-ranges"].draw(section))).not.toContain("times larger");
    const odd = CHARTS["weight-ranges"].draw({ ...section, after: state([1 / 64], 1) });
    expect(renderSvg(odd)).toContain("drawn 50 times larger");
  });

  test("draws a ribbon for many channels, and sorts by range", async () => {
    await expectChart(CHARTS["weight-ranges"].draw(section, { ribbonFrom: 4 }), "weight-ranges-ribbon");
    const sorted = CHARTS["weight-ranges"].draw(section, { sort: "range" }).table.rows.map((row) => row[1]);
    expect(sorted.slice(0, 6)).toEqual([0, 5, 4, 1, 3, 2]);
  });

  test("draws one scale a channel as steps, and a layer that only one state has", async () => {
    const after = {
      ...section.after!,
      encoding: { ...section.after!.encoding!, scale: sizes.map((s) => s / 127), axis: 0 },
    };
    await expectChart(CHARTS["weight-ranges"].draw({ ...section, before: null, after }), "weight-ranges-per-channel");
  });
});
