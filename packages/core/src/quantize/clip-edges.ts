import { type Graph, isOp } from "../graph/index.js";
import type { Encoding } from "../math/index.js";
import { clipBounds } from "../operators/attributes.js";

/** What an encoding loses at most when it is drawn in: one step of hundreds. */
const STEPS = 1;

/**
 * Draws encodings in that end a fraction of a step outside of the bounds of the Clip they follow. ONNX Runtime drops such a Clip when the
 * bounds, as integers, are the ends of the type, and keeps its activation in the convolution when the encoding does not lie within the
 * bounds: where both hold, versions up to 1.30 make two nodes of one name and refuse the file. One step narrower, the values at
 * the bound saturate less than a step early, and every version loads it.
 */
export function drawInClips(graph: Graph, encodings: Map<string, Encoding>): void {
  const bounds = new Map<Encoding, { low: number; high: number }[]>();
  for (const node of graph.nodes) {
    if (!isOp(node, "Clip")) continue;
    const encoding = encodings.get(node.outputs[0]!);
    const { low, high } = clipBounds(node, (value) => graph.initializers.get(value));
    // A bound that is computed may be anything.
    if (encoding && low !== undefined && high !== undefined)
      bounds.set(encoding, [...(bounds.get(encoding) ?? []), { low, high }]);
  }
  const drawn = new Map([...bounds].map(([encoding, all]) => [encoding, drawnIn(encoding, all)]));
  for (const [value, encoding] of encodings) {
    const other = drawn.get(encoding);
    if (other && other !== encoding) encodings.set(value, other);
  }
}

/** The encoding with a scale at which no Clip's bounds are the ends of the type without holding it. */
function drawnIn(encoding: Encoding, clips: readonly { low: number; high: number }[]): Encoding {
  if (encoding.axis !== null) return encoding;
  let scale = encoding.scale[0]!;
  const below = encoding.qmin - encoding.zeroPoint[0]!;
  const above = encoding.qmax - encoding.zeroPoint[0]!;
  // Drawing in for one Clip may bring the encoding near the bounds of another one of the group.
  for (let round = 0; round <= clips.length; round++) {
    const crossed = clips.find(({ low, high }) => {
      const outside = [low - below * scale, above * scale - high];
      return Math.max(...outside) > 0 && outside.every((excess) => excess <= STEPS * scale);
    });
    if (!crossed) break;
    const { low, high } = crossed;
    const fitting = Math.min(below < 0 ? low / below : scale, above > 0 ? high / above : scale);
    if (!(fitting > 0)) break;
    scale = floatBelow(Math.min(scale, fitting), (value) => below * value >= low && above * value <= high);
  }
  return scale === encoding.scale[0] ? encoding : { ...encoding, scale: Float32Array.of(scale) };
}

/** The largest float32 at or a little below `value` for which the products, as floats, satisfy `fits`. */
function floatBelow(value: number, fits: (value: number) => boolean): number {
  let scale = Math.fround(value);
  const step = 2 ** -23;
  for (let tries = 0; tries < 8 && !(fits(scale) && fits(Math.fround(scale))); tries++)
    scale = Math.fround(scale * (1 - step));
  return scale;
}
