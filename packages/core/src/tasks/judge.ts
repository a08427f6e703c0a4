import { type Dataset, imageTarget, type SampleTruth } from "../data/index.js";
import { DataError, RunError } from "../errors.js";
import type { HostTensor } from "../graph/index.js";
import type { Interval } from "../math/index.js";
import { bootstrap, bootstrapDifference, type PairedDifference } from "../metrics/index.js";
import type { RunBatch } from "../runtime/index.js";
import type { SampleAnswer } from "./answer.js";
import type { Decoder, HeadSettings, HeadTensor, InputSize } from "./heads/head.js";
import { recognise } from "./heads/recognise.js";
import { inImage } from "./in-image.js";
import { TASKS, type TaskName } from "./table.js";
import { allOf, type Judgement, type Metric, type Task } from "./task.js";

/** A figure of one's own; what `--metric ./mine.js` exports by default. */
export interface OwnMetric {
  readonly name: string;
  /** Default: `higher`. */
  readonly better?: Metric["better"];
  /** Default: `share`. */
  readonly unit?: Metric["unit"];
  /** One number for all samples; called for draws of them, too. */
  score(answers: readonly SampleAnswer[], truths: readonly SampleTruth[]): number;
}

/** What a network is judged by. */
export interface TaskOptions {
  readonly task: TaskName;
  /** What does not follow from the outputs, or a decoder of one's own. Default: recognised. */
  readonly decode?: HeadSettings | Decoder;
  /** Judges instead of the task's first figure, which is still reported. */
  readonly metric?: OwnMetric;
}

/** Figures of one network by name of the metric; null where nothing defines it. */
export interface TaskFigures {
  readonly figures: Readonly<Record<string, number | null>>;
  /** Of the first figure: percentile bootstrap over samples, 95 %. */
  readonly interval: Interval | null;
}

/** What a task says of one or two networks; JSON-safe. */
export interface TaskReport {
  readonly task: TaskName;
  /** `labels`, or the float network's own answers: figures then say how far another agrees with it. */
  readonly against: "labels" | "float";
  /** How the outputs were read. */
  readonly decoder: string;
  /** The first one is what limits are set in. */
  readonly metrics: readonly Metric[];
  readonly samples: number;
  readonly baseline: TaskFigures | null;
  readonly candidate: TaskFigures;
  /** How much worse the candidate is in the first figure; of a figure in its own unit, in parts of the baseline's. */
  readonly drop: number | null;
  /** Candidate less baseline on the same draws of samples. */
  readonly paired: PairedDifference | null;
  /** The first figure by class, the worst first. */
  readonly byClass: readonly {
    readonly name: string;
    readonly baseline: number | null;
    readonly candidate: number | null;
  }[];
  /** Samples on which the candidate is worst by the first figure. */
  readonly worstSamples: readonly { readonly id: string; readonly figure: number }[];
}

/** Worst samples that a report names. */
const LISTED = 10;
/** Draws of a bootstrap: fewer where each goes over many objects. */
const DRAWS = { least: 100, most: 1000, objects: 3e7 };

/** Collects what one or two networks say of the same samples and judges it. The first one's outputs show how they are to be read. */
export class TaskJudge {
  readonly task: Task;
  readonly #answers: SampleAnswer[][] = [];
  readonly #truths: SampleTruth[] = [];
  readonly #input: InputSize;
  #decoder: Decoder | undefined;

  constructor(
    readonly options: TaskOptions,
    readonly dataset: Dataset,
  ) {
    this.task = TASKS[options.task];
    const { width = 0, height = 0 } = imageTarget({ shape: dataset.shape }) ?? {};
    this.#input = { width, height };
  }

  /** Whether the samples say themselves what is right. */
  get labelled(): boolean {
    return this.dataset.truth !== undefined || (this.task.classLabels === true && this.dataset.label !== undefined);
  }

