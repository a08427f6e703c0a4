import { type Dataset, subset } from "../data/dataset.js";
import { DataError } from "../errors.js";
import type { Model } from "../graph/index.js";
import {
  countedPart,
  Feed,
  forEachBatch,
  requireData,
  requireRunner,
  type TransformContext,
} from "../runtime/index.js";

/** Options for {@link measureTop1}. */
export interface Top1Options {
  /** Output with one score a class. Default: the first. */
  output?: string;
  /** Samples a run. Default: 128. */
  batchSize?: number;
}

/**
 * Share of `context.data` whose largest output is the labelled class; of equal outputs the first counts.
 * @throws {DataError} E5001 no samples, E5004 no labels.
 */
export async function measureTop1(model: Model, options: Top1Options, context: TransformContext): Promise<number> {
  const dataset = requireData(context, "validation");
  if (dataset.length === 0) throw new DataError("E5001", "validation: no samples", {});
  if (!dataset.label) throw new DataError("E5004", "validation: the data has no labels", {});
  const answers = await answersOf(model, dataset, options, context);
  return answers.reduce((hits, answer, at) => hits + (answer === dataset.label!(at) ? 1 : 0), 0) / dataset.length;
}

/** The dataset with a network's answers as labels: what agrees with them does as the network does. */
export async function answeredBy(model: Model, dataset: Dataset, context: TransformContext): Promise<Dataset> {
  const answers = await answersOf(model, dataset, {}, context);
  return {
    ...subset(
      dataset,
      Array.from(answers, (_, at) => at),
    ),
    label: (index) => answers[index]!,
  };
}

/** The class of the largest output, sample by sample. */
async function answersOf(
  model: Model,
  dataset: Dataset,
  { output = model.graph.outputs[0]!.name, batchSize = 128 }: Top1Options,
  context: TransformContext,
): Promise<Int32Array> {
  const feed = await Feed.of(model, dataset, context);
  const answers = new Int32Array(dataset.length);
  await requireRunner(context, "validation").using(
    model,
    (session) =>
      forEachBatch(session, feed, { fetches: [output], batchSize }, context, (results, batch) => {
        const { count, firstIndex } = batch;
        const scores = countedPart(results[output]!.data as Float32Array, batch);
        const classes = scores.length / count;
        for (let i = 0; i < count; i++) {
          let best = 0;
          for (let k = 1; k < classes; k++) if (scores[i * classes + k]! > scores[i * classes + best]!) best = k;
          answers[firstIndex + i] = best;
        }
      }),
    { purpose: "validation" },
  );
  return answers;
}
