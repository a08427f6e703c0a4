import { knownBounds, least, most, neededBounds, tighter } from "../bounds/index.js";
import { type Calibration, valueTails, withinBounds } from "../calibrate/index.js";
import { PreconditionError } from "../errors.js";
import { type Graph, type GraphIndex, indexGraph, type Node } from "../graph/index.js";
import {
  assertFinite,
  chooseRange,
  type Encoding,
  encodingFromRange,
  type Range,
  tailRange,
  ValueHistogram,
} from "../math/index.js";
import { drawInClips } from "./clip-edges.js";
import type { ResolvedQuantizeOptions } from "./options.js";
import { type EncodingGroup, valueOrder } from "./shared-encodings.js";

/** Chooses one encoding for every group from the statistics of its values. */
export function activationEncodings(
  graph: Graph,
  groups: readonly EncodingGroup[],
  calibration: Calibration,
  common: ResolvedQuantizeOptions,
  settings: ReadonlyMap<Node, { readonly activationBits?: number }> = new Map(),
): Map<string, Encoding> {
  const signed = common.activations.startsWith("int");
  const bitsOf = bitsByValue(graph, groups, settings);
  const encodings = new Map<string, Encoding>();
  const index = indexGraph(graph);
  for (const group of groups) {
    const options = ofGroup(common, group, bitsOf);
    const range = groupRange(graph, index, group, calibration, options);
    const encoding = encodingFromRange(range, {
      bits: options.activationBits,
      dtype: options.activations,
      signed,
      symmetric: options.activationSymmetric,
      narrow: false,
      powerOfTwo: options.powerOfTwo,
    });
    for (const value of group.values) encodings.set(value, encoding);
  }
  drawInClips(graph, encodings);
  // The order of the graph, so that the file does not depend on the order of groups.
  return new Map(
    valueOrder(graph).flatMap((value) => (encodings.has(value) ? [[value, encodings.get(value)!] as const] : [])),
  );
}

/** Bits of the values that nodes with settings of their own give, behind the activation where that is fused. */
function bitsByValue(
  graph: Graph,
  groups: readonly EncodingGroup[],
  settings: ReadonlyMap<Node, { readonly activationBits?: number }>,
): Map<string, number> {
  const bits = new Map<string, number>();
  if (settings.size === 0) return bits;
  const encoded = new Set(groups.flatMap(({ values }) => values));
  const index = indexGraph(graph);
  for (const [{ outputs }, { activationBits }] of settings) {
    if (activationBits === undefined) continue;
    for (const output of outputs) {
      let value = output;
      for (let uses = index.uses(value); !encoded.has(value) && uses.length === 1; uses = index.uses(value)) {
        value = uses[0]!.node.outputs[0]!;
      }
      bits.set(value, activationBits);
    }
  }
  return bits;
}

/** Values that share an encoding take the most bits that one of them asks for. */
function ofGroup(
  common: ResolvedQuantizeOptions,
  { values }: EncodingGroup,
  bitsOf: ReadonlyMap<string, number>,
): ResolvedQuantizeOptions {
  const asked = values.flatMap((value) => bitsOf.get(value) ?? []);
  if (asked.length === 0) return common;
  const activationBits = Math.max(...asked);
  const sign = common.activations.startsWith("int") ? "int" : "uint";
  const stored = activationBits > 8 ? 16 : common.activations.endsWith("16") ? 16 : 8;
  return { ...common, activationBits, activations: `${sign}${stored}` };
}

function groupRange(
  graph: Graph,
  index: GraphIndex,
  group: EncodingGroup,
  calibration: Calibration,
  options: ResolvedQuantizeOptions,
): Range {
  const constants = group.rangeFrom.flatMap((value) => {
    const tensor = graph.initializers.get(value);
    return tensor ? [rangeOfConstant(value, tensor.array() as Float32Array)] : [];
  });
  const measured = group.rangeFrom.filter((value) => !graph.initializers.has(value));
  const ranges =
    measured.length > 0 ? [...constants, measuredRange(graph, index, measured, calibration, options)] : constants;
  return {
    min: ranges.reduce((min, range) => Math.min(min, range.min), Number.POSITIVE_INFINITY),
    max: ranges.reduce((max, range) => Math.max(max, range.max), Number.NEGATIVE_INFINITY),
  };
}

