import { BATCH_DEFAULTS, type BatchOptions, batches, type Dataset, type Sample, subset } from "../data/index.js";
import { DataError, throwIfAborted } from "../errors.js";
import {
  byteLengthOf,
  type HostTensor,
  isFixed,
  type Model,
  type SignatureInput,
  signatureOf,
  sizeOf,
  Tensor,
} from "../graph/index.js";
import { float32ToFloat16 } from "../math/index.js";
import { findBatch } from "./find-batch.js";
import type { Session } from "./runner.js";
import type { Sweep, SweptBatch } from "./sweep.js";
import type { TransformContext } from "./transform.js";

/** Tensors by input name. */
export type Feeds = Record<string, HostTensor>;

/** Samples firstIndex … firstIndex + count − 1, as a network takes them. */
export interface FedBatch {
  readonly feeds: Readonly<Feeds>;
  /** Samples that count. */
  readonly count: number;
  /** Samples fed: those behind `count` are zeros, whose results are not to be looked at. */
  readonly fed: number;
  readonly firstIndex: number;
  /** Class indices, when the dataset is labelled. */
  readonly labels?: Int32Array;
}

/** Samples that are looked at for other sizes. */
const LOOKED_AT = 32;

/** Options of {@link forEachBatch}. */
export interface FeedOptions extends Pick<BatchOptions, "batchSize"> {
  /** Names of the outputs wanted. Default: all. */
  readonly fetches?: readonly string[];
  /** What is fed besides the samples, the same for all of them. */
  readonly constants?: Readonly<Feeds>;
  /** What is fed besides the samples, batch by batch. */
  readonly extra?: (batch: FedBatch) => Readonly<Feeds>;
  /** What was fed is wanted afterwards, so the runs happen here. Default: false. */
  readonly keepsFeeds?: boolean;
}

/**
 * How the samples of a dataset are fed to a network: every loop over samples goes through it, whatever the network takes.
 *
 * Several samples share a run where the network allows it, which is found out by running one and two of them ({@link findBatch}); else
 * they are fed one at a time. A network that insists on a number of samples gets that many, the last ones filled up with zeros.
 */
export class Feed {
  private constructor(
    readonly inputs: readonly SignatureInput[],
    readonly dataset: Dataset,
    /** Samples that every run must have; undefined where any number will do. */
    readonly fixed: number | undefined,
  ) {}

  /**
   * @throws {DataError} E5003 samples that are no input of this model. @throws {RunError} E6004 the network does not run on a sample.
   */
  static async of(model: Model, dataset: Dataset, context: TransformContext): Promise<Feed> {
    const { inputs } = signatureOf(model);
    requireFit(inputs, dataset);
    const feedsOf = (some: Dataset, samples: number) => new Feed(inputs, some, undefined).#run(samples);
    return new Feed(inputs, dataset, await findBatch(model, dataset, feedsOf, context));
  }

  /** The samples of a sweep, as whoever asked for it would feed them. */
  static ofSweep({ inputs, fixed, indices }: Sweep, source: Dataset): Feed {
    return new Feed(inputs, subset(source, indices), fixed);
  }

  /** The samples as others can open them; undefined where only this process has them. */
  sweep({ fetches, constants, batchSize = BATCH_DEFAULTS.batchSize }: FeedOptions): Sweep | undefined {
    const { dataset, inputs, fixed } = this;
    const { source } = dataset;
    if (!source) return undefined;
    const indices = Array.from({ length: dataset.length }, (_, index) => source.at(index));
    return { source: source.id, indices, inputs, fixed, batchSize: fixed ?? batchSize, fetches, constants };
  }

  /** The same for other samples of the same kind. */
  over(dataset: Dataset): Feed {
    return new Feed(this.inputs, dataset, this.fixed);
  }

  /** The same in batches of any size, for whoever portions them. */
  free(): Feed {
    return new Feed(this.inputs, this.dataset, undefined);
  }

  /** Names of what the samples are fed as. */
  get names(): string[] {
    return this.inputs.map(({ name }) => name);
  }

  /** The first sample, or as many as the network insists on, to observe shapes with. */
  first(): Promise<Feeds> {
    return this.#run(this.fixed ?? 1, 1);
  }

  /** A sample of other sizes than the first, among the first of them; undefined where all are alike. */
  async other(): Promise<Feeds | undefined> {
    const { dataset } = this;
    if (!dataset.record || dataset.length < 2) return undefined;
    const first = shapesOf(await dataset.record(0));
    for (let index = 1; index < Math.min(dataset.length, LOOKED_AT); index++) {
      const sample = await dataset.record(index);
      if (shapesOf(sample) !== first) return stack(this.inputs, [sample], 1);
    }
    return undefined;
  }

