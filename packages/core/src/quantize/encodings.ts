import type { Calibration } from "../calibrate/index.js";
import { PreconditionError } from "../errors.js";
import type { Graph } from "../graph/index.js";
import { chooseRange, type Encoding, encodingFromRange, type Range, ValueHistogram } from "../math/index.js";
import type { ResolvedQuantizeOptions } from "./options.js";
import type { EncodingGroup } from "./placement.js";

/** Chooses one encoding for every group from the statistics of its values. */
export function activationEncodings(
  graph: Graph,
  groups: readonly EncodingGroup[],
  calibration: Calibration,
  options: ResolvedQuantizeOptions,
): Map<string, Encoding> {
  const signed = options.activations.startsWith("int");
  const encodings = new Map<string, Encoding>();
  for (const group of groups) {
    const range = groupRange(group, calibration, options);
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
  // The order of the graph, so that the file does not depend on the order of groups.
  const order = [...graph.inputs.map(({ name }) => name), ...graph.nodes.flatMap((node) => node.outputs)];
  return new Map(order.flatMap((value) => (encodings.has(value) ? [[value, encodings.get(value)!] as const] : [])));
}

function groupRange(group: EncodingGroup, calibration: Calibration, options: ResolvedQuantizeOptions): Range {
  const statistics = group.rangeFrom.map((value) => calibration.get(value));
  if (options.chooser !== "minmax") {
    const histogram = new ValueHistogram();
    for (const [at, { histogram: part }] of statistics.entries()) {
      if (!part) {
        throw new PreconditionError(
          "E4005",
          `quantize: chooser '${options.chooser}' needs a histogram of value "${group.rangeFrom[at]}"`,
          {
            tensor: group.rangeFrom[at]!,
            hint: "calibrate with histograms: equant calibrate --histograms",
          },
        );
      }
      histogram.merge(part);
    }
    return chooseRange(histogram, {
      chooser: options.chooser,
      bits: options.activationBits,
      symmetric: options.activationSymmetric,
    });
  }
  const min = Math.min(...statistics.map((value) => value.min));
  const max = Math.max(...statistics.map((value) => value.max));
  return { min, max };
}
