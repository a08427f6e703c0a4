import * as ort from "onnxruntime-node";
import { type Calibration, calibrate } from "../../src/calibrate/index.js";
import type { Dataset } from "../../src/data/index.js";
import { cloneModel, type Model, type Node } from "../../src/graph/index.js";
import {
  applyQdq,
  planQuantization,
  type QuantizationPlan,
  type QuantizeOptions,
  quantizationRequests,
} from "../../src/quantize/index.js";
import {
  createRunner,
  exposeValues,
  type Transform,
  type TransformContext,
  type TransformReport,
} from "../../src/runtime/index.js";

/** One thread: the networks are tiny, and threads that wait spin. */
export const runner = createRunner(ort as never, { threads: 1 });

export interface Quantized {
  readonly floatModel: Model;
  readonly model: Model;
  readonly plan: QuantizationPlan;
}

/** What a plan needs to know. */
export function calibrated(model: Model, dataset: Dataset, options: QuantizeOptions): Promise<Calibration> {
  return calibrate(model, { requests: quantizationRequests(model, options) }, { runner, data: dataset });
}

/** The float model, untouched, and its QDQ form. */
export async function quantized(floatModel: Model, dataset: Dataset, options: QuantizeOptions): Promise<Quantized> {
  const calibration = await calibrated(floatModel, dataset, options);
  const model = cloneModel(floatModel);
  const plan = planQuantization(model, calibration, options);
  applyQdq(model, plan);
  return { floatModel, model, plan };
}

/** A dataset with `shift` added to every value: other images. */
export function shifted(dataset: Dataset, shift: number): Dataset {
  return {
    ...dataset,
    async fill(index, out, offset) {
      await dataset.fill(index, out, offset);
      const size = dataset.shape.reduce((a, b) => a * b, 1);
      for (let at = offset; at < offset + size; at++) out[at] = out[at]! + shift;
    },
  };
}

/** Mean of a value by channel (axis 1) over samples and positions: whole values fetched, graph run literally, summed here. */
export async function naiveMean(model: Model, value: string, dataset: Dataset): Promise<number[]> {
  const size = dataset.shape.reduce((a, b) => a * b, 1);
  const data = new Float32Array(dataset.length * size);
  for (let sample = 0; sample < dataset.length; sample++) await dataset.fill(sample, data, sample * size);
  const feed = { dtype: "float32", dims: [dataset.length, ...dataset.shape], data } as const;
  const { [value]: result } = await runner.using(
    exposeValues(model, [value]),
    (session) => session.run({ input: feed }),
    { optimization: "disabled" },
  );
  const [samples = 0, channels = 0] = result!.dims;
  const positions = result!.data.length / samples / channels;
  return Array.from({ length: channels }, (_, c) => {
    let sum = 0;
    for (let sample = 0; sample < samples; sample++) {
      for (let p = 0; p < positions; p++) sum += Number(result!.data[(sample * channels + c) * positions + p]);
    }
    return sum / (samples * positions);
  });
}

/** The integers and scales of a node's bias in a QDQ model. */
export function biasOf(model: Model, node: Node): { name: string; integers: Int32Array; scale: Float32Array } {
  const dequantize = model.graph.nodes.find(({ outputs }) => outputs[0] === node.inputs[2])!;
  const [name, scale] = dequantize.inputs as [string, string];
  return {
    name,
    integers: model.graph.initializers.get(name)!.array() as Int32Array,
    scale: model.graph.initializers.get(scale)!.array() as Float32Array,
  };
}

/** A transform of a quantized network, options, network and samples given at once; options that are wrong reject as well. */
export async function applyTo<O extends object, R extends TransformReport>(
  transform: (options: O) => Transform<R>,
  { model, dataset, ...options }: NoInfer<O> & { readonly model: Model; readonly dataset: Dataset },
  context: TransformContext,
): Promise<R> {
  return transform(options as unknown as O)(model, { ...context, data: dataset });
}
