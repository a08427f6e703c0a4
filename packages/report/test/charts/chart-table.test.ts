import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { chartsNamed, idOf } from "../../src/element/chart-names.js";
import { CHART_IDS, chartRow, chartsOf } from "../../src/index.js";
import { fixtureReport } from "../fixture.js";

const report = fixtureReport();
const [layer] = report.layers.map(({ name }) => name);

describe("the table of charts", () => {
  test.each(CHART_IDS)("%s: a title, a view of a chart there is, a drawing of a known name", (id) => {
    const { title, viewOf, view, layers } = chartRow(id);
    expect(title).toMatch(/^[A-Z].*[^.]$/);
    if (viewOf !== undefined) expect([CHART_IDS.includes(viewOf as never), view]).toEqual([true, expect.any(String)]);
    for (const name of [undefined, ...(layers?.(report) ?? [])]) {
      for (const chart of chartsOf(report, id, name)) expect(CHART_IDS).toContain(chart.id);
    }
  });

  test("every chart has a row in the docs, and every row a chart", () => {
    const docs = readFileSync(join(import.meta.dirname, "../../../../docs/reports.md"), "utf8");
    const table = docs.slice(docs.indexOf("| chart | needs |")).split("\n\n")[0]!;
    const rows = table.split("\n").slice(2);
    expect(rows.flatMap((row) => [...row.split("|")[1]!.matchAll(/`([a-z-]+)`/g)].map(([, id]) => id)).sort()).toEqual(
      [...CHART_IDS].sort(),
    );
  });
});

describe("charts of <equant-report>", () => {
  const ids = (...args: Parameters<typeof chartsNamed>) => chartsNamed(...args).map(({ id }) => id);

  test("all that the report has sections for, in the table's order", () => {
    const all = [...new Set(ids(report, undefined, layer))];
    expect(all).toEqual(CHART_IDS.filter((id) => all.includes(id)));
    expect(all).toEqual(expect.arrayContaining(["sqnr-prediction", "msb-heatmap", "layer-sizes", "weight-ranges"]));
    expect(all).not.toContain("msb-fixed-point");
  });

  test("as many as asked, in that order; names that are none draw nothing; names of earlier versions are known", () => {
    expect(ids(report, ["layer-sizes", "nothing", "sqnr-kinds"], undefined)).toEqual(["layer-sizes", "sqnr-kinds"]);
    expect(["layerSizes", "confusionPair", "latencyBars", "valueHistogram", "layerMsb", "nothing"].map(idOf)).toEqual([
      "layer-sizes",
      "confusion",
      "latency",
      "histogram",
      "layer-msb",
      undefined,
    ]);
  });

  test("charts of a layer need one, and say which", () => {
    expect(ids(report, ["weight-ranges"], undefined)).toEqual([]);
    expect(ids(report, ["weight-ranges"], "no such layer")).toEqual([]);
    expect(chartsNamed(report, ["weight-ranges"], layer)[0]!.chart.title).toContain(layer);
  });

  test("a report without sections still has its sizes", () => {
    const { schema, tool, model, recipe, steps, findings, layers } = report;
    const bare = { schema, tool, model, recipe, steps, findings, layers };
    expect(ids(bare, undefined, layer)).toEqual(CHART_IDS.filter((id) => chartRow(id).section === "size"));
  });
});
