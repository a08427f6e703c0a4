import { BATCH_DEFAULTS, type Dataset, spread, subset } from "../data/index.js";
import { RunError } from "../errors.js";
import type { HostTensor, Model } from "../graph/index.js";
import { tensorOutputs } from "../operators/tensor-values.js";
import {
  Feed,
  forEachBatch,
  type RunBatch,
  requireRunner,
  type SessionOptions,
  type TransformContext,
} from "../runtime/index.js";
import { ratioDb } from "./output-difference.js";
import { comparable, OutputComparison, type OutputError } from "./output-error.js";
import type { SampleError } from "./validation-report.js";

/** Samples of a probe: enough for 0.2 dB, and small outputs stay in memory. */
export const PROBE_SAMPLES = 32;

/** The original's outputs on the samples of one run. */
interface Expected extends Pick<RunBatch, "fed" | "count" | "firstIndex"> {
  readonly outputs: Readonly<Record<string, HostTensor>>;
}

/**
 * The original's outputs, all of them, on a few samples, kept to compare every later state of the model with. What a step claims to
 * gain or to preserve is checked against it.
 */
export class OutputProbe {
  private constructor(
    readonly feed: Feed,
    readonly expected: readonly Expected[],
    readonly batchSize: number | undefined,
    /** Names of the outputs, and where they are among those of the model. */
    readonly positions: readonly (readonly [string, number])[],
  ) {}

  get dataset(): Dataset {
    return this.feed.dataset;
  }

  /**
   * Runs the original model over `samples` of the dataset.
   * @param batchSize Samples a run, where any number will do. Default: {@link BATCH_DEFAULTS}.
   * @throws {RunError} E7001 for NaN in its outputs.
   */
  static async of(
    model: Model,
    dataset: Dataset,
    context: TransformContext,
    samples = PROBE_SAMPLES,
    batchSize?: number,
  ): Promise<OutputProbe> {
    const chosen = spread(dataset, Math.min(samples, dataset.length));
    const feed = await Feed.of(model, chosen, context);
    const fetches = tensorOutputs(model);
    const expected: Expected[] = [];
    await requireRunner(context, "probe").using(
      model,
      (session) =>
        forEachBatch(
          session,
          feed,
          { ...reading(batchSize), fetches },
          context,
          (outputs, { fed, count, firstIndex }) => {
            requireNumbers(outputs, chosen, { fed, count, firstIndex });
            expected.push({ outputs, fed, count, firstIndex });
          },
        ),
      { purpose: "probe" },
    );
    const all = model.graph.outputs.map(({ name }) => name);
    const positions = fetches.map((name) => [name, all.indexOf(name)] as const);
    return new OutputProbe(feed, expected, batchSize, positions);
  }

  /** The same probe over its first samples only. */
  head(): OutputProbe {
    const runs: Expected[] = [];
    let count = 0;
    for (const run of this.expected) {
      if (count >= BATCH_DEFAULTS.batchSize) break;
      runs.push(run);
      count += run.count;
    }
    const indices = Array.from({ length: count }, (_, index) => index);
    return new OutputProbe(this.feed.over(subset(this.dataset, indices)), runs, this.batchSize, this.positions);
  }

  /** Runs another state of the model and compares all outputs. */
  async measure(
    model: Model | Uint8Array,
    context: TransformContext,
    options: SessionOptions = {},
  ): Promise<OutputError> {
    const comparison = new OutputComparison();
    await this.#run(model, context, options, (outputs, at) => {
      comparison.add(this.expected[at]!.outputs, outputs, this.expected[at]!);
    });
    return comparison.error();
  }

  /** The same, sample by sample, over the outputs together. */
  async measureSamples(model: Model | Uint8Array, context: TransformContext): Promise<SampleError[]> {
    const comparison = new OutputComparison();
    const errors: SampleError[] = [];
    await this.#run(model, context, {}, (outputs, at) => {
      const run = this.expected[at]!;
      const samples = [...comparison.add(run.outputs, outputs, run).values()];
      for (let i = 0; i < run.count; i++) {
        const index = run.firstIndex + i;
        errors.push({
          id: this.dataset.id(index),
          sqnrDb: Math.min(...samples.map((output) => ratioDb(output[i]!.signal, output[i]!.noise))),
          label: this.dataset.label?.(index) ?? null,
          same: samples[0]?.[i]?.same ?? true,
        });
      }
    });
    return errors;
  }

  async #run(
    model: Model | Uint8Array,
    context: TransformContext,
    options: SessionOptions,
    use: (outputs: Record<string, HostTensor>, at: number) => void,
  ): Promise<void> {
    let at = 0;
    await requireRunner(context, "probe").using(
      model,
      (session) => {
        // By position: a model made elsewhere may call its outputs by other names.
        const names = this.positions.flatMap(([name, position]) => {
          const own = session.outputNames[position];
          return own === undefined ? [] : [[name, own] as const];
        });
        const fetches = names.map(([, own]) => own);
        return forEachBatch(session, this.feed, { ...reading(this.batchSize), fetches }, context, (outputs) => {
          use(Object.fromEntries(names.map(([name, own]) => [name, outputs[own]!])), at++);
        });
      },
      { purpose: "probe", ...options },
    );
  }
}

function reading(batchSize: number | undefined): { batchSize?: number } {
  return batchSize === undefined ? {} : { batchSize };
}

/** NaN is never meant; an infinity may be (a mask at the output), and is compared as one. */
function requireNumbers(
  outputs: Readonly<Record<string, HostTensor>>,
  dataset: Dataset,
  { fed, count, firstIndex }: Pick<RunBatch, "fed" | "count" | "firstIndex">,
): void {
  for (const [name, tensor] of Object.entries(outputs)) {
    const values = comparable(tensor);
    if (typeof values[0] === "bigint") continue;
    const counted = (values.length / fed) * count;
    for (let i = 0; i < counted; i++) {
      if (!Number.isNaN(values[i])) continue;
      const sample = dataset.id(firstIndex + Math.floor((i * fed) / values.length));
      throw new RunError("E7001", `probe: NaN in output "${name}" for sample ${sample}`, {
        tensor: name,
        sample,
        hint: "check the preprocessing and the model's weights",
      });
    }
  }
}
