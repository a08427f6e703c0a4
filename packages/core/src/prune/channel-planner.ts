import { shuffled, spread } from "../data/index.js";
import { PreconditionError } from "../errors.js";
import type { Model } from "../graph/index.js";
import { createRandom } from "../math/index.js";
import { forEachWeight, type LinearLayer } from "../operators/index.js";
import { macsOf } from "../operators/macs.js";
import { observeShapes, requireRunner, type Skip, type TransformContext, zeroFeeds } from "../runtime/index.js";
import { type ChannelUnit, type ChannelUnits, channelUnits, MacCounter } from "../shrink/channel-units.js";
import { taylorChannelScores } from "./channel-taylor.js";
import type { MaskPlanner } from "./mask-planner.js";
import type { PrunableParameter } from "./prunable.js";
import type { PruneSettings } from "./prune-options.js";
import { type MaskArrays, roundHalfUp, type Scores } from "./ranking.js";
import type { ParameterValues } from "./weight-scores.js";

/** A block of channels that could go next. */
interface Candidate {
  readonly unit: ChannelUnit;
  readonly groups: readonly number[];
  readonly cost: number;
}

/**
 * Removes whole channels, with all that they are coupled with: the rows that make them and the columns that read them,
 * so that `shrink` can take them out and the function stays what the masks made it.
 */
export class ChannelPlanner implements MaskPlanner {
  readonly #gone = new Set<number>();
  readonly #counter: MacCounter;
  readonly #macs: number;

  private constructor(
    readonly parameters: readonly PrunableParameter[],
    readonly settings: PruneSettings,
    readonly context: TransformContext,
    readonly units: ChannelUnits,
    macs: (layer: LinearLayer) => number,
  ) {
    this.#counter = new MacCounter(units, macs);
    this.#macs = this.#counter.total();
  }

  /** @throws {PreconditionError} E4005 no channel can leave this graph. */
  static async open(
    model: Model,
    parameters: readonly PrunableParameter[],
    settings: PruneSettings,
    context: TransformContext,
  ): Promise<ChannelPlanner> {
    const shapes = await observeShapes(model, zeroFeeds(model), { runner: requireRunner(context, "prune") });
    const units = channelUnits(model, shapes);
    if (units.units.length === 0) {
      throw new PreconditionError("E4005", `prune: no channel can leave: ${units.skipped[0]?.reason ?? "no layers"}`, {
        hint: "choose granularity weights",
      });
    }
    const macs = new Map(macsOf(model, shapes).nodes.map(({ node, macs }) => [node, macs]));
    return new ChannelPlanner(parameters, settings, context, units, ({ node }) => macs.get(node) ?? 0);
  }

  get skipped(): readonly Skip[] {
    return this.units.skipped;
  }

  macsSaved(): number {
    return 1 - this.#counter.total() / this.#macs;
  }

