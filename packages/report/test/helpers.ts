import { readFileSync } from "node:fs";
import { join } from "node:path";
import { SaxesParser } from "saxes";
import { expect } from "vitest";
import type { Chart } from "../src/index.js";
import { renderSvg } from "../src/node.js";

const SNAPSHOTS = join(import.meta.dirname, "snapshots");

/** @throws where the text is no well-formed XML with its name spaces. */
export function parseXml(text: string): void {
  const parser = new SaxesParser({ xmlns: true });
  parser.on("error", (error) => {
    throw error;
  });
  parser.write(text).close();
}

/** Draws a chart as a file: XML, without a broken number. */
export function drawn(chart: Chart, width?: number): string {
  const svg = renderSvg(chart, width === undefined ? {} : { width });
  parseXml(svg);
  expect(svg, chart.id).not.toMatch(/NaN|undefined|Infinity/);
  expect(svg).toContain('role="img"');
  return svg;
}

/** Every chart has its texts and a table, and looks as the committed picture. */
export async function expectChart(chart: Chart, name = chart.id): Promise<string> {
  for (const text of [chart.title, chart.unit, chart.summary]) expect(text).toMatch(/\S/);
  expect(chart.summary).toMatch(/\.$/);
  expect(chart.table.columns.length).toBeGreaterThan(1);
  expect(chart.table.rows.length).toBeGreaterThan(0);
  for (const row of chart.table.rows) expect(row).toHaveLength(chart.table.columns.length);
  // The style sheet is the same in all files: it has its own test.
  const svg = `${drawn(chart)
    .replace(/<style>[^<]*<\/style>/, "")
    .replaceAll("><", ">\n<")}\n`;
  expect(svg.length).toBeLessThan(50_000);
  await expect(svg).toMatchFileSnapshot(join(SNAPSHOTS, `${name}.svg`));
  return svg;
}

/** A snapshot as committed. */
export function snapshot(name: string): string {
  return readFileSync(join(SNAPSHOTS, `${name}.svg`), "utf8");
}
