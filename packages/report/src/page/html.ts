import { deflateSync, strFromU8, strToU8 } from "fflate";
import type { Cell, Chart, ChartTable } from "../charts/index.js";
import { escaped } from "../charts/text.js";
import { renderSvg } from "../render-svg.js";

/** JSON that may stand in a script element. */
function embeddedJson(value: unknown): string {
  return JSON.stringify(value).replaceAll("<", "\\u003c");
}

/** A table by columns: runs of equal cells are written once, `[value, times]`. */
export interface PackedTable {
  readonly columns: readonly string[];
  readonly rows: number;
  readonly cells: readonly (readonly (Cell | readonly [Cell, number])[])[];
  readonly layerColumn?: number;
}

export function packTable({ columns, rows, layerColumn }: ChartTable): PackedTable {
  const cells = columns.map((_, column) => {
    const packed: (Cell | [Cell, number])[] = [];
    for (const row of rows) {
      const value = row[column] ?? null;
      const last = packed.at(-1);
      if (Array.isArray(last) && last[0] === value) last[1]++;
      else if (packed.length > 0 && last === value) packed[packed.length - 1] = [value, 2];
      else packed.push(value);
    }
    return packed;
  });
  return { columns, rows: rows.length, cells, ...(layerColumn !== undefined && { layerColumn }) };
}

let figures = 0;

/** Names of figures are unique in a page; begin one with this. */
export function beginPage(): void {
  figures = 0;
}

/** Another drawing of the same numbers, that a button under the heading chooses. */
export interface View {
  readonly name: string;
  readonly chart: Chart;
}

export interface FigureOptions {
  /** Drawn from the start. */
  readonly eager?: boolean;
  /** Drawn in its own size, in a window that scrolls. */
  readonly scroll?: boolean;
  readonly extra?: string;
  readonly after?: string;
  /** What a choice in `after` opens, packed. */
  readonly templates?: string;
  /** Name of the first drawing, where there are others. */
  readonly view?: string;
  readonly others?: readonly View[];
}

/**
 * A chart with its heading, sentence, tools and table. The drawing waits in a template until it comes near the window, in a
 * place of its size, so that nothing moves; `eager` ones are there from the start.
 */
export function figure(chart: Chart | undefined, options: FigureOptions = {}): string {
  if (!chart) return "";
  const id = `f${++figures}`;
  const svg = renderSvg(chart, { standalone: false });
  const [width, height] = ["width", "height"].map((name) =>
    Number(new RegExp(`<svg[^>]* ${name}="([\\d.]+)"`).exec(svg)?.[1]),
  );
  const others = (options.others ?? []).map(
    ({ name, chart: other }) =>
      `<template data-view="${escaped(name)}">${renderSvg(other, { standalone: false })}</template>`,
  );
  const names = options.others ? [options.view ?? chart.title, ...options.others.map(({ name }) => name)] : [];
  const choice = names.map(
    (name, at) =>
      `<button type="button" data-show="${escaped(name)}" aria-pressed="${at === 0}">${escaped(name)}</button>`,
  );
  const views = names.length > 0 ? `<p class="choice" role="group" aria-label="Drawing">${choice.join("")}</p>` : "";
  const drawing = options.eager ? svg : `<template data-view="${escaped(names[0] ?? "")}">${svg}</template>`;
  const place = options.scroll ? "" : ` style="aspect-ratio:${width}/${height};max-width:${width}px"`;
  return `<figure class="chart${options.scroll ? " wide" : ""}" id="${id}" data-chart="${chart.id}" aria-labelledby="${id}h">
<figcaption><h3 id="${id}h">${escaped(chart.title)} <span class="unit">${escaped(chart.unit)}</span></h3><p>${escaped(chart.summary)}</p></figcaption>
${options.extra ?? ""}${views}<div class="plot${options.scroll ? " scroll" : ""}"${options.scroll ? ' tabindex="0" role="group" aria-label="Drawing, scrolls"' : ""}${place}>${drawing}${others.join("")}</div>
<div class="tools"><button type="button" class="show-table" aria-expanded="false" aria-controls="${id}t">Table</button><button type="button" class="save-csv">Save CSV</button><button type="button" class="save-svg">Save SVG</button></div>
<div class="data scroll" id="${id}t" hidden tabindex="0" role="group" aria-label="Table: ${escaped(chart.title)}"></div><script type="application/json">${embeddedJson(packTable(chart.table))}</script>
${options.after ?? ""}</figure>
${options.templates ?? ""}`;
}

/** Packed HTML is a fifth: a page of thousands of channels stays small enough for a mail. */
export function packHtml(html: string): string {
  return btoa(strFromU8(deflateSync(strToU8(html), { level: 9 }), true));
}

/** A table of HTML cells; the first column names the row. */
export function htmlTable(caption: string, columns: readonly string[], rows: readonly (readonly string[])[]): string {
  const head = columns.map((column) => `<th scope="col">${escaped(column)}</th>`).join("");
  const body = rows
    .map(
      ([first = "", ...rest]) =>
        `<tr><th scope="row">${first}</th>${rest.map((cell) => `<td>${cell}</td>`).join("")}</tr>`,
    )
    .join("\n");
  return `<div class="scroll" tabindex="0" role="group" aria-label="${escaped(caption)}"><table><caption>${escaped(caption)}</caption><thead><tr>${head}</tr></thead><tbody>${body}</tbody></table></div>\n`;
}
