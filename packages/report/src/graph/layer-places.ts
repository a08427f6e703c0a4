import { longestPathLayers, type Structure } from "./layout-layers.js";

/**
 * Cards by layer, with a place of their own in every layer that an edge passes: all links join neighbouring layers.
 * Places `0 … count − 1` are the cards.
 */
export interface Places {
  readonly count: number;
  readonly layers: readonly (readonly number[])[];
  /** Links as pairs of places, upper first. */
  readonly links: readonly (readonly [upper: number, lower: number])[];
  readonly above: Neighbours;
  readonly below: Neighbours;
  /** By edge: the places from its producer to its consumer, both ends included. */
  readonly chains: readonly (readonly number[])[];
}

/** Neighbours of place p: `list[start[p]] … list[start[p + 1] − 1]`. */
export interface Neighbours {
  readonly start: Int32Array;
  readonly list: Int32Array;
}

export function placesOf(structure: Structure): Places {
  const { count, edges } = structure;
  const layerOf = longestPathLayers(structure);
  const layers: number[][] = [];
  const put = (place: number, layer: number) => {
    layers[layer] ??= [];
    layers[layer].push(place);
  };
  layerOf.forEach((layer, card) => {
    put(card, layer);
  });
  let places = count;
  const links: [number, number][] = [];
  const chains = edges.map(([from, to]) => {
    const chain = [from];
    for (let layer = layerOf[from]! + 1; layer < layerOf[to]!; layer++) {
      put(places, layer);
      chain.push(places++);
    }
    chain.push(to);
    for (let i = 1; i < chain.length; i++) links.push([chain[i - 1]!, chain[i]!]);
    return chain;
  });
  return {
    count,
    layers,
    links,
    above: neighbours(places, links, 1),
    below: neighbours(places, links, 0),
    chains,
  };
}

function neighbours(places: number, links: readonly (readonly [number, number])[], own: 0 | 1): Neighbours {
  const start = new Int32Array(places + 1);
  for (const link of links) start[link[own] + 1]!++;
  for (let place = 0; place < places; place++) start[place + 1]! += start[place]!;
  const next = start.slice();
  const list = new Int32Array(links.length);
  for (const link of links) list[next[link[own]]!++] = link[1 - own]!;
  return { start, list };
}
