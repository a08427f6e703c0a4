import type { Report } from "../schema.js";
import { category, SEQUENTIAL_STEPS, token, VIRIDIS_STEPS, viridisStep } from "./colours.js";
import { type Chart, defineChart } from "./frame.js";
import { type Card, layoutGraph } from "./graph-layout.js";
import { box, customMark, element, type Place, px } from "./marks.js";
import { bytes, count, decibels, shortName, tickBytes } from "./text.js";

/** What the cards are coloured by; a page switches by the class `eq-by-…` of the drawing. */
export type NetworkColour = "sqnr" | "bits" | "size";

const CARD = { width: 168, height: 40, gapX: 20, gapY: 20 } as const;

/**
 * The folded graph from top to bottom, a card a layer with its activations. All three colourings are in the drawing;
 * the class `eq-by-sqnr`, `eq-by-bits` or `eq-by-size` chooses one, and the value is printed on the card.
 */
export function networkView(
  report: Pick<Report, "graph" | "layers" | "sqnr">,
  options: { by?: NetworkColour } = {},
): Chart | undefined {
  if (!report.graph) return undefined;
  const layout = layoutGraph(report.graph.nodes);
  const { cards } = layout;
  const layers = new Map(report.layers.map((layer) => [layer.name, layer]));
  const ratios = new Map(report.sqnr?.layers.map(({ layer, local }) => [layer, local.both]));
  const largest = report.layers.reduce((most, { bytesAfter }) => Math.max(most, bytesAfter), 1);
  const learnables = report.graph.nodes.reduce((sum, { parameters }) => sum + parameters, 0);
  const texts = {
    id: "network",
    title: "Network",
    unit: "colour: local SQNR, bits or size of the layer",
    summary:
      `${count(report.graph.nodes.length, "operator")} in ${count(cards.length, "card")} with ${learnables} learnables; ` +
      `${count(report.layers.filter(({ bits }) => bits < 32).length, "layer")} of ${report.layers.length} on integers.`,
    table: {
      columns: ["node", "operators", "reads", "learnables", "local SQNR dB", "bits", "bytes"],
      rows: cards.map((card) => [
        card.name,
        card.operators.join(" + "),
        card.inputs.map((input) => cards[input]!.name).join(", "),
        card.parameters,
        ratios.get(card.name) ?? null,
        layers.get(card.name)?.bits ?? null,
        layers.get(card.name)?.bytesAfter ?? null,
      ]),
      layerColumn: 0,
    },
  };
  const valuesOf = ({ name }: Card) => {
    const layer = layers.get(name);
    const ratio = ratios.get(name);
    const share = layer ? Math.log2(1 + layer.bytesAfter) / Math.log2(1 + largest) : 0;
    const step = Math.min(SEQUENTIAL_STEPS - 1, Math.floor(share * SEQUENTIAL_STEPS));
    return {
      sqnr: {
        colour: ratio === undefined || Number.isNaN(ratio) ? undefined : `viridis-${viridisStep(ratio)}`,
        text: decibels(ratio),
      },
      bits: {
        colour: layer ? `seq-${layer.bits >= 32 ? 0 : layer.bits > 8 ? 2 : 4}` : undefined,
        text: layer ? `${layer.bits} bit` : "–",
      },
      size: { colour: layer ? `seq-${step}` : undefined, text: layer ? bytes(layer.bytesAfter) : "–" },
      isInteger: (layer?.bits ?? 32) < 32,
    };
  };
  const chart = defineChart(texts, ({ width }) => {
    const needed = layout.columns * (CARD.width + CARD.gapX) + 140;
    const wide = Math.max(width, needed);
    return {
      width: wide,
      height: layout.rows * (CARD.height + CARD.gapY) + 20 + LEGEND,
      margin: 10,
      marginTop: 10 + LEGEND,
      x: { domain: [-wide / 2, wide / 2], axis: null },
      y: { domain: [0, layout.rows], reverse: true, axis: null },
      marks: [customMark((place) => [...legends(place, largest), ...draw(place, cards, valuesOf)])],
    };
  });
  return {
    ...chart,
    draw: (draw) => {
      const svg = chart.draw(draw);
      svg.setAttribute("class", `${svg.getAttribute("class")} eq-by-${options.by ?? "sqnr"}`);
      return svg;
    },
  };
}

/** Height of the legends above the cards. */
const LEGEND = 30;
const STEP = 44;

