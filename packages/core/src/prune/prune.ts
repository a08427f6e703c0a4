import { shuffled, spread } from "../data/index.js";
import { PreconditionError, RunError, throwIfAborted } from "../errors.js";
import { cloneModel, type Model, Tensor } from "../graph/index.js";
import { linearLayers } from "../operators/index.js";
import { requireRunner, type Skip, type TransformContext } from "../runtime/index.js";
import { train } from "../train/index.js";
import { ChannelPlanner } from "./channel-planner.js";
import { type MaskPlanner, patternPlanner, weightPlanner } from "./mask-planner.js";
import { type PrunableParameter, prunableParameters } from "./prunable.js";
import { type PruneOptions, type PruneSettings, pruneSettings, requireIteration } from "./prune-options.js";
import { collapsedLayers, type PruneIteration, prunedLayers, zerosOf } from "./prune-report.js";
import type { MaskArrays, Scores } from "./ranking.js";
import { SynFlowScorer } from "./synflow.js";
import { TaylorScorer } from "./taylor.js";
import { floatsIn, magnitudeScores, masked, maskedValues, randomScores, type Scorer } from "./weight-scores.js";

/** What {@link prune} returns. */
export interface PruneResult {
  /** The pruned network: the given one with zeros, and with other weights where it was fine-tuned. */
  readonly model: Model;
  /** 1 keeps and 0 removes, by parameter, in its shape: what `train` takes as masks, and {@link applyMasks}. */
  readonly masks: ReadonlyMap<string, Tensor>;
  /** The network with the values of removed weights in place: applyMasks(dense, masks) is `model` again. */
  readonly dense: Model;
  readonly iterations: readonly PruneIteration[];
  /** Channels that are gone, by value, for `shrink`; empty unless channels were pruned. */
  readonly channels: ReadonlyMap<string, readonly number[]>;
  /** Layers left alone, with the reason. */
  readonly skipped: readonly Skip[];
  /**
   * The result as it was behind an earlier iteration, from 1: which one serves best is often seen only afterwards, on the curve of
   * `iterations` (MathWorks' selectedIteration). @throws {OptionsError} E2002 there is no such iteration.
   */
  select(iteration: number): PruneResult;
}

/**
 * Prunes a network iteratively (MathWorks' pruning page): score every parameter of the network as it is pruned so far, rank, mask what
 * falls below the threshold, fine-tune where asked, measure. The given model is not changed: masks are values beside the
 * weights, and `dense` keeps what they hide.
 *
 * @throws {OptionsError} E2001, E2002, E2004, E2005 bad options. @throws {PreconditionError} E4005 nothing to prune.
 * @throws {ModelError} E4001 an operator that SynFlow or the gradient has no rule for.
 * @throws {RunError} E7004 nothing flows any more, or a layer collapsed and `onCollapse` is `error`; E6005 cancelled.
 * @example const { model, masks, iterations } = await prune(network, { sparsity: 0.9, steps: 10 }, { runner });
 */
export async function prune(model: Model, options: PruneOptions, context: TransformContext): Promise<PruneResult> {
  const run = new PruneRun(model, pruneSettings(options, context.data), context);
  return run.execute();
}

/** A copy of the model in which everything that a mask removes is exactly 0. */
export function applyMasks(model: Model, masks: ReadonlyMap<string, Tensor>): Model {
  const copy = cloneModel(model);
  for (const [name, mask] of masks) {
    const tensor = copy.graph.initializers.get(name);
    if (tensor?.dtype !== "float32" || tensor.dims.join() !== mask.dims.join() || mask.dtype !== "float32") {
      throw new PreconditionError("E4005", `prune: mask "${name}" does not belong to this model`, {
        tensor: name,
        hint: "masks fit the model they were made for, and its shrunk form does not have the same shapes",
      });
    }
    copy.graph.initializers.set(name, Tensor.float32(tensor.dims, masked(floatsIn(tensor), floatsIn(mask))));
  }
  return copy;
}

