import { describe, expect, test } from "vitest";
import { ELEMENT_CHARTS, reportCharts } from "../../src/element/report-charts.js";
import { fixtureReport } from "../fixture.js";

describe("charts of <equant-report>", () => {
  const report = fixtureReport();
  const layer = report.layers[0]!.name;

  test("all that the report has sections for, in reading order", () => {
    const names = reportCharts(report, undefined, layer).map(({ name }) => name);
    expect(names).toEqual(ELEMENT_CHARTS.filter((name) => names.includes(name)));
    expect(names).toEqual(expect.arrayContaining(["sqnrPrediction", "msbHeatmap", "layerSizes", "weightRanges"]));
  });

  test("as many as asked, in that order; names that are none draw nothing", () => {
    const names = reportCharts(report, ["layerSizes", "nothing", "sqnrKinds"]).map(({ name }) => name);
    expect(names).toEqual(["layerSizes", "sqnrKinds"]);
  });

  test("charts of a layer need one, and say which", () => {
    expect(reportCharts(report, ["weightRanges"])).toEqual([]);
    expect(reportCharts(report, ["weightRanges"], "no such layer")).toEqual([]);
    expect(reportCharts(report, ["weightRanges"], layer)[0]!.chart.title).toContain(layer);
  });

  test("a report without sections still has its sizes", () => {
    const {
      sqnr,
      curves,
      msb,
      ranges,
      convergence,
      validation,
      sampleErrors,
      pruning,
      latency,
      weights,
      histograms,
      ...bare
    } = report;
    expect(reportCharts(bare as typeof report, undefined, layer).map(({ name }) => name)).toEqual([
      "layerTreemap",
      "layerSizes",
    ]);
  });
});
