import { asSamples, modelUnderTest, type SampleOutputs } from "../analyze/model-under-test.js";
import { OutputComparison } from "../analyze/output-error.js";
import { PairScore } from "../analyze/pair-score.js";
import { DB_LIMIT } from "../analyze/sqnr-report.js";
import { checkLabels, type Dataset } from "../data/index.js";
import { RunError } from "../errors.js";
import type { HostTensor, Model } from "../graph/index.js";
import { forEachBatch, type RunBatch, requireRunner, type TransformContext } from "../runtime/index.js";
import { firstFigure, metricTitle, TaskJudge, type TaskOptions, type TaskReport } from "../tasks/index.js";
import type { TuneReport, TuneTrial } from "./tune-report.js";

type Judged = Pick<TuneTrial, "sqnrDb" | "agreement" | "top1" | "figure" | "interval" | "drop">;

type Results = Readonly<Record<string, HostTensor>>;

/** What the float model gives for the samples of one run. */
interface Expected {
  readonly answer: SampleOutputs;
  readonly outputs: Results;
}

/** Measures candidates against the float model, whose outputs are kept: each candidate costs one pass over the samples. */
export class TuneJudge {
  private constructor(
    readonly dataset: Dataset,
    readonly expected: readonly Expected[],
    readonly context: TransformContext,
    readonly output: PairScore["output"],
    /** Top-1 of the float model; null without labels. */
    readonly floatTop1: number | null,
    /** The float model in the task's measure, and who judges in it. */
    readonly task: { readonly judge: TaskJudge; readonly float: TaskReport } | undefined,
  ) {}

  static async of(
    model: Model,
    dataset: Dataset,
    context: TransformContext,
    task: TaskOptions | undefined,
  ): Promise<TuneJudge> {
    const expected: Expected[] = [];
    const judge = task && new TaskJudge(task, dataset);
    let score: PairScore | undefined;
    await forEachRun(model, "baseline", dataset, context, async (answer, outputs, batch) => {
      await judge?.add(0, Object.entries(outputs), batch);
      const values = Float64Array.from(answer.values);
      const at = values.findIndex((value) => Number.isNaN(value));
      if (at >= 0) {
        const sample = dataset.id(batch.firstIndex + Math.floor(at / answer.size));
        throw new RunError("E7001", `tune: NaN in the output of the float model for sample ${sample}`, {
          sample,
          hint: "check the preprocessing and the model's weights",
        });
      }
      expected.push({ answer: { ...answer, values }, outputs });
      score ??= new PairScore([answer], dataset);
      if (score.output.labelled && expected.length === 1) checkLabels(dataset, score.output.classes!);
      score.add(batch, [answer]);
    });
    const top1 = score!.accuracy(0)?.top1 ?? null;
    const own = judge && { judge, float: await judge.report({ isFloat: true }) };
    return new TuneJudge(dataset, expected, context, score!.output, top1, own);
  }

  get metric(): TuneReport["metric"] {
    if (this.task) return metricTitle(this.task.float);
    if (this.output.labelled) return "top-1";
    return this.output.dims.filter((dim) => dim !== 1).length === 1 ? "agreement" : "output SQNR";
  }

  async measure(model: Model): Promise<Judged> {
    let at = 0;
    let score: PairScore | undefined;
    const comparison = new OutputComparison();
    const judge = this.task?.judge;
    judge?.forget(1);
    await forEachRun(model, "candidate", this.dataset, this.context, async (answer, outputs, batch) => {
      await judge?.add(1, Object.entries(outputs), batch);
      const expected = this.expected[at++]!;
      comparison.add(expected.outputs, outputs, batch);
      const pair = [expected.answer, answer];
      score ??= new PairScore(pair, this.dataset);
      score.add(batch, pair);
    });
    const { drop, agreement } = score!.comparison();
    const accuracy = score!.accuracy(1);
    const task = await judge?.report();
    return {
      sqnrDb: Math.max(-DB_LIMIT, Math.min(DB_LIMIT, comparison.error().sqnrDb)),
      agreement,
      top1: accuracy?.top1 ?? null,
      interval: accuracy?.top1Interval ?? null,
      drop: drop ?? (agreement === null ? null : 1 - agreement),
      ...(task && { figure: firstFigure(task), interval: task.candidate.interval, drop: task.drop }),
    };
  }
}

/** Runs a model over all samples: its answer, and all its outputs. */
async function forEachRun(
  model: Model,
  role: string,
  dataset: Dataset,
  context: TransformContext,
  use: (answer: SampleOutputs, outputs: Results, batch: RunBatch) => Promise<void>,
): Promise<void> {
  const under = await modelUnderTest(model, role, dataset, context);
  await requireRunner(context, "tune").using(
    model,
    (session) =>
      forEachBatch(session, under.feed, { fetches: under.outputs }, context, (outputs, batch) => {
        const ordered = Object.fromEntries(under.outputs.map((name) => [name, outputs[name]!]));
        return use(asSamples(outputs[under.output]!, batch, under), ordered, batch);
      }),
    { purpose: `tune (${role})` },
  );
}