  /** The task's figures for this kind of truth, the one that limits are set in first. */
  get metrics(): readonly Metric[] {
    const against = this.labelled ? "labels" : "float";
    const own = this.options.metric;
    const metrics = this.task.metrics.filter((metric) => (metric.against ?? against) === against);
    return own
      ? [
          { name: own.name, better: own.better ?? "higher", unit: own.unit ?? "share", help: "a figure of your own" },
          ...metrics,
        ]
      : metrics;
  }

  /** What network number `model` gives for a batch: its outputs in their order. */
  async add(model: number, outputs: readonly (readonly [string, HostTensor])[], batch: RunBatch): Promise<void> {
    this.#answers[model] ??= [];
    for (let i = 0; i < batch.count; i++) {
      const tensors = outputs.map(([name, tensor]) => ofSample(name, tensor, i, batch));
      const { decode = {} } = this.options;
      this.#decoder ??= isDecoder(decode) ? decode : recognise(this.task.head, tensors, this.#input, decode);
      const index = batch.firstIndex + i;
      const answer = await this.#decoder.decode(tensors, this.#input);
      const placement = await this.dataset.placement?.(index);
      this.#answers[model]![index] = placement ? inImage(answer, placement, this.#input) : answer;
    }
  }

  /** Answers of a network, sample by sample, in pixels of the images. */
  answers(model: number): readonly SampleAnswer[] {
    return this.#answers[model] ?? [];
  }

  /** Forgets what a network said, so that another may take its number. */
  forget(model: number): void {
    delete this.#answers[model];
  }

  /**
   * Judges network 1 against network 0, or network 0 alone; `isFloat`: then it is the float one, its own truth where there are no labels.
   * @throws {DataError} E5004 neither labels nor a float network.
   */
  async report({ isFloat = false } = {}): Promise<TaskReport> {
    const [first, second] = this.#answers as [SampleAnswer[], SampleAnswer[] | undefined];
    const truths = await this.#truthsOf(first, isFloat || second !== undefined);
    const against = this.labelled ? "labels" : "float";
    const judge = (answers: readonly SampleAnswer[]) => this.#judge(truths, answers, against);
    const before = second && judge(first);
    const after = judge(second ?? first);
    const metrics = this.metrics;
    const [main] = metrics as [Metric];
    const bootstrapping = { resamples: drawsFor(second ?? first) };
    const count = truths.length;
    const figures = (own: Judgement): TaskFigures => ({
      figures: Object.fromEntries(metrics.map(({ name }) => [name, defined(own.figures[name])])),
      interval: count > 1 ? bootstrap(count, own.main, bootstrapping) : null,
    });
    const value = (own: Judgement) => own.figures[main.name]!;
    return {
      task: this.options.task,
      against,
      decoder: this.#decoder!.name,
      metrics,
      samples: count,
      baseline: before ? figures(before) : null,
      candidate: figures(after),
      drop: before ? defined(dropOf(main, value(before), value(after))) : null,
      paired: before && count > 1 ? bootstrapDifference(count, before.main, after.main, bootstrapping) : null,
      byClass: this.#byClass(before, after),
      worstSamples: worst(main, after, count).map(({ index, figure }) => ({ id: this.dataset.id(index), figure })),
    };
  }

  async #truthsOf(first: readonly SampleAnswer[], hasFloat: boolean): Promise<readonly SampleTruth[]> {
    const { dataset, task, options } = this;
    if (this.#truths.length > 0) return this.#truths;
    for (let i = 0; i < dataset.length; i++) {
      if (dataset.truth) this.#truths.push(await dataset.truth(i));
      else if (this.labelled) this.#truths.push({ values: [dataset.label!(i)] });
      else if (hasFloat) this.#truths.push(task.truthOf(first[i]!, truthScore(options.decode)));
    }
    if (this.#truths.length === dataset.length) return this.#truths;
    throw new DataError("E5004", `${options.task}: neither labels nor a float model to agree with`, {
      hint: `give --against FLOAT.onnx, or --labels (${task.labels.join(", ")})`,
    });
  }

  #judge(truths: readonly SampleTruth[], answers: readonly SampleAnswer[], against: "labels" | "float"): Judgement {
    const judgement = this.task.judge(truths, answers, against);
    const { metric } = this.options;
    if (!metric) return judgement;
    const of = <T>(all: readonly T[], selection: ArrayLike<number>) => Array.from(selection, (i) => all[i]!);
    const main = (selection: ArrayLike<number>) => metric.score(of(answers, selection), of(truths, selection));
    return { figures: { ...judgement.figures, [metric.name]: main(allOf(truths.length)) }, main };
  }