class PruneRun {
  readonly #parameters: readonly PrunableParameter[];
  readonly #iterations: PruneIteration[] = [];
  /** Of every iteration: the values, which fine-tuning alone changes, and the channels that are gone. */
  readonly #states: Pick<PruneResult, "dense" | "channels">[] = [];
  /** Iteration in which every value went, by parameter; 0 where it is still there. */
  readonly #goneIn = new Map<string, Uint16Array>();
  #masks = new Map<string, Float32Array>();
  /** The network with all its values, and the same with removed ones 0. */
  #dense: Model;
  /** Values of the layers' parameters as they are pruned now. */
  #values: Map<string, Float32Array>;

  constructor(
    readonly original: Model,
    readonly settings: PruneSettings,
    readonly context: TransformContext,
  ) {
    this.#parameters = prunableParameters(original, settings.parameters);
    this.#dense = cloneModel(original);
    this.#values = valuesOf(this.#dense);
  }

  async execute(): Promise<PruneResult> {
    const { settings, context } = this;
    const planner = await this.#planner();
    let scorer: Scorer | undefined;
    try {
      for (const [index, target] of settings.targets.entries()) {
        throwIfAborted(context.signal, "prune");
        // Fine-tuning moves parameters that a scorer has built in, such as those of normalizations.
        if (settings.fineTune && scorer) {
          await scorer.dispose();
          scorer = undefined;
        }
        // The first target of a linear schedule removes nothing: no need to ask what matters.
        if (target > 0) {
          scorer ??= await this.#scorer();
          await this.#step(planner, scorer, target);
        }
        await this.#record(planner, index, target);
        this.#remember(planner, index + 1);
        const { sparsity, accuracy } = this.#iterations.at(-1)!;
        const values: Record<string, number> = { sparsity, ...(accuracy !== null && { accuracy }) };
        context.onProgress?.({ phase: "prune", done: index + 1, total: settings.targets.length, values });
      }
    } finally {
      await scorer?.dispose();
    }
    return this.#result(planner);
  }