  /** Channels that are gone, by value that a layer makes. */
  removedChannels(): Map<string, number[]> {
    const removed = new Map<string, number[]>();
    for (const { producers, groups } of this.units.units) {
      for (const { output } of producers) {
        const own = this.units.groups.ofValue.get(output)!;
        const wanted = new Set(groups.filter((group) => this.#gone.has(group)));
        const channels = Array.from(own.keys()).filter((channel) => wanted.has(own[channel]!));
        if (channels.length > 0)
          removed.set(
            output,
            [...(removed.get(output) ?? []), ...channels].sort((a, b) => a - b),
          );
      }
    }
    return removed;
  }

  async plan(scores: Scores, target: number, values: ParameterValues, model: Model): Promise<MaskArrays> {
    const ofGroup = await this.#groupScores(scores, values, model);
    const { scope, count: counts } = this.settings;
    const total = (units: readonly ChannelUnit[]) => units.reduce((sum, { groups }) => sum + groups.length, 0);
    const goneIn = (units: readonly ChannelUnit[]) =>
      units.reduce((sum, { groups }) => sum + groups.filter((group) => this.#gone.has(group)).length, 0);
    const parts = scope === "layer" ? this.units.units.map((unit) => [unit]) : [this.units.units];
    for (const units of parts) {
      // By layer, a share of the operations is taken as the same share of every layer's channels.
      const byMacs = counts === "macs" && scope === "global";
      const goal = roundHalfUp(target * total(units));
      const enough = byMacs ? () => this.#counter.total() <= (1 - target) * this.#macs : () => goneIn(units) >= goal;
      while (!enough()) {
        const next = this.#cheapest(units, ofGroup, byMacs);
        // Half a block more than asked for would overshoot: the target is an upper bound there.
        if (!next || (!byMacs && goneIn(units) + next.groups.length > goal)) break;
        for (const group of next.groups) this.#gone.add(group);
        this.#counter.move(next.groups, -1);
      }
    }
    return this.#masks(values);
  }

  /**
   * The block whose removal costs least: by its mean score, or by the square of its score for every operation it saves.
   * Squared, because damage grows faster than the first order says when a block takes much of a layer: in ResNet-20 at 40 %
   * of the operations, in blocks of 8 and 4 steps, 34 % of the answers were right before fine-tuning; by the score itself 18 %.
   */
  #cheapest(
    units: readonly ChannelUnit[],
    scores: ReadonlyMap<number, number>,
    byMacs: boolean,
  ): Candidate | undefined {
    let best: Candidate | undefined;
    const before = byMacs ? this.#counter.total() : 0;
    for (const unit of units) {
      const { channelMultiple } = this.settings;
      const blocks = unit.producers.some(({ convolves }) => convolves);
      const size = blocks && unit.groups.length % channelMultiple === 0 ? channelMultiple : 1;
      const alive = unit.groups.filter((group) => !this.#gone.has(group));
      // The last channel, or block, of a value stays.
      if (alive.length <= size) continue;
      const groups = alive.sort((a, b) => scores.get(a)! - scores.get(b)! || a - b).slice(0, size);
      const score = groups.reduce((sum, group) => sum + scores.get(group)!, 0);
      let cost = score / size;
      if (byMacs) {
        this.#counter.move(groups, -1);
        cost = (score * score) / (before - this.#counter.total());
        this.#counter.move(groups, 1);
      }
      if (!best || cost < best.cost) best = { unit, groups, cost };
    }
    return best;
  }

  /** Score of every group that is left. */
  async #groupScores(scores: Scores, values: ParameterValues, model: Model): Promise<Map<number, number>> {
    const { method, data, scoreSamples, seed } = this.settings;
    if (method === "taylor") {
      const samples = shuffled(spread(data!, scoreSamples), seed);
      return taylorChannelScores(model, this.units, values, samples, this.context);
    }
    const result = new Map<number, number>();
    this.units.units.forEach(({ producers, groups }, stream) => {
      const random = createRandom(seed, stream);
      // Mean magnitude, so that layers of different size compete; flow is shared out among the layers that add up.
      const sums = producers.map((layer) => channelSums(layer, scores));
      for (const group of groups) {
        let score = 0;
        producers.forEach(({ output, tensor, outChannels }, i) => {
          const own = this.units.groups.ofValue.get(output)!;
          const weights = tensor.size / outChannels;
          own.forEach((other, channel) => {
            if (other === group) score += sums[i]![channel]! / (method === "magnitude" ? weights : 1);
          });
        });
        result.set(group, method === "random" ? random.uniform() : score / producers.length);
      }
    });
    return result;
  }

  /** Rows that make removed channels, with their biases, and columns that read them. */
  #masks(values: ParameterValues): MaskArrays {
    const { flow, groups } = this.units;
    const masks = new Map(
      this.parameters.map(({ name, size }) => [name, new Float32Array(values.get(name)?.length ?? size).fill(1)]),
    );
    const isGone = (value: string, channel: number) => this.#gone.has(groups.ofValue.get(value)?.[channel] ?? -1);
    for (const { layer } of flow.nodes) {
      if (!layer) continue;
      const mask = masks.get(layer.weight);
      const bias = layer.bias === undefined ? undefined : masks.get(layer.bias);
      forEachWeight(layer, (flat, out, input) => {
        if (mask && (isGone(layer.output, out) || isGone(layer.input, input))) mask[flat] = 0;
      });
      if (bias) for (let out = 0; out < layer.outChannels; out++) if (isGone(layer.output, out)) bias[out] = 0;
    }
    return masks;
  }
}

/** Sum of the scores of the weights that make each output channel. */
function channelSums(layer: LinearLayer, scores: Scores): Float64Array {
  const sums = new Float64Array(layer.outChannels);
  const own = scores.get(layer.weight);
  if (own) {
    forEachWeight(layer, (flat, out) => {
      sums[out]! += own[flat]!;
    });
  }
  return sums;
}
