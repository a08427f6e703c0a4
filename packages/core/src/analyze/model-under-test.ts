import type { Dataset } from "../data/index.js";
import { DataError, ModelError, RunError } from "../errors.js";
import { type HostTensor, type Model, sizeOf } from "../graph/index.js";
import { tensorOutputs } from "../operators/tensor-values.js";
import { type FedBatch, Feed, type Feeds, type Session, type TransformContext } from "../runtime/index.js";
import { comparable, isExact } from "./output-error.js";

/** Output values of some samples, sample after sample. */
export interface SampleOutputs {
  readonly values: ArrayLike<number>;
  /** Shape of one sample's output. */
  readonly dims: readonly number[];
  /** Values of one sample. */
  readonly size: number;
  /** Elements are equal or not: integers, booleans. */
  readonly exact: boolean;
}

/** How a model is fed with samples, and what it gives. */
export interface ModelUnderTest {
  readonly model: Model;
  /** `baseline` or `candidate`, for messages. */
  readonly role: string;
  readonly feed: Feed;
  /** The output that answers: labels are compared with it. */
  readonly output: string;
  /** All outputs that are tensors. */
  readonly outputs: readonly string[];
}

/**
 * Finds out how a model is fed, and what it gives. The output that answers is `output`, or else the first of floats, or else the first.
 * @throws {ModelError} E3003 no output. @throws {DataError} E5003 the samples do not fit the inputs.
 */
export async function modelUnderTest(
  model: Model,
  role: string,
  dataset: Dataset,
  context: TransformContext,
  output?: string,
): Promise<ModelUnderTest> {
  const outputs = tensorOutputs(model);
  const float = model.graph.outputs.find(({ name, dtype }) => outputs.includes(name) && !isExact(dtype ?? "float32"));
  const chosen = output !== undefined && outputs.includes(output) ? output : (float?.name ?? outputs[0]);
  if (chosen === undefined) throw new ModelError("E3003", `validate: the ${role} has no output`, {});
  try {
    return { model, role, feed: await Feed.of(model, dataset, context), output: chosen, outputs };
  } catch (error) {
    if (!(error instanceof DataError) || error.code !== "E5003") throw error;
    throw new DataError("E5003", `validate: ${role}: ${error.message.replace(/^data: /, "")}`, error.details, error);
  }
}

/** Runs a batch through an open session, in portions where the model insists on another number of samples than were read. */
export async function runSamples(
  session: Session,
  { feed: { fixed }, outputs }: ModelUnderTest,
  { feeds, fed, count }: FedBatch,
  signal: AbortSignal | undefined,
): Promise<Record<string, HostTensor>> {
  const options = { fetches: outputs, signal };
  if (fixed === undefined || fixed === fed) return session.run(feeds, options);
  const parts: Record<string, HostTensor>[] = [];
  for (let first = 0; first < count; first += fixed) {
    parts.push(await session.run(portion(feeds, fed, first, fixed), options));
  }
  return Object.fromEntries(
    outputs.map((name) => [
      name,
      joined(
        parts.map((part) => part[name]!),
        count,
        fixed,
      ),
    ]),
  );
}

/** `samples` of the `fed` from `first` on. A last portion that is too small is filled up with zeros, whose outputs are thrown away. */
function portion(feeds: Readonly<Feeds>, fed: number, first: number, samples: number): Feeds {
  const cut = ([name, tensor]: [string, HostTensor]): [string, HostTensor] => {
    const { dtype, dims, data } = tensor;
    if (dims[0] !== fed) return [name, tensor];
    const size = data.length / fed;
    const part = data.slice(0, 0).constructor as new (length: number) => Float32Array;
    const values = new part(samples * size);
    values.set((data as Float32Array).subarray(first * size, (first + samples) * size));
    return [name, { dtype, dims: [samples, ...dims.slice(1)], data: values }];
  };
  return Object.fromEntries(Object.entries(feeds).map(cut));
}

function joined(parts: readonly HostTensor[], count: number, portion: number): HostTensor {
  const { dtype, dims, data } = parts[0]!;
  const size = data.length / portion;
  const Values = data.constructor as new (length: number) => Float32Array;
  const all = new Values(parts.length * portion * size);
  for (const [at, part] of parts.entries()) all.set(part.data as Float32Array, at * portion * size);
  return { dtype, dims: [count, ...dims.slice(1)], data: all.subarray(0, count * size) };
}

/** One output as numbers, sample by sample. @throws {RunError} E4001 the output has no batch dimension. */
export function asSamples(
  tensor: HostTensor,
  { count, fed }: Pick<FedBatch, "count" | "fed">,
  { output, role }: ModelUnderTest,
): SampleOutputs {
  const { dims } = tensor;
  const values = comparable(tensor);
  const numbers = typeof values[0] === "bigint" ? Float64Array.from(values, Number) : (values as ArrayLike<number>);
  const perSample = dims[0] === fed || dims[0] === count ? dims.slice(1) : fed === 1 ? dims : undefined;
  if (!perSample) {
    throw new RunError("E4001", `validate: output "${output}" of the ${role} has no batch dimension`, {
      tensor: output,
      expected: `[${count}, …]`,
      actual: [...dims],
      hint: "the first dimension of input and output must count the samples; or validate with --batch 1",
    });
  }
  return { values: numbers, dims: perSample, size: sizeOf(perSample), exact: isExact(tensor.dtype) };
}
