import { subset } from "../data/dataset.js";
import { checkLabels } from "../data/labels.js";
import { DataError, OptionsError, PreconditionError } from "../errors.js";
import { observeBatchShapes } from "../gradient/index.js";
import { cloneModel, type Model, requiredInputs } from "../graph/index.js";
import { createRandom } from "../math/random.js";
import { assertFiniteWeights } from "../operators/finite-weights.js";
import {
  Feed,
  type Runner,
  requireData,
  requireRunner,
  type Session,
  type TransformContext,
} from "../runtime/index.js";
import { useBatchStatistics } from "./batch-statistics.js";
import { cachedDataset } from "./cache.js";
import type { Checkpoint, EpochRow, StepValidation } from "./checkpoint.js";
import { divergence, requireFinite } from "./divergence.js";
import { measureTop1 } from "./evaluate.js";
import { type Feeds, fresh, resumed, scalarFeeds, snapshot, withParameters } from "./feeds.js";
import { checkMasks, signatureOf, type TrainOptions, type TrainSettings, trainSettings } from "./options.js";
import { learnableParameters } from "./parameters.js";
import { poolBeforeRelu } from "./pool-first.js";
import { learningRate } from "./schedule.js";
import { buildStepGraph, readsLabels, type StepGraph } from "./step-graph.js";

export interface TrainResult {
  /** The trained model: the given one with new weights. */
  readonly model: Model;
  readonly epochs: readonly EpochRow[];
  readonly checkpoint: Checkpoint;
}

/**
 * Trains a model by gradient descent. A step is one generated graph (forward, loss, backward, update) that ONNX Runtime
 * runs; parameters and optimizer state go round as its inputs and outputs.
 * Same model, data, options and number of threads: same bits, stopped and resumed or not. The given model is not changed.
 *
 * @throws {OptionsError} E2001, E2002, E2004, E2103 bad options. @throws {DataError} E5001 no data, E5004 no labels, or some that are no class.
 * @throws {PreconditionError} E4005 nothing to learn, a batch size that the model fixes, or a checkpoint of another training. @throws {ModelError} E4001 an operator without gradient, E3006 NaN weights.
 * @throws {RunError} E7003 the loss or a weight is no longer finite; E6005 cancelled.
 * @example const { model } = await train(buildDigitNetwork(0), { validation }, { runner, data: digits });
 */
export async function train(model: Model, options: TrainOptions, context: TransformContext): Promise<TrainResult> {
  const settings = trainSettings(options);
  const runner = requireRunner(context, "train");
  const dataset = requireData(context, "train");
  if (dataset.length === 0) throw new DataError("E5001", "train: no samples", {});
  if (readsLabels(settings.loss) && !dataset.label) {
    throw new DataError("E5004", "train: the data has no labels", {
      hint: "or choose loss distillation with a teacher",
    });
  }
  if (settings.validation?.length === 0) {
    throw new DataError("E5001", "train: no samples are held out to validate on", {
      hint: "give more samples a class, or hold out a larger share",
    });
  }
  assertFiniteWeights(model);
  const feed = await Feed.of(model, dataset, context);
  const { fixed } = feed;
  if (fixed !== undefined) {
    throw new PreconditionError("E4005", `train: the model takes exactly ${fixed} samples a run, expected any number`, {
      actual: fixed,
      hint: "export the model with an open (dynamic) batch dimension",
    });
  }
  const input = requiredInputs(model.graph)[0]?.name ?? "";
  const output = settings.output ?? model.graph.outputs[0]?.name ?? "";
  const selected = learnableParameters(model.graph).filter(settings.select ?? (() => true));
  const parameters = selected.map(({ name }) => name);
  if (parameters.length === 0) {
    throw new PreconditionError("E4005", "train: no parameter to train", {
      hint: "integers do not move: train the float model, or its emulation (quantize --format emulation), and quantize that",
    });
  }
  const dims = new Map(parameters.map((name) => [name, model.graph.initializers.get(name)!.dims]));
  const masks = checkMasks(settings.masks ?? new Map(), dims);
  const forward = cloneModel(model);
  forward.graph.outputs = forward.graph.outputs.filter(({ name }) => name === output);
  if (forward.graph.outputs.length === 0) {
    throw new OptionsError("E2103", `train: the model has no output "${output}"`, { tensor: output });
  }
  poolBeforeRelu(forward.graph);
  const shapes = await observeBatchShapes(runner, forward);
  const statistics = settings.batchNorm === "batch" ? useBatchStatistics(forward.graph) : new Map<string, string>();
  const step = buildStepGraph({
    ...{ model: forward, input, output, shapes, masks, statistics, teacher: settings.teacher },
    ...{ loss: settings.loss, optimizer: settings.optimizer, parameters },
  });
  if (settings.teacher) await requireSameOutput(runner, settings.teacher, shapes.get(output)!.dims);
  if (readsLabels(settings.loss)) {
    const classes = shapes.get(output)!.dims.at(-1)!;
    for (const part of [dataset, settings.validation]) if (part) checkLabels(part, classes);
  }
  const signature = signatureOf(settings, parameters, dataset.length);
  const start = settings.resume ? resumed(settings.resume, signature, step) : fresh(model, step, masks);
  const history: EpochRow[] = [...(settings.resume?.history ?? [])];
  let checkpoint = settings.resume ?? snapshot(start, step, 0, signature, history);
  const stepsPerEpoch = Math.ceil(dataset.length / settings.batchSize);
  const quantized = model.graph.nodes.some(({ opType }) => opType === "QuantizeLinear");
  const data = cachedDataset(dataset, settings.cacheBytes);
  const validation = settings.validation && cachedDataset(settings.validation, settings.cacheBytes);
  await runner.using(
    step.model,
    async (session) => {
      let feeds = start;
      for (let epoch = checkpoint.epoch; epoch < settings.epochs; epoch++) {
        const measure = async (now: Feeds) => {
          const trained = withParameters(model, snapshot(now, step, epoch, signature, []).parameters);
          return measureTop1(trained, { output }, { ...context, data: validation! });
        };
        const result = await runEpoch(
          { runner, session, step, feed: feed.over(data), settings, context, epoch, stepsPerEpoch, measure },
          feeds,
        );
        feeds = result.feeds;
        const row: { -readonly [K in keyof EpochRow]: EpochRow[K] } = { epoch: epoch + 1, ...result.row };
        checkpoint = snapshot(feeds, step, epoch + 1, signature, history);
        requireFinite(checkpoint);
        if (validation) row.validationTop1 = await measure(feeds);
        history.push(row);
        checkpoint = { ...checkpoint, history: [...history] };
        await settings.onEpoch?.(row, checkpoint);
      }
    },
    { purpose: "train", ...(quantized && { optimization: "disabled" as const }) },
  );
  return { model: withParameters(model, checkpoint.parameters), epochs: history, checkpoint };
}

