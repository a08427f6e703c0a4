import { DataError } from "@equant/core/errors";
import {
  activationChain,
  type Dataset,
  exposeValues,
  Feed,
  type HostTensor,
  indexGraph,
  type Model,
  labelOf as nodeLabel,
  parseModel,
  qdqName,
  type Runner,
  subset,
  topK,
} from "@equant/core/lab";
import type { Activation, Answer, SampleComparison } from "../protocol.js";
import { type CallContext, transformContext } from "./context.js";
import { heatMap, meanOverChannels } from "./heat-map.js";
import { labelOf, thumbnailOf } from "./thumbnails.js";

/** What two networks make of one sample. */
export interface SamplePair {
  /** The network that was opened. */
  readonly original: Model;
  /** The float network that was quantized (folded, equalized): its channels have the scales of the quantized one's. */
  readonly floatBytes: Uint8Array;
  readonly bytes: Uint8Array;
  readonly dataset: Dataset;
}

/** One sample in the float and in the quantized network: first answers, and the output of a layer. @throws {DataError} E5001 no such sample. */
export async function compareSample(
  { original, floatBytes, bytes, dataset }: SamplePair,
  id: string,
  layer: string | null,
  call: CallContext,
): Promise<SampleComparison> {
  const { runner } = await transformContext(call);
  const index = Array.from({ length: dataset.length }, (_, at) => at).find((at) => dataset.id(at) === id);
  if (index === undefined) {
    throw new DataError("E5001", `validate: ${id} is not among the samples`, { hint: "open the same data again" });
  }
  const one = subset(dataset, [index]);
  const quantized = parseModel(bytes, { file: "result" });
  const float = parseModel(floatBytes, { file: "float" });
  const answer = (model: Model) => answerOf(model, one, runner, dataset.classNames);
  return {
    id,
    label: labelOf(dataset, index),
    thumbnail: (await thumbnailOf(dataset, index)) ?? null,
    float: await answer(original),
    quantized: await answer(quantized),
    activation: layer === null ? null : await activationOf(float, quantized, layer, one, runner),
  };
}

const FIRST = 5;

async function answerOf(
  model: Model,
  one: Dataset,
  runner: Runner,
  names: readonly string[] | undefined,
): Promise<Answer> {
  const output = model.graph.outputs[0]!.name;
  const { data, dims } = (await runOn(model, one, [output], runner))[0]!;
  const values = Float32Array.from(data as Float32Array).subarray(0, data.length / (dims[0] || 1));
  if (dims.length !== 2 || values.length < 2) return { top: [] };
  return { top: topK(values, FIRST).map((at) => ({ name: names?.[at] ?? `class ${at}`, value: values[at]! })) };
}

async function runOn(model: Model, one: Dataset, values: readonly string[], runner: Runner): Promise<HostTensor[]> {
  const feeds = await (await Feed.of(model, one, { runner })).first();
  const isOutput = values.length === 1 && values[0] === model.graph.outputs[0]!.name;
  return runner.using(
    isOutput ? model : exposeValues(model, values),
    async (session) => {
      const results = await session.run(feeds, { fetches: values });
      return values.map((value) => results[value]!);
    },
    // What is exposed must be what the file says, not what is left of it after fusing.
    { purpose: "activation", ...(!isOutput && { optimization: "disabled" }) },
  );
}

/** A layer's output behind its activation, in both networks; null where one of them does not have it. */
async function activationOf(
  float: Model,
  quantized: Model,
  layer: string,
  one: Dataset,
  runner: Runner,
): Promise<Activation | null> {
  const pair = comparedValues(float, quantized, layer);
  if (!pair) return null;
  const [before] = await runOn(float, one, [pair.float], runner);
  const [after] = await runOn(quantized, one, [pair.quantized], runner);
  if (before!.dtype !== "float32" || after!.dtype !== "float32" || before!.data.length !== after!.data.length)
    return null;
  const batch = before!.dims[0] || 1;
  const part = (tensor: HostTensor) => (tensor.data as Float32Array).subarray(0, tensor.data.length / batch);
  const [x, y] = [part(before!), part(after!)];
  let [signal, noise] = [0, 0];
  const difference = x.map((value, at) => {
    signal += value * value;
    noise += (value - y[at]!) ** 2;
    return value - y[at]!;
  });
  const dims = before!.dims.slice(1);
  const map = (values: Float32Array) => heatMap(meanOverChannels(values, dims));
  return {
    layer,
    sqnrDb: noise === 0 ? 300 : Math.max(-300, 10 * Math.log10(signal / noise)),
    float: map(x),
    quantized: map(y),
    difference: map(difference),
  };
}

/** Names of a layer's output in the two networks: behind its activation, and behind rounding where that is in the file. */
export function comparedValues(
  float: Model,
  quantized: Model,
  layer: string,
): { float: string; quantized: string } | undefined {
  const node = float.graph.nodes.find((candidate) => nodeLabel(candidate) === layer);
  if (!node) return undefined;
  const made = new Set(quantized.graph.nodes.flatMap(({ outputs }) => outputs));
  const values = activationChain(indexGraph(float.graph), node.outputs[0]!);
  const rounded = values.findLast((value) => made.has(qdqName(value, "dequantized")));
  if (rounded !== undefined) return { float: rounded, quantized: qdqName(rounded, "dequantized") };
  const kept = values.findLast((value) => made.has(value));
  return kept === undefined ? undefined : { float: kept, quantized: kept };
}
