import { cloneModel, GraphBuilder, indexGraph, type Model, removeDead } from "../graph/index.js";
import type { ObservedType } from "../runtime/index.js";
import { isNonNegative } from "./known-sign.js";

/** What to collect for one value. Nothing is computed that nobody asked for. */
export interface StatisticsRequest {
  readonly value: string;
  /** E[x] and E[x²] by channel. */
  readonly moments: boolean;
  /** The minimum even where it is known to be at least 0 (0 is recorded otherwise). */
  readonly exactMinimum: boolean;
  /** Every element comes back, for the histogram. */
  readonly histogram: boolean;
}

/** Names of the outputs that carry the statistics of one value; each has shape [N, channels], `raw` the value's own. */
export interface StatisticsOutputs {
  readonly request: StatisticsRequest;
  readonly channels: number;
  /** Elements of the value in one sample. */
  readonly elementsPerSample: number;
  readonly max?: string;
  /** Maximum of −x. */
  readonly negatedMin?: string;
  readonly mean?: string;
  readonly meanSquare?: string;
  /** Small values come back whole and are reduced in JavaScript; so do those with a histogram. */
  readonly raw?: string;
}

/** The model with its outputs replaced by reductions. */
export interface StatisticsGraph {
  readonly model: Model;
  readonly outputs: readonly StatisticsOutputs[];
}

/** Values with at most this many elements a sample come back whole: a reduction would cost more than the copy. */
const SMALL = 4096;

/**
 * Generates the statistics graph. Reductions over space are GlobalMaxPool and GlobalAveragePool, which stay in ONNX Runtime's
 * blocked layout where ReduceMax forces a reorder (measured on MobileNetV1: 1.4–1.6 against 1.9 times plain inference).
 */
export function buildStatisticsGraph(
  source: Model,
  shapes: ReadonlyMap<string, ObservedType>,
  requests: readonly StatisticsRequest[],
): StatisticsGraph {
  const model = cloneModel(source);
  const builder = new GraphBuilder(model.graph);
  const index = indexGraph(source.graph);
  model.graph.outputs = [];
  const outputs: StatisticsOutputs[] = [];
  const expose = (value: string) => {
    builder.output(value);
    return value;
  };
  for (const request of requests) {
    const { value } = request;
    const observed = shapes.get(value);
    if (!observed || observed.dtype !== "float32") continue;
    const dims = observed.dims.slice(1);
    const elementsPerSample = dims.reduce((product, size) => product * size, 1);
    const channels = observed.dims.length >= 3 ? dims[0]! : (dims[dims.length - 1] ?? 1);
    const common = { request, channels, elementsPerSample };
    if (observed.dims.length < 3 || elementsPerSample <= SMALL) {
      const raw = index.isInput(value) ? builder.node("Identity", [value]) : value;
      outputs.push({ ...common, raw: expose(raw) });
      continue;
    }
    const nonNegative = !request.exactMinimum && isNonNegative(source.graph, index, value);
    const flat = (pooled: string) => expose(builder.node("Flatten", [pooled]));
    outputs.push({
      ...common,
      max: flat(builder.node("GlobalMaxPool", [value])),
      ...(!nonNegative && { negatedMin: flat(builder.node("GlobalMaxPool", [builder.node("Neg", [value])])) }),
      ...(request.moments && {
        mean: flat(builder.node("GlobalAveragePool", [value])),
        meanSquare: flat(builder.node("GlobalAveragePool", [builder.node("Mul", [value, value])])),
      }),
      ...(request.histogram && { raw: expose(index.isInput(value) ? builder.node("Identity", [value]) : value) }),
    });
  }
  removeDead(model.graph);
  return { model, outputs };
}
