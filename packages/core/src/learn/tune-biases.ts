import { keepIfBetter } from "../correct/hold-out.js";
import { findTargets, type Target } from "../correct/targets.js";
import { type Dataset, spread, subset } from "../data/index.js";
import { RunError, throwIfAborted } from "../errors.js";
import { observeBatchShapes } from "../gradient/index.js";
import { type Graph, indexGraph, labelOf } from "../graph/index.js";
import { createRandom } from "../math/index.js";
import {
  Feed,
  type HostTensor,
  requireData,
  requireRunner,
  type Session,
  type Skip,
  type Transform,
  type TransformContext,
} from "../runtime/index.js";
import { cachedDataset } from "../train/cache.js";
import { type Optimizer, SCALARS, scalarsOf } from "../train/optimizer.js";
import { learningRate } from "../train/schedule.js";
import { resolveTuneBiases, type TuneBiasesOptions, type TuneBiasesTask } from "./bias-options.js";
import { type BiasStep, buildBiasStep } from "./bias-step.js";
import { CHECK_SAMPLES, type TuneBiasesReport } from "./report.js";
import { logitsOf, studentModel } from "./student.js";
import { pick, type Teaching, teach } from "./teacher.js";

const OPTIMIZER = { type: "adam" } as const satisfies Optimizer;
/** Decoded samples are kept between epochs up to this many bytes. */
const CACHE_BYTES = 512 * 1024 * 1024;

/**
 * Bias tuning (Meller et al. 2019, §5.3): the float network teaches the quantized one, of which only biases move.
 * The student is the quantized network emulated in float operators, with rounding as the identity for gradients; the
 * teacher's outputs are computed once. Few parameters learn from many values, so some 100 unlabeled images do.
 *
 * A quarter of the samples is kept away from learning and decides, by output SQNR of the integer network against the float
 * one, whether the new biases stay. In place; a throw leaves the model as it was. Cancelled while it learns, it keeps what was learned
 * until then, judged alike: `complete` is false.
 * Needs `context.data`, of which no labels are read: 100 do, more than 1000 gain nothing (Meller et al. 2019, §5.3).
 *
 * @throws {OptionsError} an option. @throws {PreconditionError} E4005: no runner, or `model` is not the plan's QDQ model.
 * @throws {ModelError} E4001 an operator without gradient. @throws {RunError} E7003 the loss is not finite; E6005 cancelled before the first step.
 */
export function tuneBiases(options: TuneBiasesOptions): Transform<TuneBiasesReport> {
  const resolved = resolveTuneBiases(options);
  return async (model, context) => {
    requireRunner(context, "tuneBiases");
    throwIfAborted(context.signal, "tuneBiases");
    return tuneOf({ ...resolved, model, dataset: requireData(context, "tuneBiases") }, context);
  };
}

async function tuneOf(task: TuneBiasesTask, context: TransformContext): Promise<TuneBiasesReport> {
  const found = findTargets("tuneBiases", task);
  const output = task.model.graph.outputs[0]!.name;
  const { targets, skipped } = reaching(task.model.graph, output, found.targets);
  const chosen = spread(task.dataset, Math.min(task.samples, task.dataset.length));
  const start = targets.map(({ bias }) => bias.values);
  let samples = 0;
  const { learned: { epochs, shifts, complete } = { epochs: [], shifts: [], complete: true }, verdict } =
    await keepIfBetter(
      {
        ...task,
        dataset: cachedDataset(chosen, CACHE_BYTES),
        checkSamples: CHECK_SAMPLES,
        places: targets.map(({ bias }) => bias),
        nothing: "no layer to tune",
        async learn(learn) {
          samples = learn.length;
          const tuned = await learnShifts(task, targets, output, learn, context);
          for (const [at, { bias }] of targets.entries()) bias.add(tuned.shifts[at]!);
          return tuned;
        },
      },
      context,
    );
  return {
    transform: "tuneBiases",
    modified: verdict.kept,
    skipped: [...found.skipped, ...skipped],
    samples,
    complete,
    epochs,
    layers: targets.map(({ parameters: { layer } }, at) => ({
      layer: labelOf(layer.node),
      opType: layer.opType,
      maxShift: shifts[at]!.reduce((most, value) => Math.max(most, Math.abs(value)), 0),
      rmsBias: Math.sqrt(start[at]!.reduce((sum, value) => sum + value * value, 0) / start[at]!.length),
    })),
    ...verdict,
    reason: complete ? verdict.reason : `${verdict.reason}; stopped in epoch ${epochs.length} of ${task.epochs}`,
  };
}

/** Layers that the output depends on; the others cannot learn from it. */
function reaching(graph: Graph, output: string, targets: readonly Target[]): { targets: Target[]; skipped: Skip[] } {
  const index = indexGraph(graph);
  const seen = new Set<string>();
  const stack = [output];
  for (let value = stack.pop(); value !== undefined; value = stack.pop()) {
    if (seen.has(value)) continue;
    seen.add(value);
    stack.push(...(index.producer(value)?.inputs.filter((input) => input !== "") ?? []));
  }
  const reaches = ({ parameters }: Target) => seen.has(parameters.layer.node.outputs[0]!);
  const skipped = targets
    .filter((target) => !reaches(target))
    .map(({ parameters: { layer } }) => ({
      node: labelOf(layer.node),
      opType: layer.opType,
      reason: `output "${output}" does not depend on it`,
    }));
  return { targets: targets.filter(reaches), skipped };
}

