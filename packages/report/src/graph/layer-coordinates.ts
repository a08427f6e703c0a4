import type { Neighbours, Places } from "./layer-places.js";
import { CARD } from "./types.js";

const SWEEPS = 8;
/** Free space beside an edge that passes a layer. */
const LANE = 12;
/** How much a link wants to be straight, by how many of its ends are passing: long edges most (Gansner et al. 1993, §4). */
const STRAIGHT = [1, 2, 8] as const;

/**
 * x of every place: each wants the weighted mean of its neighbours, places of a layer keep their order and distance. For one layer that
 * is the least squares problem min Σ w·(x − wanted)² with x[i] − x[i−1] ≥ distance, an isotonic regression solved exactly by pooling
 * neighbours (Ayer et al. 1955); layers take turns, down and up.
 */
export function coordinatesOf(places: Places, order: readonly (readonly number[])[]): Float64Array {
  const { count, above, below } = places;
  const x = new Float64Array(above.start.length - 1);
  const weights = new Float64Array(x.length);
  const offsets = order.map((layer) => {
    const offset = new Float64Array(layer.length);
    for (let at = 1; at < layer.length; at++)
      offset[at] = offset[at - 1]! + distance(layer[at - 1]!, layer[at]!, count);
    layer.forEach((place, at) => {
      x[place] = offset[at]! - offset[layer.length - 1]! / 2;
    });
    return offset;
  });
  const wanted = new Float64Array(x.length);
  const look = (place: number, sides: readonly Neighbours[]) => {
    let [sum, weight] = [0, 0];
    for (const { start, list } of sides) {
      for (let i = start[place]!; i < start[place + 1]!; i++) {
        const other = list[i]!;
        const strength = STRAIGHT[(place >= count ? 1 : 0) + (other >= count ? 1 : 0)]!;
        sum += strength * x[other]!;
        weight += strength;
      }
    }
    wanted[place] = weight === 0 ? x[place]! : sum / weight;
    weights[place] = weight || 0.1;
  };
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    const down = sweep % 2 === 0;
    // The last two look both ways, so that neither side wins.
    const sides = sweep >= SWEEPS - 2 ? [above, below] : [down ? above : below];
    for (let i = 0; i < order.length; i++) {
      const row = down ? i : order.length - 1 - i;
      const layer = order[row]!;
      // All paths meet there: such places stand below each other, so that nothing drifts sideways from block to block.
      if (layer.length === 1) continue;
      for (const place of layer) look(place, sides);
      settle(layer, offsets[row]!, wanted, weights, x);
    }
  }
  return x;
}

function distance(a: number, b: number, count: number): number {
  const half = (place: number) => (place < count ? CARD.width / 2 : 0);
  return half(a) + half(b) + (a < count && b < count ? CARD.gapX : LANE);
}

/** Pools neighbours that want to stand closer than they may: each pool stands at the weighted mean of its members' wishes. */
function settle(
  layer: readonly number[],
  offset: Float64Array,
  wanted: Float64Array,
  weights: Float64Array,
  x: Float64Array,
): void {
  const pools: { mean: number; weight: number; end: number }[] = [];
  layer.forEach((place, at) => {
    let pool = { mean: wanted[place]! - offset[at]!, weight: weights[place]!, end: at + 1 };
    for (let last = pools.at(-1); last && last.mean >= pool.mean; last = pools.at(-1)) {
      pools.pop();
      const weight = last.weight + pool.weight;
      pool = { mean: (last.mean * last.weight + pool.mean * pool.weight) / weight, weight, end: pool.end };
    }
    pools.push(pool);
  });
  let at = 0;
  for (const { mean, end } of pools) for (; at < end; at++) x[layer[at]!] = mean + offset[at]!;
}