  /** Samples from the first on as one run of `fed`, those behind `count` (default: all there are) zeros. */
  async #run(fed: number, count = Math.min(fed, this.dataset.length)): Promise<Feeds> {
    const { dataset } = this;
    if (dataset.record) {
      const samples: Sample[] = [];
      for (let index = 0; index < count; index++) samples.push(await dataset.record(index));
      return stack(this.inputs, samples, fed);
    }
    const size = sizeOf(dataset.shape);
    const data = new Float32Array(fed * size);
    for (let index = 0; index < count; index++) await dataset.fill(index, data, index * size);
    return this.#feedsOf(data, fed);
  }

  #feedsOf(data: Float32Array, fed: number): Feeds {
    const { name, dtype } = this.inputs[0]!;
    const dims = [fed, ...this.dataset.shape];
    return { [name]: converted(data, dims, dtype) };
  }

  /** The samples in runs, in order; the next ones are read meanwhile. */
  async *batches(options: BatchOptions = {}): AsyncGenerator<FedBatch, void, undefined> {
    const reading = this.fixed === undefined ? options : { ...options, batchSize: this.fixed };
    if (this.dataset.record) {
      yield* this.#records(reading);
      return;
    }
    for await (const { data, count, firstIndex, labels } of batches(this.dataset, reading)) {
      const fed = this.fixed ?? count;
      const feeds = this.#feedsOf(fed === count ? data : padded(data, (data.length / count) * fed), fed);
      yield { feeds, count, fed, firstIndex, ...(labels && { labels }) };
    }
  }

  /** Samples whose sizes are the same share a run; in the order of the dataset, so a batch ends where another size begins. */
  async *#records({ batchSize = BATCH_DEFAULTS.batchSize, signal }: BatchOptions): AsyncGenerator<FedBatch> {
    const { dataset, inputs } = this;
    const { label } = dataset;
    const read = (first: number) =>
      Promise.all(
        Array.from({ length: Math.min(batchSize, dataset.length - first) }, (_, i) => dataset.record!(first + i)),
      );
    let ahead = dataset.length > 0 ? read(0) : undefined;
    for (let first = 0; ahead; first += batchSize) {
      throwIfAborted(signal, "data");
      const samples = await ahead;
      ahead = first + batchSize < dataset.length ? read(first + batchSize) : undefined;
      // A failure waits until its turn; it must not count as unhandled meanwhile.
      ahead?.catch(() => {});
      for (let from = 0, to = 0; from < samples.length; from = to) {
        const key = shapesOf(samples[from]!);
        for (to = from + 1; to < samples.length && shapesOf(samples[to]!) === key; ) to++;
        const count = to - from;
        const fed = this.fixed ?? count;
        const firstIndex = first + from;
        const labels = label && Int32Array.from({ length: count }, (_, i) => label.call(dataset, firstIndex + i));
        const feeds = stack(inputs, samples.slice(from, to), fed);
        yield { feeds, count, fed, firstIndex, ...(labels && { labels }) };
      }
    }
  }
}

/** The samples of one run, when it is over; what was fed is at hand with {@link FeedOptions.keepsFeeds}. */
export type RunBatch = Omit<FedBatch, "feeds"> & Partial<Pick<FedBatch, "feeds">>;

/** Runs an open session over all samples, batch by batch; elsewhere, where the session can have it done. */
export async function forEachBatch(
  session: Session,
  feed: Feed,
  options: FeedOptions,
  { signal }: TransformContext,
  use: (results: Record<string, HostTensor>, batch: RunBatch) => void | Promise<void>,
): Promise<void> {
  const { fetches, batchSize, constants, extra, keepsFeeds } = options;
  const sweep = session.sweep && !extra && !keepsFeeds ? feed.sweep(options) : undefined;
  const swept = sweep && session.sweep?.(sweep, signal);
  if (swept) {
    const { label } = feed.dataset;
    for await (const { results, count, fed, firstIndex } of swept) {
      const labels = label && Int32Array.from({ length: count }, (_, i) => label.call(feed.dataset, firstIndex + i));
      await use(results, { count, fed, firstIndex, ...(labels && { labels }) });
    }
    return;
  }
  const reading = { ...(batchSize !== undefined && { batchSize }), ...(signal && { signal }) };
  for await (const batch of feed.batches(reading)) {
    const feeds = { ...constants, ...batch.feeds, ...extra?.(batch) };
    await use(await session.run(feeds, { ...(fetches && { fetches }), signal }), batch);
  }
}