  async #planner(): Promise<MaskPlanner> {
    const { settings, context } = this;
    if (settings.granularity === "channels")
      return ChannelPlanner.open(this.#dense, this.#parameters, settings, context);
    const planner = (settings.pattern ? patternPlanner : weightPlanner)(this.#parameters, settings);
    if (planner.parameters.length > 0) return planner;
    throw new PreconditionError("E4005", `prune: no layer for ${settings.granularity}: ${planner.skipped[0]!.reason}`, {
      hint: "choose granularity weights, or a smaller pattern",
    });
  }

  /** Scores of single parameters; channels add them up, or measure their own (Taylor). */
  async #scorer(): Promise<Scorer> {
    const { settings, context } = this;
    const { method, granularity } = settings;
    const names = this.#parameters.map(({ name }) => name);
    const none = async () => {};
    if (method === "synflow") return SynFlowScorer.open(this.#dense, names, requireRunner(context, "prune"));
    if (method === "taylor" && granularity !== "channels") {
      // Class folders come one class after the other: a batch should see several.
      const data = shuffled(spread(settings.data!, settings.scoreSamples), settings.seed);
      return TaylorScorer.open(this.#dense, names, data, context);
    }
    if (method === "random") {
      return { score: async () => randomScores(this.#parameters, this.#masks, settings.seed), dispose: none };
    }
    return { score: async (values) => magnitudeScores(values), dispose: none };
  }

  async #step(planner: MaskPlanner, scorer: Scorer, target: number): Promise<void> {
    const scores: Scores = await scorer.score(this.#values);
    const masks: MaskArrays = await planner.plan(scores, target, this.#values, this.#dense);
    // What is gone stays gone.
    for (const [name, mask] of masks) {
      const before = this.#masks.get(name);
      this.#masks.set(name, before ? masked(mask, before) : mask);
    }
    this.#values = maskedValues(this.#values, this.#masks);
  }

  async #record(planner: MaskPlanner, index: number, target: number): Promise<void> {
    const { settings } = this;
    const collapsed = collapsedLayers(planner.parameters, this.#masks);
    if (collapsed.length > 0 && settings.onCollapse === "error") {
      throw new RunError(
        "E7004",
        `prune: layer "${collapsed[0]}" lost its last weight at sparsity ${target.toFixed(3)}`,
        {
          node: collapsed[0]!,
          iteration: index + 1,
          hint: "use synflow with more steps, scope layer, or a lower sparsity",
        },
      );
    }
    const before = (await settings.evaluate?.(this.#masked())) ?? null;
    const tunes = settings.fineTune !== undefined && this.#removed() > 0;
    if (tunes) await this.#fineTune(index);
    const accuracy = tunes ? ((await settings.evaluate?.(this.#masked())) ?? null) : before;
    const layers = prunedLayers(planner.parameters, this.#masks, this.#values);
    const total = layers.reduce((sum, { parameters }) => sum + parameters, 0);
    const removed = layers.reduce((sum, own) => sum + own.removed, 0);
    this.#iterations.push({
      iteration: index + 1,
      target,
      sparsity: removed / total,
      accuracy,
      accuracyBefore: tunes ? before : null,
      macsSaved: planner instanceof ChannelPlanner ? planner.macsSaved() : null,
      layers,
      collapsed,
    });
  }

  #remember(planner: MaskPlanner, iteration: number): void {
    for (const [name, mask] of this.#masks) {
      const gone = this.#goneIn.get(name) ?? new Uint16Array(mask.length);
      for (let i = 0; i < mask.length; i++) if (mask[i] === 0 && gone[i] === 0) gone[i] = iteration;
      this.#goneIn.set(name, gone);
    }
    const channels = planner instanceof ChannelPlanner ? planner.removedChannels() : new Map();
    this.#states.push({ dense: this.#dense, channels });
  }

  #removed(): number {
    return [...this.#masks.values()].reduce((sum, mask) => sum + zerosOf(mask), 0);
  }

  /** What is kept behind an iteration; by default, now. */
  #maskTensors(iteration = Number.POSITIVE_INFINITY): Map<string, Tensor> {
    const { initializers } = this.#dense.graph;
    return new Map(
      [...this.#masks].map(([name, mask]) => {
        const gone = this.#goneIn.get(name);
        const then = iteration === Number.POSITIVE_INFINITY ? mask : mask.map((_, i) => keptIn(gone![i]!, iteration));
        return [name, Tensor.float32(initializers.get(name)!.dims, then)];
      }),
    );
  }

  #masked(): Model {
    return applyMasks(this.#dense, this.#maskTensors());
  }

  /** Trains what is left; removed weights keep, behind their masks, the values they had. */
  async #fineTune(index: number): Promise<void> {
    const { data, fineTune, seed } = this.settings;
    const loss = fineTune!.loss ?? { type: data!.label ? "cross-entropy" : "distillation" };
    const teacher = loss.type === "cross-entropy" ? {} : { teacher: this.original };
    const options = { ...teacher, seed: seed + index, ...fineTune, loss, masks: this.#maskTensors() };
    const { model } = await train(this.#masked(), options, { ...this.context, data: data! });
    const hidden = valuesOf(this.#dense);
    this.#dense = model;
    const { initializers } = model.graph;
    for (const [name, mask] of this.#masks) {
      const trained = initializers.get(name)!;
      const old = hidden.get(name)!;
      const values = floatsIn(trained).map((value, i) => (mask[i] === 0 ? old[i]! : value));
      initializers.set(name, Tensor.float32(trained.dims, values));
    }
    this.#values = maskedValues(valuesOf(model), this.#masks);
  }

  #result({ skipped }: Pick<MaskPlanner, "skipped">, iteration = this.#iterations.length): PruneResult {
    const masks = this.#maskTensors(iteration);
    const { dense, channels } = this.#states[iteration - 1]!;
    return {
      model: applyMasks(dense, masks),
      masks,
      dense,
      iterations: this.#iterations.slice(0, iteration),
      channels,
      skipped,
      select: (other) => {
        requireIteration(other, iteration);
        return this.#result({ skipped }, other);
      },
    };
  }
}

function keptIn(goneIn: number, iteration: number): number {
  return goneIn === 0 || goneIn > iteration ? 1 : 0;
}

/** Values of the layers' float32 parameters. */
function valuesOf({ graph }: Model): Map<string, Float32Array> {
  const names = linearLayers(graph).flatMap(({ weight, bias }) => (bias === undefined ? [weight] : [weight, bias]));
  return new Map(
    [...new Set(names)].flatMap((name) => {
      const tensor = graph.initializers.get(name)!;
      return tensor.dtype === "float32" ? [[name, floatsIn(tensor)] as const] : [];
    }),
  );
}
