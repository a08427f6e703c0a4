import { channelFlow, type ObservedShapes } from "../channels/flow.js";
import { labelOf, type Model } from "../graph/index.js";
import { type ScaleClass, scaleClasses } from "./scale-classes.js";

/** One class as `equant equalize --explain` lists it. JSON-safe. */
export interface ClassExplanation {
  readonly id: number;
  /** Channels that can be scaled one by one, and those pinned to 1. */
  readonly free: number;
  readonly pinned: number;
  /** Set when nothing can be scaled. */
  readonly reason: string | undefined;
  /** Layers whose output channels are multiplied, and layers whose input channels are divided. */
  readonly producers: readonly string[];
  readonly consumers: readonly string[];
  /** Clip nodes whose bounds take the factors. */
  readonly clips: readonly string[];
  /** Gates that the factors pass, by the node that makes their output. */
  readonly gates: readonly string[];
  /** Normalisations and Muls by a vector whose constants take the factors. */
  readonly norms: readonly string[];
  readonly values: readonly string[];
  /** Why channels are pinned, with their number. */
  readonly reasons: readonly { readonly reason: string; readonly channels: number }[];
}

/** Lists all scale classes of a model, with members and reasons. */
export function explainClasses(model: Model, shapes: ObservedShapes): ClassExplanation[] {
  return scaleClasses(channelFlow(model.graph, shapes)).classes.map(explainClass);
}

/** One class in words. */
export function explainClass(scaleClass: ScaleClass): ClassExplanation {
  const { id, size, values, producers, consumers, clips, gates, scalings, pinned, reason } = scaleClass;
  const counts = new Map<string, number>();
  for (const why of pinned) if (why !== undefined) counts.set(why, (counts.get(why) ?? 0) + 1);
  const free = pinned.filter((why) => why === undefined).length;
  return {
    id,
    free,
    pinned: size - free,
    reason,
    producers: producers.map(({ layer }) => labelOf(layer.node)),
    consumers: consumers.map(({ layer }) => labelOf(layer.node)),
    clips: clips.map(({ node }) => labelOf(node)),
    gates: gates.map(({ nodes }) => labelOf(nodes.at(-1)!)),
    norms: scalings.map(({ node }) => labelOf(node)),
    values,
    reasons: [...counts].map(([why, channels]) => ({ reason: why, channels })),
  };
}
