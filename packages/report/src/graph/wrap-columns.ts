import { CARD, type GraphLayout } from "./types.js";

/** Width to height that columns aim for: that of a window beside a table. */
const ASPECT = 1.5;
/** Free space between two columns, for the edges that lead from the foot of one to the head of the next. */
const GUTTER = 2 * CARD.gapX + 24;

/**
 * Breaks a tall layout into columns that are read from left to right, as text is: networks are long chains, and one
 * column of a hundred layers is a line on a screen. It breaks only where all
 * edges come from one card, so those that lead up to the next column share one line. A layout that is not taller than wide, or cannot be broken, is kept.
 */
export function wrapColumns(layout: GraphLayout, edges: readonly (readonly [number, number])[]): GraphLayout {
  if (layout.height <= layout.width / ASPECT || layout.x.length < 8) return layout;
  const breaks = breakable(layout, edges);
  const cuts = chooseCuts(layout, breaks);
  return cuts.length === 0 ? layout : place(layout, edges, cuts);
}

/**
 * Heights between two layers where every edge that passes comes from one and the same card, ascending: one line of
 * thought, as at the border of two residual blocks.
 */
function breakable({ y }: GraphLayout, edges: readonly (readonly [number, number])[]): number[] {
  const rows = [...new Set(y)].sort((a, b) => a - b);
  const rowOf = new Map(rows.map((at, row) => [at, row]));
  const reach = Int32Array.from(y, (at) => rowOf.get(at)!);
  for (const [from, to] of edges) reach[from] = Math.max(reach[from]!, rowOf.get(y[to]!)!);
  const change = new Int32Array(rows.length + 1);
  reach.forEach((end, card) => {
    change[rowOf.get(y[card]!)!]! += 1;
    change[end]! -= 1;
  });
  const found: number[] = [];
  let passing = 0;
  for (let row = 0; row + 1 < rows.length; row++) {
    passing += change[row]!;
    if (passing === 1) found.push((rows[row]! + rows[row + 1]!) / 2);
  }
  return found;
}

/** The cuts nearest to columns of equal height, for the number of columns whose drawing is nearest to the aspect. */
function chooseCuts({ width, height }: GraphLayout, breaks: readonly number[]): number[] {
  const columns = Math.round(Math.sqrt((ASPECT * height) / (width + GUTTER)));
  const cuts: number[] = [];
  for (let column = 1; column < columns; column++) {
    const wanted = (column * height) / columns;
    const near = breaks.reduce(
      (best, at) => (Math.abs(at - wanted) < Math.abs(best - wanted) ? at : best),
      Number.POSITIVE_INFINITY,
    );
    // A column much shorter or longer than its neighbours would say something that is not there.
    if (Math.abs(near - wanted) < height / columns / 2 && near > (cuts.at(-1) ?? 0)) cuts.push(near);
  }
  return cuts;
}

function place(
  layout: GraphLayout,
  edges: readonly (readonly [number, number])[],
  cuts: readonly number[],
): GraphLayout {
  const columnOf = (y: number): number => {
    let column = 0;
    while (column < cuts.length && y > cuts[column]!) column++;
    return column;
  };
  const spans = Array.from({ length: cuts.length + 1 }, () => ({
    left: Number.POSITIVE_INFINITY,
    right: Number.NEGATIVE_INFINITY,
    top: Number.POSITIVE_INFINITY,
    bottom: Number.NEGATIVE_INFINITY,
  }));
  const cover = (x: number, y: number, column: number, halfWidth: number, halfHeight: number) => {
    const span = spans[column]!;
    span.left = Math.min(span.left, x - halfWidth);
    span.right = Math.max(span.right, x + halfWidth);
    span.top = Math.min(span.top, y - halfHeight);
    span.bottom = Math.max(span.bottom, y + halfHeight);
  };
  layout.x.forEach((x, card) => {
    cover(x, layout.y[card]!, columnOf(layout.y[card]!), CARD.width / 2, CARD.height / 2);
  });
  layout.lines.forEach((line, edge) => {
    const column = columnOf(layout.y[edges[edge]![0]]!);
    if (column !== columnOf(layout.y[edges[edge]![1]]!)) return;
    for (let i = 2; i + 2 < line.length; i += 2) cover(line[i]!, line[i + 1]!, column, 0, 0);
  });
  const shift = spans.map(() => 0);
  let left = 0;
  spans.forEach((span, column) => {
    shift[column] = left - span.left;
    left += span.right - span.left + GUTTER;
  });
  const x = layout.x.map((at, card) => at + shift[columnOf(layout.y[card]!)]!);
  const y = layout.y.map((at) => at - spans[columnOf(at)]!.top);
  const lines = layout.lines.map((line, edge) => {
    const [from, to] = edges[edge]!;
    const column = columnOf(layout.y[from]!);
    if (column === columnOf(layout.y[to]!)) {
      return line.map((at, i) => (i % 2 === 0 ? at + shift[column]! : at - spans[column]!.top));
    }
    // Down to the foot of its column, up the gutter, and into the head of the next.
    const gutter = spans[column]!.right + shift[column]! + GUTTER / 2;
    const start = y[from]! + CARD.height / 2;
    const end = y[to]! - CARD.height / 2;
    const [foot, head] = [start + CARD.gapY / 2, end - CARD.gapY / 2];
    return Float64Array.of(x[from]!, start, x[from]!, foot, gutter, foot, gutter, head, x[to]!, head, x[to]!, end);
  });
  const height = Math.max(...spans.map((span) => span.bottom - span.top));
  return { ...layout, x, y, lines, width: left - GUTTER, height };
}