/** A legend for every colouring; the one of the chosen colouring is shown. */
function legends(place: Place, largest: number): SVGElement[] {
  const { document } = place;
  const steps: Record<NetworkColour, { title: string; colours: string[]; texts: string[] }> = {
    sqnr: {
      title: "local SQNR, dB",
      colours: Array.from({ length: VIRIDIS_STEPS }, (_, at) => `viridis-${at}`),
      texts: Array.from({ length: VIRIDIS_STEPS }, (_, at) => {
        const from = Math.round(5 + (40 * at) / VIRIDIS_STEPS);
        return at === 0 ? `< ${Math.round(5 + 40 / VIRIDIS_STEPS)}` : `≥ ${from}`;
      }),
    },
    bits: { title: "stored bits", colours: ["seq-0", "seq-2", "seq-4"], texts: ["float", "> 8", "≤ 8"] },
    size: {
      title: "stored size, logarithmic",
      colours: Array.from({ length: SEQUENTIAL_STEPS }, (_, at) => `seq-${at}`),
      texts: Array.from({ length: SEQUENTIAL_STEPS }, (_, at) =>
        at === SEQUENTIAL_STEPS - 1 ? tickBytes(Number(largest.toPrecision(2))) : at === 0 ? "small" : "",
      ),
    },
  };
  return (["sqnr", "bits", "size"] as const).map((by) => {
    const { title, colours, texts } = steps[by];
    const group = element(document, "g", { class: `eq-value eq-value-${by}` });
    const left = place.x(0) - (colours.length * STEP) / 2;
    const text = (x: number, words: string, anchor: string, style: string) =>
      element(document, "text", { x: px(x), y: 17, "text-anchor": anchor, style }, words);
    group.append(text(left - 8, title, "end", `fill:${token("ink")}`));
    colours.forEach((colour, at) => {
      const x = left + at * STEP;
      group.append(
        element(document, "path", { d: box(x, 5, x + STEP - 1, 22), style: `fill:${token(colour)}` }),
        text(x + STEP / 2, texts[at]!, "middle", `fill:${token(`on-${colour}`)}`),
      );
    });
    return group;
  });
}

type Values = Record<NetworkColour, { colour: string | undefined; text: string }> & { isInteger: boolean };

function draw(place: Place, cards: readonly Card[], valuesOf: (card: Card) => Values): SVGElement[] {
  const { document } = place;
  const centre = ({ column }: Card) => place.x(0) + column * (CARD.width + CARD.gapX);
  const top = ({ row }: Card) => place.y(row);
  let edges = "";
  for (const card of cards) {
    for (const input of card.inputs) edges += edge(cards[input]!, card, centre, top);
  }
  const lines = element(document, "path", {
    d: edges,
    fill: "none",
    style: `stroke:${token("muted")}`,
    "stroke-width": 1.1,
  });
  const made = cards.map((card) => {
    const values = valuesOf(card);
    const group = element(document, "g", { "data-layer": card.name, class: "eq-node" });
    const variables = (["sqnr", "bits", "size"] as const)
      .map((by) => {
        const { colour } = values[by];
        return `--${by}:${token(colour ?? "ground")};--on-${by}:${token(colour ? `on-${colour}` : "ink")}`;
      })
      .join(";");
    const [x, y] = [centre(card) - CARD.width / 2, top(card)];
    const texts = (["sqnr", "bits", "size"] as const).map((by) =>
      element(
        document,
        "text",
        {
          class: `eq-value eq-value-${by}`,
          x: px(x + CARD.width - 8),
          y: px(y + 31),
          "text-anchor": "end",
          style: "font-size:10px",
        },
        values[by].text,
      ),
    );
    group.setAttribute("style", variables);
    group.append(
      element(document, "title", {}, `${card.name}: ${card.operators.join(" + ")}`),
      element(document, "rect", {
        class: "eq-card",
        x: px(x),
        y: px(y),
        width: CARD.width,
        height: CARD.height,
        rx: 5,
        style: `stroke:${values.isInteger ? category(0) : token("muted")}`,
        ...(values.isInteger ? {} : { "stroke-dasharray": "4,3" }),
      }),
      element(
        document,
        "text",
        { x: px(x + 8), y: px(y + 16), "text-anchor": "start", class: "eq-name" },
        shortName(card.name, 25),
      ),
      element(
        document,
        "text",
        { x: px(x + 8), y: px(y + 31), "text-anchor": "start", style: "font-size:10px", class: "eq-name" },
        shortName(card.operators.join(" + "), 18),
      ),
      ...texts,
    );
    return group;
  });
  return [lines, ...made];
}

/** Straight to the next row; past other rows in a curve on the right. */
function edge(from: Card, to: Card, centre: (card: Card) => number, top: (card: Card) => number): string {
  const span = to.row - from.row;
  const [x1, x2] = [centre(from), centre(to)];
  const [y1, y2] = [top(from) + CARD.height, top(to)];
  if (span <= 1) return `M${px(x1)} ${px(y1)}C${px(x1)} ${px(y1 + 12)} ${px(x2)} ${px(y2 - 12)} ${px(x2)} ${px(y2)}`;
  const right = Math.max(x1, x2) + CARD.width / 2;
  const bulge = right + Math.min(60, 14 + 6 * span);
  const [from1, to1] = [y1 - CARD.height / 2, y2 + CARD.height / 2];
  return `M${px(x1 + CARD.width / 2)} ${px(from1)}C${px(bulge)} ${px(from1)} ${px(bulge)} ${px(to1)} ${px(x2 + CARD.width / 2)} ${px(to1)}`;
}
