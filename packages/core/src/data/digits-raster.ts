/**
 * Draws pen strokes into a small grayscale image, antialiased.
 *
 * Only `+ - * /`, comparisons and `Math.floor` are used: IEEE 754 defines them exactly, so every JavaScript engine draws
 * the same bytes. `Math.sin`, `exp`, `pow` are left to the engine by ECMAScript and may differ in the last bit.
 */

/** A point of the pen in pixels, with the radius of its tip there. */
export interface InkPoint {
  readonly x: number;
  readonly y: number;
  readonly radius: number;
  readonly corner: boolean;
}

/** Straight pieces between two neighbouring points of a stroke; more are not visible at 28 pixels. */
const PIECES = 7;

/** How strongly the pen swings through a point: 0.5 is the Catmull–Rom spline, 0 a polyline. */
const SWING = 0.5;

/** Ink cover (0–1) of a `size` × `size` image, row-major: `cover` is raised to the maximum of itself and the stroke. */
export function drawStroke(points: readonly InkPoint[], cover: Float64Array, size: number): void {
  for (let i = 0; i + 1 < points.length; i++) {
    const from = points[i]!;
    const to = points[i + 1]!;
    const [fromX, fromY] = tangent(points, i, from, to);
    const [toX, toY] = tangent(points, i + 1, from, to);
    let x0 = from.x;
    let y0 = from.y;
    for (let piece = 1; piece <= PIECES; piece++) {
      const t = piece / PIECES;
      // Cubic Hermite basis.
      const toWeight = t * t * (3 - 2 * t);
      const fromTangent = t * (1 - t) * (1 - t);
      const toTangent = t * t * (t - 1);
      const x1 = from.x + (to.x - from.x) * toWeight + fromX * fromTangent + toX * toTangent;
      const y1 = from.y + (to.y - from.y) * toWeight + fromY * fromTangent + toY * toTangent;
      const radius = from.radius + (to.radius - from.radius) * t;
      drawPiece(x0, y0, x1, y1, radius, cover, size);
      x0 = x1;
      y0 = y1;
    }
  }
}

/** Tangent of the pen at point `i` on the piece `from`→`to`; ends and corners look along the piece only. */
function tangent(points: readonly InkPoint[], i: number, from: InkPoint, to: InkPoint): readonly [number, number] {
  const before = points[i - 1];
  const after = points[i + 1];
  if (points[i]!.corner || !before || !after) return [to.x - from.x, to.y - from.y];
  return [SWING * (after.x - before.x), SWING * (after.y - before.y)];
}

/** A straight piece with round ends. */
function drawPiece(
  x0: number,
  y0: number,
  x1: number,
  y1: number,
  radius: number,
  cover: Float64Array,
  size: number,
): void {
  const reach = radius + 1;
  const left = Math.max(0, Math.floor(Math.min(x0, x1) - reach));
  const right = Math.min(size - 1, Math.floor(Math.max(x0, x1) + reach));
  const top = Math.max(0, Math.floor(Math.min(y0, y1) - reach));
  const bottom = Math.min(size - 1, Math.floor(Math.max(y0, y1) + reach));
  const dx = x1 - x0;
  const dy = y1 - y0;
  const lengthSquared = dx * dx + dy * dy;
  const perLength = lengthSquared > 0 ? 1 / lengthSquared : 0;
  const perEdge = 1 / (2 * radius);
  for (let row = top; row <= bottom; row++) {
    const py = row + 0.5 - y0;
    for (let column = left; column <= right; column++) {
      const px = column + 0.5 - x0;
      const along = (px * dx + py * dy) * perLength;
      const t = along < 0 ? 0 : Math.min(along, 1);
      const ex = px - t * dx;
      const ey = py - t * dy;
      // Signed distance to the edge without a square root: r − d ≈ (r² − d²) / 2r near the edge.
      const inside = 0.5 + (radius * radius - ex * ex - ey * ey) * perEdge;
      const at = row * size + column;
      if (inside > cover[at]!) cover[at] = Math.min(inside, 1);
    }
  }
}
