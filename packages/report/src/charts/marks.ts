import type * as Plot from "@observablehq/plot";
import { token } from "./colours.js";

const SVG = "http://www.w3.org/2000/svg";

/** Makes an SVG element. */
export function element(
  document: Document,
  name: string,
  attributes: Readonly<Record<string, string | number>>,
  text?: string,
): SVGElement {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  if (text !== undefined) made.textContent = text;
  return made;
}

/** Positions in px of plot coordinates. */
export interface Place {
  x(value: number | string): number;
  y(value: number | string): number;
  readonly document: Document;
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

/**
 * A mark drawn by hand, where Plot has none or would make an element for every number: 1000 channels are then one path.
 * It is drawn once, not once a facet.
 */
export function customMark(draw: (place: Place) => readonly SVGElement[]): Plot.Markish {
  const mark = (
    _index: unknown,
    scales: Plot.ScaleFunctions,
    _values: unknown,
    at: Plot.Dimensions,
    context: Plot.Context,
  ) => {
    const { document } = context as { document: Document };
    const group = element(document, "g", {});
    const place = {
      x: scales.x as Place["x"],
      y: scales.y as Place["y"],
      document,
      left: at.marginLeft,
      right: at.width - at.marginRight,
      top: at.marginTop,
      bottom: at.height - at.marginBottom,
    };
    for (const child of draw(place)) group.appendChild(child);
    return group;
  };
  return mark as unknown as Plot.Markish;
}

/** Coordinate with one decimal, as short as it gets. */
export function px(value: number): string {
  return String(Math.round(value * 10) / 10);
}

/** Path of a rectangle. */
export function box(x1: number, y1: number, x2: number, y2: number): string {
  return `M${px(x1)} ${px(y1)}H${px(x2)}V${px(y2)}H${px(x1)}Z`;
}

/**
 * Render option of a Plot mark: puts `data-layer` on the element of each datum, so that a page can link selections.
 * `layers` is in the order of the mark's data.
 */
export function linked(layers: readonly string[]): { render: Plot.RenderFunction } {
  return {
    render: (index, scales, values, dimensions, context, next) => {
      const group = next!(index, scales, values, dimensions, context)!;
      for (const child of [...group.children]) {
        const datum = (child as unknown as { __data__?: number }).__data__;
        if (datum !== undefined && layers[datum] !== undefined) child.setAttribute("data-layer", layers[datum]);
      }
      return group;
    },
  };
}

/** Diagonal hatch on gray, for what a data type cannot represent; returns the definition and the fill that refers to it. */
export function hatch(document: Document, name: string): { definition: SVGElement; fill: string } {
  // Several charts stand in one page; a page shows the first pattern of an id, and all of them look the same.
  const id = `eq-hatch-${name}`;
  const definition = element(document, "defs", {});
  const pattern = element(document, "pattern", {
    id,
    width: 6,
    height: 6,
    patternUnits: "userSpaceOnUse",
    patternTransform: "rotate(45)",
  });
  pattern.append(
    element(document, "rect", { width: 6, height: 6, style: `fill:${token("hatch-ground")}` }),
    element(document, "line", { y2: 6, style: `stroke:${token("hatch")}`, "stroke-width": 3 }),
  );
  definition.appendChild(pattern);
  return { definition, fill: `url(#${id})` };
}
