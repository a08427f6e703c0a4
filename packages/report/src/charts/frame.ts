import { OptionsError } from "@equant/core/errors";
import * as Plot from "@observablehq/plot";
import { drawKey, type KeyShape } from "./key.js";

/** A cell of a chart's table. */
export type Cell = string | number | null;

/** The numbers of a chart. `layerColumn` is the column that names layers, for linked selection. */
export interface ChartTable {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly Cell[])[];
  readonly layerColumn?: number;
}

export interface DrawOptions {
  /** Where elements are made. Default: the page's `document`. */
  document?: Document;
  /** Width in px. Default: 720. */
  width?: number;
}

/** What stands around every chart, and how to draw it. Making one is cheap: nothing is drawn before `draw`. */
export interface Chart {
  /** Kind of chart: `weight-ranges`. */
  readonly id: string;
  readonly title: string;
  /** Unit of what is drawn: `dB`, `real units`, `share of values`. */
  readonly unit: string;
  /** One sentence, computed: what a person should see. */
  readonly summary: string;
  readonly table: ChartTable;
  /** Layer the chart is about, when it is about one. */
  readonly layer?: string;
  /** @throws {OptionsError} E2005 without a document. */
  draw(options?: DrawOptions): SVGSVGElement;
}

/** What a chart's drawing needs. */
export interface DrawContext {
  readonly width: number;
  readonly document: Document;
}

const DEFAULT_WIDTH = 720;

/** What {@link defineChart} draws: a plot, and the names of its series. */
export interface Drawing extends Plot.PlotOptions {
  /** Names above the frame, with the colours and dashes of the categories. */
  readonly key?: {
    readonly names: readonly string[];
    readonly shape: KeyShape | readonly KeyShape[];
    readonly left?: number;
  };
  /** A second plot under the first, with an axis of its own. */
  readonly below?: Plot.PlotOptions;
}

/** Makes a chart from its texts and a function that gives the plot. */
export function defineChart(texts: Omit<Chart, "draw">, plot: (context: DrawContext) => Drawing): Chart {
  return {
    ...texts,
    draw: ({ document = globalThis.document, width = DEFAULT_WIDTH } = {}) => {
      if (!document) {
        throw new OptionsError("E2005", `${texts.id}: no document to draw in`, {
          hint: "in Node use renderSvg of @equant/report/node",
        });
      }
      const { key, below, ...options } = plot({ width, document });
      const drawn = (own: Plot.PlotOptions) =>
        Plot.plot({
          document,
          width,
          color: { type: "identity" },
          ...own,
          style: { fontSize: "11px" },
        }) as SVGSVGElement;
      const svg = drawn(options);
      if (below) append(svg, drawn(below), document);
      if (key) svg.appendChild(drawKey(document, key.names, key.shape, key.left ?? 120));
      return framed(svg, texts, document);
    },
  };
}

/** Puts a plot under another one, in the same drawing. */
function append(svg: SVGSVGElement, below: SVGSVGElement, document: Document): void {
  const [width, top] = ["width", "height"].map((name) => Number(svg.getAttribute(name))) as [number, number];
  const height = top + Number(below.getAttribute("height"));
  svg.setAttribute("height", String(height));
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const group = document.createElementNS("http://www.w3.org/2000/svg", "g");
  group.setAttribute("transform", `translate(0,${top})`);
  for (const child of [...below.childNodes]) group.appendChild(child);
  svg.appendChild(group);
}

/** The texts where assistive technology and people find them. */
function framed(svg: SVGSVGElement, { id, title, unit, summary }: Omit<Chart, "draw">, document: Document) {
  svg.setAttribute("class", `equant-chart eq-${id}`);
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", `${title} (${unit}). ${summary}`);
  svg.removeAttribute("style");
  for (const style of [...svg.querySelectorAll("style")]) style.remove();
  // Names are not allowed on parts without a role; the drawing as a whole has one.
  for (const part of [...svg.querySelectorAll("g[aria-label]")]) part.removeAttribute("aria-label");
  const element = (name: string, text: string) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    made.textContent = text;
    return made;
  };
  svg.insertBefore(element("desc", summary), svg.firstChild);
  svg.insertBefore(element("title", `${title} (${unit})`), svg.firstChild);
  return svg;
}
