/** Where a path is drawn: a canvas, or the text of an SVG path. */
export type PathSink = Pick<CanvasPath, "moveTo" | "lineTo" | "bezierCurveTo">;

/** Adds one edge to the path: smooth between its points, or straight where nobody could see the curve. */
export function traceLine(path: PathSink, line: Float64Array, smooth: boolean): void {
  path.moveTo(line[0]!, line[1]!);
  for (let i = 2; i < line.length; i += 2) {
    const [x0, y0, x1, y1] = [line[i - 2]!, line[i - 1]!, line[i]!, line[i + 1]!];
    const middle = (y0 + y1) / 2;
    if (smooth && x0 !== x1 && y1 > y0) path.bezierCurveTo(x0, middle, x1, middle, x1, y1);
    else path.lineTo(x1, y1);
  }
}

/** A small head at the end of an edge, pointing down. */
export function traceHead(path: PathSink, line: Float64Array): void {
  const x = line[line.length - 2]!;
  const y = line[line.length - 1]!;
  path.moveTo(x - 4, y - 7);
  path.lineTo(x, y);
  path.lineTo(x + 4, y - 7);
}
