import { type Dataset, subset } from "../data/index.js";
import { RunError } from "../errors.js";
import { type HostTensor, isFixed, type Model, signatureOf, sizeOf } from "../graph/index.js";
import { tensorOutputs } from "../operators/tensor-values.js";
import { requireRunner, type TransformContext } from "./transform.js";

/** What was found out for the samples of one origin, by what the network takes and gives. */
const FOUND = new WeakMap<object, Map<string, Promise<number | undefined>>>();

/** Share of the largest output value by which results of one and of two samples may differ: the order of sums, no more. */
const SAME = 1e-3;

type Feeds = Readonly<Record<string, HostTensor>>;

/**
 * Samples that every run of a network must have, or undefined where any number will do. Found out and not guessed: what the file declares
 * for the batch may be a mistake of its export (`Reshape [1, …]` inside), the first axis may be time, or there is no batch dimension at
 * all. So one and two samples are run: where the outputs of two are not those of the one and of the other, one below the other, samples are
 * fed one at a time.
 */
export async function findBatch(
  model: Model,
  dataset: Dataset,
  feedsOf: (dataset: Dataset, samples: number) => Promise<Feeds>,
  context: TransformContext,
): Promise<number | undefined> {
  const { inputs, outputs } = signatureOf(model);
  const known = FOUND.get(dataset.origin ?? dataset) ?? new Map<string, Promise<number | undefined>>();
  FOUND.set(dataset.origin ?? dataset, known);
  const key = JSON.stringify([inputs, outputs, structure(model)]);
  const found = known.get(key);
  if (found) return found;
  const declared = await declaredBatch(model, dataset);
  if (declared !== undefined) return declared;
  // Nothing to share a run with, or nothing to find out with.
  if (dataset.length < 2) return dataset.record ? 1 : undefined;
  if (!context.runner) return undefined;
  const finding = tryTwo(model, dataset, feedsOf, context);
  known.set(key, finding);
  try {
    return await finding;
  } catch (error) {
    known.delete(key);
    throw error;
  }
}

/** Operators that compression adds and takes away; none of them has to do with the batch. */
const COME_AND_GO = [
  "QuantizeLinear",
  "DequantizeLinear",
  "BatchNormalization",
  "Identity",
  "Constant",
  "Clip",
  "Min",
  "Max",
  "Mul",
  "Add",
];

/** What decides about batches, and is the same for a network before and after compression: kinds of operators, and shapes that are written in. */
function structure({ graph }: Model): string[] {
  const kinds = new Set<string>();
  for (const { opType, inputs } of graph.nodes) {
    if (COME_AND_GO.includes(opType)) continue;
    const shape = opType === "Reshape" || opType === "Expand" ? graph.initializers.get(inputs[1] ?? "") : undefined;
    kinds.add(shape ? `${opType} ${shape.numbers()}` : opType);
  }
  return [...kinds].sort();
}

/** A number of samples that the file itself fixes. */
async function declaredBatch(model: Model, dataset: Dataset): Promise<number | undefined> {
  const inputs = signatureOf(model).inputs.filter(({ role }) => role === "data");
  const sample = dataset.record && dataset.length > 0 ? await dataset.record(0) : undefined;
  for (const { name, dims } of inputs) {
    const first = dims?.[0];
    if (!isFixed(first)) continue;
    return sample && sample[name]?.dims[0] === first ? 1 : first;
  }
  return undefined;
}

async function tryTwo(
  model: Model,
  dataset: Dataset,
  feedsOf: (dataset: Dataset, samples: number) => Promise<Feeds>,
  context: TransformContext,
): Promise<number | undefined> {
  const fetches = tensorOutputs(model);
  const pair = await alike(dataset);
  const [a, b] = pair.map((index) => subset(dataset, [index])) as [Dataset, Dataset];
  return requireRunner(context, "data").using(
    model,
    async (session) => {
      const options = { fetches, signal: context.signal };
      const first = await session.run(await feedsOf(a, 1), options).catch((error: unknown) => {
        throw withSizes(model, error);
      });
      const second = pair[0] === pair[1] ? first : await session.run(await feedsOf(b, 1), options);
      try {
        const both = await session.run(await feedsOf(subset(dataset, pair), 2), options);
        const names = Object.keys(both);
        return names.every((name) => isStacked(first[name], second[name], both[name])) ? undefined : 1;
      } catch (error) {
        if (error instanceof RunError && error.code === "E6004") return 1;
        throw error;
      }
    },
    { purpose: "data" },
  );
}

/** Where a model that leaves sizes open does not run on the data's: says that they may have to be others. */
function withSizes(model: Model, error: unknown): unknown {
  if (!(error instanceof RunError && error.code === "E6004")) return error;
  const open = signatureOf(model).inputs.filter(({ dims }) => dims?.slice(1).some((dim) => !isFixed(dim)));
  if (open.length === 0) return error;
  const names = open.map(({ name }) => name).join(", ");
  const hint = `the model leaves sizes of ${names} open, but may not take these: sound in windows with --stride N, images with --resize HxW`;
  return new RunError("E6004", error.message, { ...error.details, hint }, error.cause);
}

/** Two different samples of one size, or the first one twice. */
async function alike(dataset: Dataset): Promise<[number, number]> {
  if (!dataset.record) return [0, 1];
  const shapes = async (index: number) =>
    JSON.stringify(Object.values(await dataset.record!(index)).map(({ dims }) => dims));
  const first = await shapes(0);
  for (let index = 1; index < Math.min(dataset.length, 32); index++)
    if ((await shapes(index)) === first) return [0, index];
  return [0, 0];
}

/** Whether `both` is `a` above `b`. What is no tensor cannot be compared, and is not fetched either. */
function isStacked(a: HostTensor | undefined, b: HostTensor | undefined, both: HostTensor | undefined): boolean {
  if (!a || !b || !both) return true;
  const rows = (a.dims[0] ?? 0) + (b.dims[0] ?? 0);
  if (a.dims.length === 0 || both.dims[0] !== rows) return false;
  if (both.dims.slice(1).join() !== a.dims.slice(1).join() || b.dims.slice(1).join() !== a.dims.slice(1).join())
    return false;
  const size = sizeOf(a.dims);
  let largest = 0;
  let difference = 0;
  for (let i = 0; i < both.data.length; i++) {
    const value = Number(both.data[i]);
    const alone = Number(i < size ? a.data[i] : b.data[i - size]);
    if (value === alone || (Number.isNaN(value) && Number.isNaN(alone))) continue;
    if (!Number.isFinite(value - alone)) return false;
    largest = Math.max(largest, Math.abs(alone));
    difference = Math.max(difference, Math.abs(value - alone));
  }
  return difference <= SAME * largest;
}