  #byClass(before: Judgement | undefined, after: Judgement): TaskReport["byClass"] {
    const rows = [...(after.byClass ?? [])].map(([index, candidate]) => ({
      name: this.dataset.classNames?.[index] ?? String(index),
      baseline: defined(before?.byClass?.get(index)),
      candidate: defined(candidate),
    }));
    const lost = ({ baseline, candidate }: (typeof rows)[number]) => (baseline ?? 0) - (candidate ?? 0);
    return rows.sort((a, b) => lost(b) - lost(a));
  }
}

const defined = (value: number | undefined): number | null =>
  value === undefined || !Number.isFinite(value) ? null : value;

const isDecoder = (decode: HeadSettings | Decoder): decode is Decoder => "decode" in decode;

const truthScore = (decode: TaskOptions["decode"]) => (decode && !isDecoder(decode) ? decode.truthScore : undefined);

/** What a limit is set in: the candidate's first figure. */
export function firstFigure({ metrics, candidate }: TaskReport): number | null {
  return candidate.figures[metrics[0]!.name] ?? null;
}

/** `agreement mAP50-95`: what is not judged by labels says so. */
export function metricTitle({ metrics, against }: Pick<TaskReport, "metrics" | "against">): string {
  return against === "float" ? `agreement ${metrics[0]!.name}` : metrics[0]!.name;
}

/** How much worse; of a figure in its own unit, in parts of what it was. */
function dropOf({ better, unit }: Metric, before: number, after: number): number {
  const worse = better === "higher" ? before - after : after - before;
  return unit === "share" ? worse : worse / Math.abs(before || 1);
}

function drawsFor(answers: readonly SampleAnswer[]): number {
  const objects = answers.reduce((sum, { objects: own }) => sum + 1 + (own?.length ?? 0), 0);
  return Math.max(DRAWS.least, Math.min(DRAWS.most, Math.round(DRAWS.objects / objects)));
}

/** Samples by their own figure, the worst first; those where nothing defines it say nothing. */
function worst({ better }: Metric, { main }: Judgement, count: number): { index: number; figure: number }[] {
  const sign = better === "higher" ? 1 : -1;
  return Array.from({ length: count }, (_, index) => ({ index, figure: main([index]) }))
    .filter(({ figure }) => Number.isFinite(figure))
    .sort((a, b) => sign * (a.figure - b.figure) || a.index - b.index)
    .slice(0, LISTED);
}

/** One sample's part of an output. @throws {RunError} E4001 the output has no batch dimension. */
function ofSample(name: string, { dims, data }: HostTensor, index: number, { count, fed }: RunBatch): HeadTensor {
  const values = (
    typeof data[0] === "bigint" ? Float64Array.from(data as BigInt64Array, Number) : data
  ) as Float32Array;
  if (dims[0] === fed || dims[0] === count) {
    const size = data.length / dims[0];
    return { name, dims: dims.slice(1), values: values.subarray(index * size, (index + 1) * size) };
  }
  if (fed === 1) return { name, dims, values };
  throw new RunError("E4001", `task: output "${name}" has no batch dimension`, {
    tensor: name,
    expected: `[${count}, …]`,
    actual: [...dims],
    hint: "give the samples one by one: --batch 1",
  });
}
