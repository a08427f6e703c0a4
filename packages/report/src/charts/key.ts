import { category, DASHES, token } from "./colours.js";
import { element } from "./marks.js";

/** How a series is drawn. */
export type KeyShape = "line" | "square" | "dot";

/** Names of the series in a row above the frame: a line with its dash, a square or a dot, and the name. */
export function drawKey(
  document: Document,
  names: readonly string[],
  shapes: KeyShape | readonly KeyShape[],
  left: number,
): SVGElement {
  const group = element(document, "g", { class: "eq-key" });
  let x = left;
  names.forEach((name, at) => {
    if (name === "") return;
    const dash = DASHES[at % DASHES.length];
    const colour = category(at);
    const shape = typeof shapes === "string" ? shapes : shapes[at]!;
    group.append(
      shape === "dot"
        ? element(document, "circle", {
            cx: x + 14,
            cy: 10,
            r: 3,
            style: `fill:${token("ground")};stroke:${colour}`,
            "stroke-width": 1.6,
          })
        : shape === "line"
          ? element(document, "path", {
              d: `M${x} 10h22`,
              fill: "none",
              style: `stroke:${colour}`,
              "stroke-width": 2,
              ...(dash !== undefined && { "stroke-dasharray": dash }),
            })
          : element(document, "path", { d: `M${x + 8} 5h10v10h-10z`, style: `fill:${colour}` }),
      element(document, "text", { x: x + 27, y: 14, "text-anchor": "start", style: `fill:${token("ink")}` }, name),
    );
    x += 46 + Math.ceil(6.4 * name.length);
  });
  return group;
}
