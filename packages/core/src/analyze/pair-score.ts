import type { Dataset } from "../data/index.js";
import type { RunBatch } from "../runtime/index.js";
import { ClassPair, topConfusions } from "./class-pair.js";
import { type AccuracySummary, ClassScore } from "./class-score.js";
import type { SampleOutputs } from "./model-under-test.js";
import { OutputDifference, ratioDb } from "./output-difference.js";
import { SampleErrors } from "./sample-errors.js";
import type { ValidationReport, WorstSample } from "./validation-report.js";

/** How many samples a report names. */
const LISTED = 10;

type Comparison = Pick<
  ValidationReport,
  | "drop"
  | "agreement"
  | "logitSqnrDb"
  | "mse"
  | "maxDifference"
  | "mcNemar"
  | "evenDrop"
  | "worstClasses"
  | "topConfusions"
  | "worstSamples"
  | "sampleErrors"
>;

/** Takes the outputs of one or two models (the baseline first) over the same samples, batch after batch. */
export class PairScore {
  readonly output: Omit<ValidationReport["output"], "name">;
  readonly #dataset: Dataset;
  readonly #scores: readonly ClassScore[];
  readonly #pair: ClassPair | undefined;
  readonly #difference: OutputDifference | undefined;
  /** Undefined too where what was fed is not at hand. */
  #reconstruction: Float64Array | undefined;
  readonly #worst: WorstSample[] = [];
  readonly #errors = new SampleErrors();
  #samples = 0;

  /** `outputs` are those of the first batch: they show what kind of output this is. */
  constructor(outputs: readonly SampleOutputs[], dataset: Dataset) {
    const { dims, size, exact } = outputs[0]!;
    const likeInput = dims.length === dataset.shape.length && dims.every((dim, i) => dim === dataset.shape[i]);
    // One number a class: [classes], or [classes, 1, 1]. Without labels, what has the input's shape reconstructs it.
    const flat = size > 1 && dims.filter((dim) => dim !== 1).length === 1;
    const kind = flat && (dataset.label || !likeInput) ? "classes" : "values";
    const labelled = kind === "classes" && dataset.label !== undefined;
    this.output = { dims, kind, classes: kind === "classes" ? size : null, labelled };
    this.#dataset = dataset;
    this.#scores = labelled ? outputs.map(() => new ClassScore(size)) : [];
    this.#difference = outputs.length > 1 ? new OutputDifference(dims, exact) : undefined;
    this.#pair = this.#scores.length > 1 ? new ClassPair(this.#scores[0]!, this.#scores[1]!) : undefined;
    this.#reconstruction = likeInput && kind === "values" ? new Float64Array(outputs.length) : undefined;
  }

  add(batch: RunBatch, outputs: readonly SampleOutputs[]): void {
    const { size } = outputs[0]!;
    const [input] = Object.values(batch.feeds ?? {});
    if (!input) this.#reconstruction = undefined;
    for (let i = 0; i < batch.count; i++) {
      const at = i * size;
      const label = batch.labels?.[i];
      const answers = this.#scores.map((score, model) => score.add(outputs[model]!.values, at, label!));
      this.#pair?.add(label!, answers[0]!, answers[1]!);
      if (input) this.#addReconstruction(input.data as Float32Array, outputs, at, size);
      if (this.#difference) {
        const { signal, noise, same } = this.#difference.add(outputs[0]!.values, outputs[1]!.values, at, size);
        const sqnrDb = ratioDb(signal, noise);
        const index = batch.firstIndex + i;
        if (noise > 0) this.#rank(index, sqnrDb, label);
        this.#errors.add(() => ({ id: this.#dataset.id(index), sqnrDb, label: label ?? null, same }));
      }
      this.#samples++;
    }
  }

  accuracy(model: number): AccuracySummary | null {
    return this.#scores[model]?.summary(this.#className) ?? null;
  }

  reconstructionMse(model: number): number | null {
    if (!this.#reconstruction) return null;
    const values = this.output.dims.reduce((product, dim) => product * dim, this.#samples);
    return this.#reconstruction[model]! / values;
  }

  comparison(): Comparison {
    const difference = this.#difference?.summary();
    const pair = this.#pair?.summary(this.#className);
    const candidate = this.#scores.at(-1);
    const baseline = this.#scores.length > 1 ? this.#scores[0] : undefined;
    // The largest of many values is an answer only where there is one answer a sample.
    const answers = this.output.dims.filter((dim) => dim !== 1).length === 1;
    return {
      drop: pair?.drop ?? null,
      agreement: difference && answers ? difference.agreement : null,
      logitSqnrDb: difference && difference.kind !== "exact" ? difference.sqnrDb : null,
      mse: difference?.mse ?? null,
      maxDifference: difference?.maxDifference ?? null,
      mcNemar: pair?.mcNemar ?? null,
      evenDrop: pair?.evenDrop ?? null,
      worstClasses: pair?.worstClasses ?? [],
      topConfusions: candidate ? topConfusions(candidate, baseline, this.#className) : [],
      worstSamples: this.#worst,
      sampleErrors: this.#errors.kept,
    };
  }

  readonly #className = (index: number): string => this.#dataset.classNames?.[index] ?? String(index);

  #addReconstruction(input: Float32Array, outputs: readonly SampleOutputs[], at: number, size: number): void {
    const sums = this.#reconstruction;
    if (!sums) return;
    outputs.forEach(({ values }, model) => {
      let sum = 0;
      for (let i = at; i < at + size; i++) sum += (values[i]! - input[i]!) ** 2;
      sums[model]! += sum;
    });
  }

  /** Keeps the samples with the lowest ratio; the earlier one among equals. */
  #rank(index: number, sqnrDb: number, label: number | undefined): void {
    const worst = this.#worst;
    if (worst.length === LISTED && sqnrDb >= worst[LISTED - 1]!.sqnrDb) return;
    let at = worst.length;
    while (at > 0 && worst[at - 1]!.sqnrDb > sqnrDb) at--;
    worst.splice(at, 0, { id: this.#dataset.id(index), sqnrDb, label: label ?? null });
    if (worst.length > LISTED) worst.pop();
  }
}
