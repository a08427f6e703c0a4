import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import type { Chart } from "../src/index.js";
import { renderSvg } from "../src/node.js";

const SNAPSHOTS = join(import.meta.dirname, "snapshots");

/** Every chart has its texts and a table, and looks as the committed picture. */
export async function expectChart(chart: Chart, name = chart.id): Promise<string> {
  for (const text of [chart.title, chart.unit, chart.summary]) expect(text).toMatch(/\S/);
  expect(chart.summary).toMatch(/\.$/);
  expect(chart.table.columns.length).toBeGreaterThan(1);
  expect(chart.table.rows.length).toBeGreaterThan(0);
  for (const row of chart.table.rows) expect(row).toHaveLength(chart.table.columns.length);
  // The style sheet is the same in all files: it has its own test.
  const svg = `${renderSvg(chart)
    .replace(/<style>[^<]*<\/style>/, "")
    .replaceAll("><", ">\n<")}\n`;
  expect(svg).not.toMatch(/NaN|undefined|Infinity/);
  expect(svg).toContain('role="img"');
  expect(svg.length).toBeLessThan(50_000);
  await expect(svg).toMatchFileSnapshot(join(SNAPSHOTS, `${name}.svg`));
  return svg;
}

/** A snapshot as committed. */
export function snapshot(name: string): string {
  return readFileSync(join(SNAPSHOTS, `${name}.svg`), "utf8");
}
