import { CARD, type GraphLayout } from "./types.js";

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

/** Adds one edge to the path: smooth between its points, or straight where nobody could see the curve. */
export function traceLine(context: CanvasRenderingContext2D, line: Float64Array, smooth: boolean): void {
  context.moveTo(line[0]!, line[1]!);
  for (let i = 2; i < line.length; i += 2) {
    const [x0, y0, x1, y1] = [line[i - 2]!, line[i - 1]!, line[i]!, line[i + 1]!];
    const middle = (y0 + y1) / 2;
    if (smooth && x0 !== x1 && y1 > y0) context.bezierCurveTo(x0, middle, x1, middle, x1, y1);
    else context.lineTo(x1, y1);
  }
}

/** A small head at the end of an edge, pointing down. */
export function traceHead(context: CanvasRenderingContext2D, line: Float64Array): void {
  const x = line[line.length - 2]!;
  const y = line[line.length - 1]!;
  context.moveTo(x - 4, y - 7);
  context.lineTo(x, y);
  context.lineTo(x + 4, y - 7);
}

/** How far beyond the window a card still shows. */
export const REACH = { x: CARD.width / 2 + 4, y: CARD.height / 2 + 4 } as const;
