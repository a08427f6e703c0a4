import { parseHTML } from "linkedom";
import { CHART_CSS } from "./charts/colours.js";
import type { Chart, DrawOptions } from "./charts/frame.js";
import { escaped } from "./charts/text.js";

let page: Document | undefined;

/** A document without a browser, shared by all drawings: charts are never attached to it. */
export function lightDocument(): Document {
  page ??= parseHTML("<!doctype html><html><body></body></html>").document as unknown as Document;
  return page;
}

const GEOMETRY = new Set("d x y x1 x2 y1 y2 cx cy r width height transform points dx dy viewBox".split(" "));

/**
 * Draws a chart as SVG text. Coordinates are rounded to a tenth of a px, so that files are small and the same everywhere.
 * `standalone` (default) adds what a file needs that a page has: name space and style sheet.
 */
export function renderSvg(
  chart: Chart,
  options: Omit<DrawOptions, "document"> & { standalone?: boolean } = {},
): string {
  const { standalone = true, ...draw } = options;
  const svg = chart.draw({ ...draw, document: lightDocument() });
  if (standalone) {
    asFile(svg);
    heading(svg, chart);
  }
  return asXml(svg);
}

/** Several charts below each other in one file. */
export function renderSvgStack(charts: readonly Chart[], options: Omit<DrawOptions, "document"> = {}): string {
  const drawn = charts.map((chart) => {
    const svg = chart.draw({ ...options, document: lightDocument() });
    heading(svg, chart);
    return svg;
  });
  const size = (svg: SVGSVGElement, name: "width" | "height") => Number(svg.getAttribute(name));
  const width = Math.max(0, ...drawn.map((svg) => size(svg, "width")));
  const all = lightDocument().createElementNS(SVG, "svg") as SVGSVGElement;
  let height = 0;
  for (const svg of drawn) {
    svg.setAttribute("y", String(height));
    height += size(svg, "height") + GAP;
    all.appendChild(svg);
  }
  height = Math.max(0, height - GAP);
  for (const [name, value] of Object.entries({ width, height, viewBox: `0 0 ${width} ${height}` })) {
    all.setAttribute(name, String(value));
  }
  all.setAttribute("class", "equant-chart");
  asFile(all);
  return asXml(all);
}

/** Name space and style sheet, which a page has. */
function asFile(svg: SVGSVGElement): void {
  svg.setAttribute("xmlns", SVG);
  const style = lightDocument().createElementNS(SVG, "style");
  style.textContent = CHART_CSS;
  svg.insertBefore(style, svg.firstChild);
}

/** A drawing as XML, with coordinates rounded; what a document without a browser writes is HTML, where `<` may stand in an attribute. */
function asXml(node: Node): string {
  if (node.nodeType !== ELEMENT) return escaped(node.textContent ?? "");
  const { localName, attributes, childNodes } = node as Element;
  const given = [...attributes].map(
    ({ name, value }) => ` ${name}="${GEOMETRY.has(name) ? rounded(value) : escaped(value)}"`,
  );
  const inside = [...childNodes].map(asXml).join("");
  return `<${localName}${given.join("")}${inside === "" ? " /" : `>${inside}</${localName}`}>`;
}

function rounded(numbers: string): string {
  return numbers.replace(/-?\d+\.\d+(?:e-?\d+)?/g, (n) => String(Math.round(Number(n) * 10) / 10));
}

const ELEMENT = 1;
const SVG = "http://www.w3.org/2000/svg";
const HEADING = 26;
/** Height of a line for the unit alone. */
const UNIT = 16;
/** Between charts of one file. */
const GAP = 16;

/** Width of a letter of the heading, generously. */
const LETTER = 7;

/** Title and unit above the drawing, which in a page stand beside it; where both are too long, the unit has a line of its own. */
function heading(svg: SVGSVGElement, { title, unit }: Chart): void {
  const [x = 0, y = 0, width = 0, height = 0] = svg.getAttribute("viewBox")!.split(/[ ,]+/).map(Number);
  const whole = `${title} · ${unit}`;
  const lines = whole.length * LETTER < width ? [whole] : [title, unit];
  const room = HEADING + UNIT * (lines.length - 1);
  svg.setAttribute("viewBox", `${x} ${y - room} ${width} ${height + room}`);
  svg.setAttribute("height", String(height + room));
  lines.forEach((line, at) => {
    const text = lightDocument().createElementNS(SVG, "text");
    text.setAttribute("x", "8");
    text.setAttribute("y", String(y - 8 - UNIT * (lines.length - 1 - at)));
    text.setAttribute("text-anchor", "start");
    text.setAttribute("style", at === 0 ? "font-size:13px;font-weight:600" : "fill:var(--eq-muted)");
    text.textContent = line;
    svg.appendChild(text);
  });
}