/** All of it: a constant is no sample of a distribution. */
function rangeOfConstant(name: string, values: Float32Array): Range {
  assertFinite(values, `quantize: constant "${name}"`, name);
  let min = 0;
  let max = 0;
  for (const value of values) {
    if (value < min) min = value;
    if (value > max) max = value;
  }
  return { min, max };
}

/** The range of what was measured, no farther than what reads it tells elements apart. */
function measuredRange(
  graph: Graph,
  index: GraphIndex,
  values: readonly string[],
  calibration: Calibration,
  options: ResolvedQuantizeOptions,
): Range {
  const chosen = chosenRange(graph, index, values, calibration, options);
  const parts = values.map((value) => neededRange(graph, index, calibration, value));
  const min = Math.max(chosen.min, Math.min(0, ...parts.map((part) => part.min)));
  const max = Math.min(chosen.max, Math.max(0, ...parts.map((part) => part.max)));
  // What is cut off must end a step beyond the point from which on nothing changes, wherever the zero point is rounded to.
  const step = (max - min) / (2 ** options.activationBits - 2);
  const seen = values.map((value) => calibration.get(value));
  const isCut = { low: seen.some((own) => own.min < min - step), high: seen.some((own) => own.max > max + step) };
  return { min: isCut.low ? min - step : min, max: isCut.high ? max + step : max };
}

/** How far a value was seen to go, up to {@link neededBounds}; ±Infinity where these do not end. */
function neededRange(graph: Graph, index: GraphIndex, calibration: Calibration, value: string): Range {
  const bounds = neededBounds(graph, index, value);
  const open = { min: least(bounds.low), max: most(bounds.high) };
  const stats = calibration.get(value).channelStats();
  if (!stats || (open.min === Number.NEGATIVE_INFINITY && open.max === Number.POSITIVE_INFINITY)) return open;
  const { min, max } = withinBounds(stats, bounds);
  return {
    min: open.min === Number.NEGATIVE_INFINITY ? open.min : least(Float64Array.from(min)),
    max: open.max === Number.POSITIVE_INFINITY ? open.max : most(Float64Array.from(max)),
  };
}

function chosenRange(
  graph: Graph,
  index: GraphIndex,
  values: readonly string[],
  calibration: Calibration,
  options: ResolvedQuantizeOptions,
): Range {
  const statistics = values.map((value) => calibration.get(value));
  if (options.calibrator === "minmax") {
    const min = Math.min(...statistics.map((value) => value.min));
    const max = Math.max(...statistics.map((value) => value.max));
    return { min, max };
  }
  if (options.calibrator === "tail") return unseenRange(graph, index, values, calibration, options);
  const histogram = new ValueHistogram();
  for (const [at, { histogram: part }] of statistics.entries()) {
    if (!part) {
      throw new PreconditionError(
        "E4005",
        `quantize: calibrator '${options.calibrator}' needs a histogram of value "${values[at]}"`,
        { tensor: values[at]!, hint: "calibrate with histograms: equant calibrate --histograms" },
      );
    }
    histogram.merge(part);
  }
  return chooseRange(histogram, {
    chooser: options.calibrator,
    bits: options.activationBits,
    symmetric: options.activationSymmetric,
  });
}

/** Each value's minimum and maximum, extended by what unseen samples will reach. */
function unseenRange(
  graph: Graph,
  index: GraphIndex,
  values: readonly string[],
  calibration: Calibration,
  { activationBits }: ResolvedQuantizeOptions,
): Range {
  const ranges = values.map((value) => {
    const stats = calibration.get(value).channelStats();
    if (!stats?.tail) {
      throw new PreconditionError("E4005", `quantize: calibrator 'tail' needs the tails of value "${value}"`, {
        tensor: value,
        hint: "calibrate with them: equant calibrate --calibrator tail",
      });
    }
    const { tails, limits } = valueTails(
      stats,
      tighter(knownBounds(graph, index, value), neededBounds(graph, index, value)),
    );
    return tailRange(tails, 2 ** activationBits - 1, limits);
  });
  return { min: Math.min(...ranges.map(({ min }) => min)), max: Math.max(...ranges.map(({ max }) => max)) };
}
