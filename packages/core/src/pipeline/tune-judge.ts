import { modelUnderTest, runSamples, type SampleOutputs } from "../analyze/model-under-test.js";
import { PairScore } from "../analyze/pair-score.js";
import { DB_LIMIT } from "../analyze/sqnr-report.js";
import { batches, checkLabels, type Dataset } from "../data/index.js";
import { RunError } from "../errors.js";
import type { Model } from "../graph/index.js";
import { requireRunner, type TransformContext } from "../runtime/index.js";
import type { TuneReport, TuneTrial } from "./tune-report.js";

type Judged = Pick<TuneTrial, "sqnrDb" | "agreement" | "top1" | "interval" | "drop">;

/** Measures candidates against the float model, whose outputs are kept: each candidate costs one pass over the samples. */
export class TuneJudge {
  private constructor(
    readonly dataset: Dataset,
    readonly expected: readonly SampleOutputs[],
    readonly context: TransformContext,
    readonly output: PairScore["output"],
    /** Top-1 of the float model; null without labels. */
    readonly floatTop1: number | null,
  ) {}

  static async of(model: Model, dataset: Dataset, context: TransformContext): Promise<TuneJudge> {
    const expected: SampleOutputs[] = [];
    let score: PairScore | undefined;
    await forEachBatch(model, "baseline", dataset, context, (outputs, batch) => {
      const values = Float64Array.from(outputs.values);
      const at = values.findIndex((value) => !Number.isFinite(value));
      if (at >= 0) {
        const sample = dataset.id(batch.firstIndex + Math.floor(at / outputs.size));
        throw new RunError("E7001", `tune: NaN or Inf in the output of the float model for sample ${sample}`, {
          sample,
          hint: "check the preprocessing and the model's weights",
        });
      }
      expected.push({ ...outputs, values });
      score ??= new PairScore([outputs], dataset);
      if (score.output.labelled && expected.length === 1) checkLabels(dataset, score.output.classes!);
      score.add(batch, [outputs]);
    });
    return new TuneJudge(dataset, expected, context, score!.output, score!.accuracy(0)?.top1 ?? null);
  }

  get metric(): TuneReport["metric"] {
    if (this.output.labelled) return "top-1";
    return this.output.dims.filter((dim) => dim !== 1).length === 1 ? "agreement" : "output SQNR";
  }

  async measure(model: Model): Promise<Judged> {
    let at = 0;
    let score: PairScore | undefined;
    await forEachBatch(model, "candidate", this.dataset, this.context, (outputs, batch) => {
      const pair = [this.expected[at++]!, outputs];
      score ??= new PairScore(pair, this.dataset);
      score.add(batch, pair);
    });
    const { drop, agreement, logitSqnrDb } = score!.comparison();
    const accuracy = score!.accuracy(1);
    return {
      sqnrDb: Math.max(-DB_LIMIT, Math.min(DB_LIMIT, logitSqnrDb!)),
      agreement,
      top1: accuracy?.top1 ?? null,
      interval: accuracy?.top1Interval ?? null,
      drop: drop ?? (agreement === null ? null : 1 - agreement),
    };
  }
}

type Batch = Parameters<PairScore["add"]>[0];

async function forEachBatch(
  model: Model,
  role: string,
  dataset: Dataset,
  context: TransformContext,
  use: (outputs: SampleOutputs, batch: Batch) => void,
): Promise<void> {
  const under = modelUnderTest(model, role, dataset.shape);
  const { signal } = context;
  await requireRunner(context, "tune").using(
    model,
    async (session) => {
      for await (const batch of batches(dataset, { ...(signal && { signal }) })) {
        use(await runSamples(session, under, batch.data, batch.dims, signal), batch);
      }
    },
    { purpose: `tune (${role})` },
  );
}
