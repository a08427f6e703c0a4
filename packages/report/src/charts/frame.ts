import { OptionsError } from "@equant/core/errors";
import * as Plot from "@observablehq/plot";
import { drawKey } from "./key.js";

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

export const DEFAULT_WIDTH = 720;

/** What {@link defineChart} draws: a plot, and the names of its series. */
export interface Drawing extends Plot.PlotOptions {
  /** Names above the frame, with the colours and dashes of the categories. */
  readonly key?: { readonly names: readonly string[]; readonly shape: "line" | "square"; readonly left?: number };
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
      const { key, ...options } = plot({ width, document });
      const svg = Plot.plot({
        document,
        width,
        color: { type: "identity" },
        ...options,
        style: { fontSize: "11px" },
      }) as SVGSVGElement;
      if (key) svg.appendChild(drawKey(document, key.names, key.shape, key.left ?? 120));
      return framed(svg, texts, document);
    },
  };
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
