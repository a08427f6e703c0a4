import type { Neighbours, Places } from "./layer-places.js";

/** Sweeps down and up; crossings hardly become fewer after that. */
const SWEEPS = 6;
/** Passes that exchange neighbours where that saves crossings. */
const EXCHANGES = 3;

/**
 * Orders every layer so that few links cross: places go to the mean position of their neighbours in the layer before
 * (Sugiyama et al. 1981, barycentre heuristic), down and up in turn; neighbours are then exchanged while that helps. The order with the
 * fewest crossings is taken. O(sweeps · E log V).
 */
export function orderLayers(places: Places): number[][] {
  const order = depthFirst(places);
  const position = new Float64Array(places.above.start.length - 1);
  const number = (layer: readonly number[]) => {
    for (let at = 0; at < layer.length; at++) position[layer[at]!] = at;
  };
  for (const layer of order) number(layer);
  let best = order.map((layer) => [...layer]);
  let fewest = crossings(order, places.below, position);
  for (let sweep = 0; sweep < SWEEPS && fewest > 0; sweep++) {
    const down = sweep % 2 === 0;
    const side = down ? places.above : places.below;
    for (let i = 1; i < order.length; i++) {
      const layer = order[down ? i : order.length - 1 - i]!;
      sortByMean(layer, side, position);
      number(layer);
    }
    exchange(order, places, position);
    const found = crossings(order, places.below, position);
    if (found >= fewest) continue;
    fewest = found;
    best = order.map((layer) => [...layer]);
  }
  return best;
}

/** Layers in the order in which a walk along the links comes upon their places: what hangs together stands together. */
export function depthFirst({ layers, below }: Places): number[][] {
  const order: number[][] = layers.map(() => []);
  const rowOf = new Int32Array(below.start.length - 1);
  layers.forEach((layer, row) => {
    for (const place of layer) rowOf[place] = row;
  });
  const seen = new Uint8Array(rowOf.length);
  const stack: number[] = [];
  for (const layer of layers) {
    for (const root of layer) {
      if (seen[root]) continue;
      stack.push(root);
      for (let place = stack.pop(); place !== undefined; place = stack.pop()) {
        if (seen[place]) continue;
        seen[place] = 1;
        order[rowOf[place]!]!.push(place);
        for (let i = below.start[place + 1]! - 1; i >= below.start[place]!; i--) stack.push(below.list[i]!);
      }
    }
  }
  return order;
}

/** Sorts a layer by the mean position of each place's neighbours; who has none stays where it is. */
function sortByMean(layer: number[], { start, list }: Neighbours, position: Float64Array): void {
  const means = new Map<number, number>();
  for (const place of layer) {
    let sum = 0;
    for (let i = start[place]!; i < start[place + 1]!; i++) sum += position[list[i]!]!;
    const degree = start[place + 1]! - start[place]!;
    means.set(place, degree === 0 ? position[place]! : sum / degree);
  }
  layer.sort((a, b) => means.get(a)! - means.get(b)! || position[a]! - position[b]!);
}

/** Exchanges neighbours in a layer while their links cross less the other way round. */
function exchange(order: readonly number[][], { above, below }: Places, position: Float64Array): void {
  for (let pass = 0; pass < EXCHANGES; pass++) {
    let gained = false;
    for (const layer of order) {
      for (let at = 0; at + 1 < layer.length; at++) {
        const [left, right] = [layer[at]!, layer[at + 1]!];
        const now = between(left, right, above, position) + between(left, right, below, position);
        if (now === 0) continue;
        if (between(right, left, above, position) + between(right, left, below, position) >= now) continue;
        layer[at] = right;
        layer[at + 1] = left;
        position[right] = at;
        position[left] = at + 1;
        gained = true;
      }
    }
    if (!gained) return;
  }
}

/** Crossings between the links of two places when `left` stands left of `right`. */
function between(left: number, right: number, { start, list }: Neighbours, position: Float64Array): number {
  let found = 0;
  for (let i = start[left]!; i < start[left + 1]!; i++) {
    const end = position[list[i]!]!;
    for (let k = start[right]!; k < start[right + 1]!; k++) if (position[list[k]!]! < end) found++;
  }
  return found;
}

/** Crossings of all links: inversions among the lower ends in the order of the upper ones, counted with a tree of sums. */
export function crossings(
  order: readonly (readonly number[])[],
  { start, list }: Neighbours,
  position: Float64Array,
): number {
  let found = 0;
  for (let row = 0; row + 1 < order.length; row++) {
    const size = order[row + 1]!.length;
    const tree = new Int32Array(size + 1);
    let seen = 0;
    for (const place of order[row]!) {
      const ends = Array.from(list.subarray(start[place]!, start[place + 1]!), (other) => position[other]!);
      for (const end of ends) {
        let before = 0;
        for (let i = end + 1; i > 0; i -= i & -i) before += tree[i]!;
        found += seen - before;
      }
      // Links of one place do not cross each other.
      for (const end of ends) for (let i = end + 1; i <= size; i += i & -i) tree[i]!++;
      seen += ends.length;
    }
  }
  return found;
}
