import { CARD, type GraphLayout } from "@equant/report/graph";

/** Bounding boxes of the lines: left, top, right, bottom, one after the other. */
export function lineBoxes(layout: GraphLayout): Float64Array {
  const boxes = new Float64Array(layout.lines.length * 4);
  layout.lines.forEach((line, edge) => {
    let left = Number.POSITIVE_INFINITY;
    let right = Number.NEGATIVE_INFINITY;
    let top = Number.POSITIVE_INFINITY;
    let bottom = Number.NEGATIVE_INFINITY;
    for (let i = 0; i < line.length; i += 2) {
      left = Math.min(left, line[i]!);
      right = Math.max(right, line[i]!);
      top = Math.min(top, line[i + 1]!);
      bottom = Math.max(bottom, line[i + 1]!);
    }
    boxes.set([left, top, right, bottom], 4 * edge);
  });
  return boxes;
}

/** How far beyond the window a card still shows. */
export const REACH = { x: CARD.width / 2 + 4, y: CARD.height / 2 + 4 } as const;