async function learnShifts(
  options: TuneBiasesTask,
  targets: readonly Target[],
  output: string,
  dataset: Dataset,
  context: TransformContext,
): Promise<Learned> {
  const runner = requireRunner(context, "tuneBiases");
  const student = studentModel(options.model, targets);
  const floatLayers = targets.map(({ floatNode }) => floatNode);
  // Mean squares compare what the check compares; a divergence of distributions wants what comes before the softmax.
  const compared = (graph: Graph, name: string) => (options.loss === "kl" ? logitsOf(graph, name) : name);
  const { graph } = options.floatModel;
  const teaching = await teach(
    options.floatModel,
    compared(graph, graph.outputs[0]!.name),
    floatLayers,
    dataset,
    context,
  );
  const step = buildBiasStep({
    student,
    output: compared(student.model.graph, output),
    loss: options.loss,
    power: teaching.power,
    scale: teaching.scale,
    features: options.features,
    optimizer: OPTIMIZER,
    shapes: await observeBatchShapes(runner, student.model),
  });
  return runner.using(step.model, (session) => learn({ session, step, teaching, options, dataset, context }), {
    purpose: "tuneBiases",
  });
}

interface Lesson {
  readonly session: Session;
  readonly step: BiasStep;
  readonly teaching: Teaching;
  readonly options: TuneBiasesTask;
  readonly dataset: Dataset;
  readonly context: TransformContext;
}

interface Learned {
  /** In units of the layers' outputs. */
  readonly shifts: Float64Array[];
  readonly epochs: { rate: number; loss: number }[];
  readonly complete: boolean;
}

/** Runs all epochs, or as many steps as there are before it is cancelled. */
async function learn({ session, step, teaching, options, dataset, context }: Lesson): Promise<Learned> {
  const { epochs, seed, rate, model } = options;
  const feed = await Feed.of(model, dataset, context);
  const { fixed } = feed;
  const batchSize = fixed ?? options.batchSize;
  const stepsPerEpoch = Math.ceil(dataset.length / batchSize);
  const vector = (channels: number): HostTensor => ({
    dtype: "float32",
    dims: [channels],
    data: new Float32Array(channels),
  });
  let feeds: Record<string, HostTensor> = {};
  for (const { from, channels } of step.states) feeds[from] = vector(channels);
  for (const [at, { from }] of step.shifts.entries()) feeds[from] = vector(teaching.rows[at + 1]!.width);
  const history: { rate: number; loss: number }[] = [];
  const { signal } = context;
  const stopped = () => index > 0 && signal?.aborted === true;
  let index = 0;
  for (let epoch = 0; epoch < epochs && !stopped(); epoch++) {
    const order = Array.from(createRandom(seed, epoch).permutation(dataset.length));
    let [sum, seen] = [0, 0];
    let current = rate;
    for await (const { feeds: samplesFed, count, firstIndex } of feed.over(subset(dataset, order)).batches({
      batchSize,
    })) {
      if (stopped()) break;
      throwIfAborted(signal, "tuneBiases");
      // A model that insists on its batch learns from whole ones: zeros would teach it, too.
      if (fixed !== undefined && count < fixed) continue;
      current = learningRate(rate, { type: "cosine" }, 0, { step: index, stepsPerEpoch, epochs });
      const scalars = scalarsOf(OPTIMIZER, current, index);
      const all: Record<string, HostTensor> = { ...feeds, ...samplesFed };
      all[SCALARS.rate] = { dtype: "float32", dims: [], data: Float32Array.of(scalars.rate) };
      all[SCALARS.correction] = { dtype: "float32", dims: [], data: Float32Array.of(scalars.correction) };
      const samples = order.slice(firstIndex, firstIndex + count);
      for (const [at, name] of step.targets.entries()) all[name] = pick(teaching.rows[at]!, samples);
      const results = await session.run(all);
      const loss = results[step.loss]!.data[0] as number;
      if (!Number.isFinite(loss)) {
        throw new RunError("E7003", `tuneBiases: the loss is ${loss} at step ${index}`, {
          step: index,
          hint: "choose a smaller rate",
        });
      }
      sum += loss * count;
      seen += count;
      feeds = Object.fromEntries([...step.shifts, ...step.states].map(({ from, to }) => [from, results[to]!]));
      index++;
      context.onProgress?.({ phase: "tune biases", done: index, total: stepsPerEpoch * epochs });
    }
    if (seen > 0) history.push({ rate: current, loss: sum / seen });
  }
  const shifts = step.shifts.map(({ from }, at) =>
    Float64Array.from(feeds[from]!.data as Float32Array, (value) => value * teaching.scale[at]!),
  );
  return { shifts, epochs: history, complete: !stopped() || index >= stepsPerEpoch * epochs };
}
