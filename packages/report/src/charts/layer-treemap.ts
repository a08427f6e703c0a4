import type { LayerRow } from "../schema.js";
import { token } from "./colours.js";
import { type Chart, defineChart } from "./frame.js";
import { box, customMark, element, type Place, px } from "./marks.js";
import { bytes, count, percent, shortName } from "./text.js";

export interface LayerTreemapOptions {
  /** Whose bytes are areas: as stored before or after. Default: `'after'`. */
  of?: "before" | "after";
}

interface Tile {
  readonly layer: LayerRow;
  readonly size: number;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** Width of a letter at 10 px, generously. */
const LETTER = 5.8;
/** Step of the sequential ramp by bits: float is lightest. */
const stepOf = (bits: number) => (bits >= 32 ? 1 : bits > 8 ? 2 : bits > 4 ? 4 : 6);

/** Size of the layers' parameters as areas, largest first, coloured by the bits they are stored in. */
export function layerTreemap(layers: readonly LayerRow[], options: LayerTreemapOptions = {}): Chart {
  const { of = "after" } = options;
  const sizeOf = (layer: LayerRow) => (of === "after" ? layer.bytesAfter : layer.bytesBefore);
  const sorted = [...layers].sort((a, b) => sizeOf(b) - sizeOf(a));
  const total = sorted.reduce((sum, layer) => sum + sizeOf(layer), 0);
  const share = (layer: LayerRow) => (total > 0 ? sizeOf(layer) / total : 0);
  const [largest] = sorted;
  const half = sorted.reduce(
    ({ sum, n }, layer) => (sum >= total / 2 ? { sum, n } : { sum: sum + sizeOf(layer), n: n + 1 }),
    { sum: 0, n: 0 },
  ).n;
  const floats = layers.filter(({ bits }) => bits >= 32).reduce((sum, layer) => sum + sizeOf(layer), 0);
  const texts = {
    id: "layer-treemap",
    title: `Where the ${bytes(total)} of parameters are`,
    unit: "area: bytes; colour: stored bits",
    summary: largest
      ? `${count(half, "layer")} of ${layers.length} ${half === 1 ? "holds" : "hold"} half of the bytes, the largest is ${largest.name} with ${bytes(sizeOf(largest))} (${percent(share(largest))}); ${percent(total > 0 ? floats / total : 0)} ${floats === 0 ? "is" : "are"} float.`
      : "There are no parameters.",
    table: {
      columns: ["layer", "operator", "bits", "bytes", "share"],
      rows: sorted.map((layer) => [
        layer.name,
        layer.opType,
        layer.bits,
        sizeOf(layer),
        Number(share(layer).toPrecision(3)),
      ]),
      layerColumn: 0,
    },
  };
  return defineChart(texts, ({ width }) => {
    const height = Math.min(320, Math.max(180, Math.round(width * 0.42)));
    const kinds = [...new Set(sorted.map(({ bits }) => bits))].sort((a, b) => b - a);
    return {
      width,
      height: height + 20,
      margin: 1,
      marginTop: 21,
      x: { domain: [0, 1], axis: null },
      y: { domain: [0, 1], axis: null },
      marks: [
        customMark((place) => [
          ...legend(place, kinds),
          ...treemap(
            sorted.map((layer) => ({ layer, size: sizeOf(layer) })),
            place.right - place.left,
            place.bottom - place.top,
          ).map((tile) => draw(place, tile, share(tile.layer))),
        ]),
      ],
    };
  });
}

/**
 * Squarified treemap (Bruls, Huizing, van Wijk 2000): tiles fill rows along the shorter side, a row closes when one more
 * tile would make its worst aspect ratio worse. `items` are in descending order; those without size have no tile.
 */
export function treemap(
  items: readonly { readonly layer: LayerRow; readonly size: number }[],
  width: number,
  height: number,
): Tile[] {
  const total = items.reduce((sum, { size }) => sum + size, 0);
  const tiles: Tile[] = [];
  if (!(total > 0)) return tiles;
  const scale = (width * height) / total;
  let rest = items.filter(({ size }) => size > 0);
  let [x, y, w, h] = [0, 0, width, height];
  while (rest.length > 0) {
    const side = Math.min(w, h);
    let [taken, area] = [0, 0];
    let best = Number.POSITIVE_INFINITY;
    for (const [at, { size }] of rest.entries()) {
      const next = area + size * scale;
      const thickness = next / side;
      const longest = (rest[0]!.size * scale) / thickness;
      const shortest = (size * scale) / thickness;
      const worst = Math.max(longest / thickness, thickness / shortest);
      if (at > 0 && worst > best) break;
      [best, area, taken] = [worst, next, at + 1];
    }
    const thickness = area / side;
    let along = 0;
    for (const { layer, size } of rest.slice(0, taken)) {
      const length = (size * scale) / thickness;
      tiles.push(
        w >= h
          ? { layer, size, x, y: y + along, width: thickness, height: length }
          : { layer, size, x: x + along, y, width: length, height: thickness },
      );
      along += length;
    }
    if (w >= h) [x, w] = [x + thickness, w - thickness];
    else [y, h] = [y + thickness, h - thickness];
    rest = rest.slice(taken);
  }
  return tiles;
}

/** The bits that occur, with their colours. */
function legend({ document, left }: Place, kinds: readonly number[]): SVGElement[] {
  return kinds.flatMap((bits, at) => {
    const x = left + 64 * at;
    const words = bits >= 32 ? "float" : `${bits} bit`;
    return [
      element(document, "path", { d: box(x, 3, x + 12, 15), style: `fill:${token(`seq-${stepOf(bits)}`)}` }),
      element(document, "text", { x: x + 17, y: 13, "text-anchor": "start", style: `fill:${token("ink")}` }, words),
    ];
  });
}

function draw(place: Place, { layer, size, ...tile }: Tile, share: number): SVGElement {
  const { document } = place;
  const [x, y] = [place.left + tile.x, place.top + tile.y];
  const step = stepOf(layer.bits);
  const group = element(document, "g", { "data-layer": layer.name });
  group.append(
    element(
      document,
      "title",
      {},
      `${layer.name}, ${layer.opType}: ${bytes(size)} in ${layer.bits} bits, ${percent(share)}`,
    ),
    element(document, "path", {
      class: "eq-tile",
      d: box(x, y, x + tile.width, y + tile.height),
      style: `fill:${token(`seq-${step}`)};stroke:${token("ground")}`,
    }),
  );
  const letters = Math.floor((tile.width - 10) / LETTER);
  const style = `fill:${token(`on-seq-${step}`)};font-size:10px`;
  const line = (words: string, at: number) =>
    element(document, "text", { x: px(x + 5), y: px(y + at), "text-anchor": "start", style }, words);
  if (letters >= 5 && tile.height >= 16) group.append(line(shortName(layer.name, letters), 13));
  const figure = `${bytes(size)} · ${percent(share)}`;
  if (letters >= figure.length && tile.height >= 30) group.append(line(figure, 26));
  return group;
}
