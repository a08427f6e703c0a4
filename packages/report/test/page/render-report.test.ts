import { inflateRawSync } from "node:zlib";
import { parseHTML } from "linkedom";
import { describe, expect, test } from "vitest";
import { CHART_IDS, chartRow, chartsOf, checkReport, readReport, reportJsonSchema } from "../../src/index.js";
import { renderReport, verdictOf } from "../../src/node.js";
import { packTable } from "../../src/page/html.js";
import { fixtureReport } from "../fixture.js";

describe("renderReport", () => {
  const report = fixtureReport();
  const html = renderReport(report);
  const { document } = parseHTML(html);
  const packed = [...html.matchAll(/data-(?:layer|row)-charts="[^"]*">([^<]*)</g)].map((match) => match[1]!);
  const whole = html + packed.map((text) => inflateRawSync(Buffer.from(text, "base64")).toString()).join("");

  test("asks the network for nothing", () => {
    expect(html).not.toMatch(/(?:src|href)="(?!#|data:)/);
    expect(html).not.toMatch(/@import|url\((?!#)/);
    expect(html).toContain("default-src 'none'");
  });

  test("escapes names from models", () => {
    expect(document.querySelector("h1")?.textContent).toBe("fixture <&>");
    expect(html).not.toContain("fixture <&>");
  });

  test("has every part, each with charts or a table", () => {
    const parts = [...document.querySelectorAll("section")].map(({ id }) => id);
    expect(parts).toEqual([
      "summary",
      "findings",
      "layers",
      "error",
      "accuracy",
      "values",
      "equalization",
      "pruning",
      "size",
      "network",
      "about",
    ]);
    const shown = new Set([...whole.matchAll(/data-chart="([^"]+)"/g)].map((match) => match[1]));
    const due = CHART_IDS.filter((id) => {
      const { section, selected, layers, worth } = chartRow(id);
      return (section ?? selected ?? layers) !== undefined && (worth?.(report) ?? true);
    });
    const drawings = due.flatMap((id) => chartsOf(report, id, chartRow(id).layers?.(report)[0]));
    expect([...shown].sort()).toEqual([...new Set(drawings.map(({ id }) => id))].sort());
    expect(shown.size).toBeGreaterThan(20);
  });

  test("gives every figure a heading, unit, sentence and table, and unique names", () => {
    const ids = [...whole.matchAll(/ id="([^"]+)"/g)].map((match) => match[1]!);
    const own = ids.filter((id) => !id.startsWith("eq-hatch"));
    expect(new Set(own).size).toBe(own.length);
    const figures = whole.split("<figure ").slice(1);
    for (const figure of figures) {
      expect(figure).toMatch(/<h3 id="[^"]+">[^<]+ <span class="unit">[^<]+<\/span><\/h3><p>[^<]+\.<\/p>/);
      const json = /<script type="application\/json">(.*?)<\/script>/s.exec(figure)?.[1];
      expect(JSON.parse(json!).rows).toBeGreaterThan(0);
    }
  });

  test("is the same text for the same report", () => {
    expect(renderReport(fixtureReport())).toBe(html);
  });
});

test("a table is packed by runs and unpacked as it was", () => {
  const rows = [
    ["before", 1, null],
    ["before", 2, null],
    ["after", 2, 0.5],
    ["after", 2, 0.5],
  ];
  const packed = packTable({ columns: ["a", "b", "c"], rows });
  expect(packed.cells[0]).toEqual([
    ["before", 2],
    ["after", 2],
  ]);
  const columns = packed.cells.map((cells) =>
    cells.flatMap((cell) => (Array.isArray(cell) ? new Array(cell[1]).fill(cell[0]) : [cell])),
  );
  expect(Array.from({ length: packed.rows }, (_, at) => columns.map((column) => column[at]))).toEqual(rows);
});

describe("verdictOf", () => {
  test("calls a loss what chance does not explain", () => {
    expect(verdictOf(fixtureReport())).toMatchObject({
      kind: "loss",
      sentence:
        "Accuracy falls by 5.67 pp (McNemar p < 0.001). First suspect: conv1: 1/6 channels all zero. Try: --per-channel.",
    });
  });

  test("does not call a loss what chance explains", () => {
    const report = fixtureReport();
    report.validation!.mcNemar!.p = 0.3;
    expect(verdictOf(report)).toMatchObject({ kind: "unknown", sentence: expect.stringContaining("can be chance") });
    report.validation!.drop = 0.003;
    expect(verdictOf(report)).toMatchObject({ kind: "good", sentence: expect.stringContaining("−0.3 pp on 300") });
  });

  test("says when nothing was validated", () => {
    const { validation: _, ...report } = fixtureReport();
    expect(verdictOf(report)).toMatchObject({ kind: "unknown", sentence: expect.stringContaining("was not measured") });
    expect(verdictOf({ ...fixtureReport(), random: true }).sentence).toContain("random input");
  });
});

describe("readReport", () => {
  test("reads what it wrote", () => {
    const report = fixtureReport();
    expect(readReport(JSON.stringify(report))).toEqual(report);
  });

  test("has a JSON Schema that names every section", () => {
    const { properties } = reportJsonSchema() as { properties: object };
    expect(Object.keys(properties)).toEqual(expect.arrayContaining(Object.keys(fixtureReport())));
  });

  test("says where a file is wrong", () => {
    expect(() => readReport("{", "r.json")).toThrow("r.json: not JSON");
    const broken = { ...fixtureReport(), layers: [{ name: 3 }] };
    expect(() => checkReport(broken)).toThrow(/report: layers\.0\.name/);
    expect(() => checkReport({ schema: "equant.report/2" })).toThrow(/schema/);
  });
});