/** Carries a sweep out: the batches in order, `dataset` being the data that it names. */
export async function runSweep(
  session: Session,
  sweep: Sweep,
  dataset: Dataset,
  use: (batch: SweptBatch) => void,
): Promise<void> {
  const { fetches, constants, batchSize } = sweep;
  const options = { batchSize, ...(fetches && { fetches }), ...(constants && { constants }) };
  await forEachBatch(session, Feed.ofSweep(sweep, dataset), options, {}, (results, { count, fed, firstIndex }) =>
    use({ results, count, fed, firstIndex }),
  );
}

/** The part of a result that belongs to the samples of a batch that count: results are in the order of the samples. */
export function countedPart<T extends { subarray(from: number, to: number): T; readonly length: number }>(
  values: T,
  { fed, count }: Pick<FedBatch, "fed" | "count">,
): T {
  return fed === count ? values : values.subarray(0, (values.length / fed) * count);
}

const shapesOf = (sample: Sample) =>
  Object.keys(sample)
    .sort()
    .map((name) => `${name}:${sample[name]!.dims}`)
    .join(";");

/** Several samples as one run: along the first axis, filled up with zeros. What is the same in all of them and has a fixed size goes once. */
function stack(inputs: readonly SignatureInput[], samples: readonly Sample[], fed: number): Feeds {
  const feeds: Feeds = {};
  for (const { name, dims: declared } of inputs) {
    const tensors = samples.map((sample) => sample[name]!);
    const [first] = tensors as [HostTensor];
    const constant = first.dims.length === 0 || (isFixed(declared?.[0]) && first.dims[0] === declared[0]);
    if (fed === 1 || (constant && tensors.every((tensor) => tensor === first))) {
      feeds[name] = first;
      continue;
    }
    const { length } = first.data;
    const data = zeros(first.dtype, [fed * (first.dims[0] ?? 1), ...first.dims.slice(1)]);
    for (const [at, tensor] of tensors.entries())
      (data.data as Float32Array).set(tensor.data as Float32Array, at * length);
    feeds[name] = data;
  }
  return feeds;
}

/** A tensor of zeros, which are all zero bits in every type. */
export function zeros(dtype: HostTensor["dtype"], dims: readonly number[]): HostTensor {
  const size = sizeOf(dims);
  return { dtype, dims, data: new Tensor(dtype, dims, new Uint8Array(byteLengthOf(dtype, size) ?? 4 * size)).array() };
}

function padded(data: Float32Array, length: number): Float32Array {
  const whole = new Float32Array(length);
  whole.set(data);
  return whole;
}

/** Numbers as an input's element type; what should be an integer is cut to one. */
function converted(data: Float32Array, dims: readonly number[], dtype: SignatureInput["dtype"]): HostTensor {
  switch (dtype) {
    case undefined:
    case "float32":
      return { dtype: "float32", dims, data };
    case "float16":
      return { dtype, dims, data: float32ToFloat16(data) };
    case "int64":
      return { dtype, dims, data: BigInt64Array.from(data, (value) => BigInt(Math.trunc(value))) };
    case "uint64":
      return { dtype, dims, data: BigUint64Array.from(data, (value) => BigInt(Math.trunc(value))) };
    default: {
      const tensor = zeros(dtype, dims);
      (tensor.data as Float32Array).set(data);
      return tensor;
    }
  }
}

/** @throws {DataError} E5003 when samples do not fit what the model takes; open sizes fit everything. */
function requireFit(inputs: readonly SignatureInput[], { shape, record }: Dataset): void {
  if (record) return;
  const data = inputs.filter(({ role }) => role === "data");
  if (inputs.length !== 1) {
    const names = inputs.map(({ name }) => name).join(", ");
    throw new DataError("E5003", `data: one array a sample, the model takes ${inputs.length} inputs (${names})`, {
      expected: inputs.map(({ name }) => name),
      hint: `give an .npz with one array an input (${data.map(({ name }) => name).join(", ")}), or JSON lines with these keys`,
    });
  }
  const declared = inputs[0]!.dims;
  if (!declared) return;
  const wanted = declared.slice(1);
  if (wanted.length === shape.length && wanted.every((dim, i) => !isFixed(dim) || dim === shape[i])) return;
  const written = wanted.map((dim) => dim ?? "?").join(", ");
  throw new DataError("E5003", `data: samples of shape [${shape.join(", ")}], the model takes [${written}]`, {
    tensor: inputs[0]!.name,
    expected: wanted,
    actual: [...shape],
    hint: "open the data for this model's input: resize and layout follow from its shape",
  });
}
