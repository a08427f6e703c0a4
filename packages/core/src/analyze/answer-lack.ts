import type { Dataset } from "../data/index.js";
import type { HostTensor, Model } from "../graph/index.js";
import { exposeValues, Feed, forEachBatch, requireRunner, type TransformContext } from "../runtime/index.js";

/**
 * What the answers of a classifier lack of telling images apart: ln(classes or images, whichever are fewer) minus the information they
 * carry, H(mean answer) − mean H(answer), in nats, for a selection of images. Confident answers that vary lack little; unsure ones, or
 * the same one for every image, lack nearly all. Undefined where the network's first output is not one vector of scores a sample.
 */
export async function answerLack(
  model: Model,
  dataset: Dataset,
  context: TransformContext,
): Promise<((selection: ArrayLike<number>) => number) | undefined> {
  const [output] = model.graph.outputs;
  if (!output) return undefined;
  const answers: Float64Array[] = [];
  const exposed = exposeValues(model, [output.name]);
  const feed = await Feed.of(exposed, dataset, context);
  await requireRunner(context, "preprocessing").using(
    exposed,
    (session) =>
      forEachBatch(session, feed, { batchSize: 8 }, context, (results, { count, fed }) => {
        const scores = results[output.name]!;
        if (!isAnswer(scores, fed)) return;
        const classes = scores.data.length / fed;
        const values = scores.data as Float32Array;
        for (let index = 0; index < count; index++)
          answers.push(probabilities(values.subarray(index * classes, (index + 1) * classes)));
      }),
    { purpose: "preprocessing" },
  );
  if (answers.length !== dataset.length) return undefined;
  const most = Math.log(Math.min(answers[0]!.length, answers.length));
  return (selection) => Math.max(most - information(answers, selection), LEAST);
}

/** Below this, lacks are alike. */
const LEAST = 1e-3;

function isAnswer({ dtype, dims, data }: HostTensor, fed: number): boolean {
  return (
    dtype === "float32" &&
    dims.length >= 2 &&
    dims[0] === fed &&
    data.length / fed >= 2 &&
    dims.at(-1) === data.length / fed
  );
}

/** Scores that are shares already stay; others go through softmax. */
function probabilities(scores: Float32Array): Float64Array {
  const sum = scores.reduce((total, score) => total + score, 0);
  if (Math.abs(sum - 1) < 1e-3 && scores.every((score) => score >= 0)) return Float64Array.from(scores);
  const largest = scores.reduce((most, score) => Math.max(most, score), -Infinity);
  const powers = Float64Array.from(scores, (score) => Math.exp(score - largest));
  const total = powers.reduce((all, power) => all + power, 0);
  return powers.map((power) => power / total);
}

function information(answers: readonly Float64Array[], selection: ArrayLike<number>): number {
  const mean = new Float64Array(answers[0]!.length);
  let own = 0;
  for (let at = 0; at < selection.length; at++) {
    const answer = answers[selection[at]!]!;
    own += entropy(answer) / selection.length;
    for (let index = 0; index < mean.length; index++) mean[index] = mean[index]! + answer[index]! / selection.length;
  }
  return entropy(mean) - own;
}

function entropy(shares: Float64Array): number {
  let sum = 0;
  for (const share of shares) if (share > 0) sum -= share * Math.log(share);
  return sum;
}