/** @throws {PreconditionError} E4005 a teacher of other classes: no loss compares them. */
async function requireSameOutput(runner: Runner, teacher: Model, dims: readonly number[]): Promise<void> {
  const name = teacher.graph.outputs[0]?.name ?? "";
  const own = (await observeBatchShapes(runner, teacher)).get(name)?.dims ?? [];
  if (own.slice(1).join() === dims.slice(1).join()) return;
  const text = (sizes: readonly number[]) => `[${["N", ...sizes.slice(1)].join(", ")}]`;
  throw new PreconditionError("E4005", `train: the teacher's output is ${text(own)}, the student's ${text(dims)}`, {
    tensor: name,
    expected: [...dims],
    actual: [...own],
    hint: "the teacher is a network of the same task, such as the one that was pruned",
  });
}

interface EpochRun {
  readonly runner: Runner;
  readonly session: Session;
  readonly step: StepGraph;
  readonly feed: Feed;
  readonly settings: TrainSettings;
  readonly context: TransformContext;
  readonly epoch: number;
  readonly stepsPerEpoch: number;
  /** Top-1 on the validation data with these parameters. */
  readonly measure: (feeds: Feeds) => Promise<number>;
}

/** One pass over the data in the epoch's own order; returns parameters and states after it. */
async function runEpoch(run: EpochRun, start: Feeds): Promise<{ feeds: Feeds; row: Omit<EpochRow, "epoch"> }> {
  const { runner, session, step, feed, settings, context, epoch, stepsPerEpoch, measure } = run;
  const { validationFrequency: frequency = Number.POSITIVE_INFINITY } = settings;
  const validations: StepValidation[] = [];
  const { dataset } = feed;
  const order = Array.from(createRandom(settings.seed, epoch).permutation(dataset.length));
  let feeds = start;
  let [lossSum, hits, rate, index] = [0, 0, settings.rate, epoch * stepsPerEpoch];
  const { signal } = context;
  const reading = { batchSize: settings.batchSize, ...(signal && { signal }) };
  for await (const { feeds: samples, count, labels } of feed.over(subset(dataset, order)).batches(reading)) {
    const time = { step: index, stepsPerEpoch, epochs: settings.epochs };
    rate = learningRate(settings.rate, settings.schedule, settings.warmupSteps, time);
    const all: Feeds = { ...feeds, ...samples, ...scalarFeeds(step, settings.optimizer, rate, index) };
    if (step.labels !== undefined) all[step.labels] = { dtype: "int32", dims: [count], data: labels! };
    const results = await session.run(all, { signal });
    const loss = results[step.loss]!.data[0] as number;
    if (!Number.isFinite(loss)) throw await divergence(runner, step, all, index);
    lossSum += loss * count;
    if (step.hits !== undefined) hits += results[step.hits]!.data[0] as number;
    feeds = {};
    for (const [from, to] of [...step.parameters, ...step.states]) feeds[from] = results[to]!;
    index++;
    context.onProgress?.({ phase: "train", done: index, total: stepsPerEpoch * settings.epochs });
    // The epoch's end is measured anyway.
    if (index % frequency === 0 && index % stepsPerEpoch !== 0) {
      const measured = { step: index, epoch: index / stepsPerEpoch, top1: await measure(feeds) };
      validations.push(measured);
      settings.onValidation?.(measured);
    }
  }
  const loss = lossSum / dataset.length;
  const top1 = step.hits === undefined ? {} : { top1: hits / dataset.length };
  return { feeds, row: { rate, loss, ...top1, ...(validations.length > 0 && { validations }) } };
}
