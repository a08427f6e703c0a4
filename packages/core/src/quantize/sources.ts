import type { Calibration } from "../calibrate/index.js";
import { type GraphIndex, isOp, type Node } from "../graph/index.js";
import { factsOf } from "../operators/facts.js";
import type { LinearLayer } from "../operators/index.js";

/** The calibrated value from which another follows through operators that only move data. */
export interface CalibratedSource {
  readonly value: string;
  /** The operators between, the last one first. */
  readonly movers: readonly Node[];
}

/** Only moves data: input and output share one scale. */
const isMover = (node: Node | undefined): node is Node => factsOf(node)?.integer?.ort === "shared";

/**
 * What a mover makes is not calibrated: its range is that of its input. This walks back to the value that was.
 * Undefined where there is none.
 */
export function calibratedSource(
  index: GraphIndex,
  calibration: Calibration,
  value: string,
): CalibratedSource | undefined {
  const movers: Node[] = [];
  const seen = new Set<string>();
  for (let at = value; !seen.has(at); ) {
    if (calibration.values.has(at)) return { value: at, movers };
    seen.add(at);
    const node = index.producer(at);
    if (!isMover(node)) return undefined;
    movers.push(node);
    at = node.inputs[0] ?? "";
  }
  return undefined;
}

/**
 * An upper bound of every input channel of a layer, from the channel maxima of what was calibrated: its own where channels
 * stay channels, the maximum of the whole value where they do not (or where channels lie along another axis, as they do
 * for MatMul on three axes). Undefined without statistics.
 */
export function inputMaxima(
  index: GraphIndex,
  calibration: Calibration,
  layer: LinearLayer,
): ArrayLike<number> | undefined {
  const source = calibratedSource(index, calibration, layer.input);
  if (!source) return undefined;
  const statistics = calibration.values.get(source.value)!;
  const own = statistics.channels?.max;
  const { inChannels } = layer;
  const flattens = source.movers.filter((node) => isOp(node, "Flatten")).length;
  const kept =
    source.movers.every((node) => factsOf(node)?.channels === "kept" || isOp(node, "Flatten")) && flattens <= 1;
  if (own && kept && layer.opType !== "MatMul" && inChannels % own.length === 0) {
    const each = inChannels / own.length;
    if (each === 1 || flattens === 1)
      return Float64Array.from({ length: inChannels }, (_, c) => own[Math.floor(c / each)]!);
  }
  return new Float64Array(inChannels).fill(statistics.max);
}
