import { parseHTML } from "linkedom";
import { CHART_CSS } from "./charts/colours.js";
import type { Chart, DrawOptions } from "./charts/frame.js";

let page: Document | undefined;

/** A document without a browser, shared by all drawings: charts are never attached to it. */
export function lightDocument(): Document {
  page ??= parseHTML("<!doctype html><html><body></body></html>").document as unknown as Document;
  return page;
}

const GEOMETRY =
  /( (?:d|x|y|x1|x2|y1|y2|cx|cy|r|width|height|transform|points|dx|dy|viewBox)=")([^"]*)"/g;

/**
 * Draws a chart as SVG text. Coordinates are rounded to a tenth of a px, so that files are small and the same everywhere.
 * `standalone` (default) adds what a file needs that a page has: name space and style sheet.
 */
export function renderSvg(chart: Chart, options: Omit<DrawOptions, "document"> & { standalone?: boolean } = {}): string {
  const { standalone = true, ...draw } = options;
  const svg = chart.draw({ ...draw, document: lightDocument() });
  if (standalone) {
    svg.setAttribute("xmlns", "http://www.w3.org/2000/svg");
    const style = lightDocument().createElementNS("http://www.w3.org/2000/svg", "style");
    style.textContent = CHART_CSS;
    svg.insertBefore(style, svg.firstChild);
  }
  return svg.outerHTML.replace(GEOMETRY, (_all, before: string, value: string) => {
    return `${before}${value.replace(/-?\d+\.\d+(?:e-?\d+)?/g, (n) => String(Math.round(Number(n) * 10) / 10))}"`;
  });
}
