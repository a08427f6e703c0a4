import type { GraphLayout } from "@equant/report/graph";
import type { Neighbours } from "./trace.js";

export type Direction = "consumer" | "producer" | "left" | "right";

/**
 * Where an arrow key leads: the consumer or producer that lies straightest below or above, or the next card of the
 * same layer. Undefined where there is none.
 */
export function neighbourTowards(
  neighbours: Neighbours,
  layout: GraphLayout,
  card: number,
  direction: Direction,
): number | undefined {
  const { x, rows } = layout;
  const away = (other: number) => Math.abs(x[other]! - x[card]!);
  const candidates =
    direction === "consumer"
      ? neighbours.consumers[card]!
      : direction === "producer"
        ? neighbours.producers[card]!
        : [...x.keys()].filter(
            (other) =>
              rows[other] === rows[card] && (direction === "right" ? x[other]! > x[card]! : x[other]! < x[card]!),
          );
  return [...candidates].sort((a, b) => away(a) - away(b) || a - b)[0];
}
