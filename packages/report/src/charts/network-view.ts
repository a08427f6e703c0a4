import { traceHead, traceLine } from "../graph/edge-path.js";
import { fitText } from "../graph/fit-text.js";
import { foldGraph } from "../graph/fold-graph.js";
import { formatValue } from "../graph/format-value.js";
import { layoutLayered } from "../graph/layout-layered.js";
import { type Bin, binOf, binToken, bitsBadge, cardValue, type Legend, legendOf } from "../graph/overlay.js";
import { reportedGraph } from "../graph/summary.js";
import { CARD, CARD_TEXT, type Card, type GraphLayout, type SummaryNode } from "../graph/types.js";
import type { Report } from "../schema.js";
import { token } from "./colours.js";
import { type Chart, defineChart } from "./frame.js";
import { box, customMark, element, type Place, px } from "./marks.js";
import { count } from "./text.js";

/** What the cards are coloured by; a page switches by the class `eq-by-…` of the drawing. */
export type NetworkColour = "sqnr" | "bits" | "size";
const COLOURS = ["sqnr", "bits", "size"] as const satisfies readonly NetworkColour[];

/** Height of the legends above the cards. */
const LEGEND = 40;
const MARGIN = 10;
/** Width of a letter of a card's text, generously. */
const LETTER = 7.6;

/** A card with its nodes, and its colour and words under every colouring. */
interface Drawn {
  readonly card: Card;
  readonly nodes: readonly SummaryNode[];
  readonly by: Readonly<Record<NetworkColour, { token?: string; dash: string; text: string; badge: string }>>;
}

/**
 * The folded graph, with the cards of the app's graph view: a card a layer with its activations. All three colourings are in the
 * drawing; the class `eq-by-sqnr`, `eq-by-bits` or `eq-by-size` chooses one, and the value is printed on the card.
 */
export function networkView(
  report: Pick<Report, "graph" | "layers" | "sqnr">,
  options: { by?: NetworkColour } = {},
): Chart | undefined {
  if (!report.graph) return undefined;
  const graph = reportedGraph(report);
  const { cards, edges } = foldGraph(graph, { level: "chains" });
  const layout = layoutLayered({ count: cards.length, edges });
  const byId = new Map(graph.nodes.map((node) => [node.id, node]));
  const learnables = new Map(graph.nodes.map(({ id }, at) => [id, report.graph!.nodes[at]!.parameters]));
  const inside = cards.map(({ nodeIds }) => nodeIds.map((id) => byId.get(id)!));
  const legends = Object.fromEntries(
    COLOURS.map((by) => [
      by,
      legendOf(
        by,
        inside.map((nodes) => cardValue(nodes, by)),
      )!,
    ]),
  ) as Record<NetworkColour, Legend>;
  const drawn = cards.map((card, at): Drawn => {
    const nodes = inside[at]!;
    const styles = COLOURS.map((by) => {
      const value = cardValue(nodes, by);
      const bin = binOf(legends[by], value);
      const style = {
        ...(bin >= 0 && { token: binToken(legends[by], bin) }),
        dash: dashOf(legends[by].bins[bin]),
        text: value === undefined ? "" : formatValue(by, value),
        badge: bitsBadge(nodes, { metric: by }),
      };
      return [by, style] as const;
    });
    return { card, nodes, by: Object.fromEntries(styles) as Drawn["by"] };
  });
  const total = [...learnables.values()].reduce((sum, n) => sum + n, 0);
  const texts = {
    id: "network",
    title: "Network",
    unit: "colour: local SQNR, bits or size of the layer",
    summary:
      `${count(graph.nodes.length, "operator")} in ${count(cards.length, "card")} with ${total} learnables; ` +
      `${count(report.layers.filter(({ bits }) => bits < 32).length, "layer")} of ${report.layers.length} on integers.`,
    table: {
      columns: ["node", "operators", "reads", "learnables", "local SQNR dB", "bits", "bytes"],
      rows: drawn.map(({ card, nodes }, at) => [
        card.subtitle,
        card.title,
        edges.flatMap(([from, to]) => (to === at ? [cards[from]!.subtitle] : [])).join(", "),
        card.nodeIds.reduce((sum, id) => sum + learnables.get(id)!, 0),
        cardValue(nodes, "sqnr") ?? null,
        cardValue(nodes, "bits") ?? null,
        cardValue(nodes, "size") ?? null,
      ]),
      layerColumn: 0,
    },
  };
  const chart = defineChart(texts, ({ width }) => {
    const wide = Math.max(width, layout.width + 2 * MARGIN, LEGEND_WIDTH);
    const left = (wide - layout.width) / 2;
    return {
      width: wide,
      height: layout.height + LEGEND + 2 * MARGIN,
      margin: 0,
      x: { axis: null },
      y: { axis: null },
      marks: [
        customMark((place) => [
          ...COLOURS.map((by) => legendGroup(place, by, legends[by], wide)),
          drawEdges(place, layout, left),
          ...drawn.map((own, at) => drawCard(place, own, left + layout.x[at]!, LEGEND + MARGIN + layout.y[at]!)),
        ]),
      ],
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

const dashOf = (bin: Bin | undefined): string => (bin?.dash && bin.dash.length > 0 ? bin.dash.join() : "none");

const STEP = 96;
const LEGEND_WIDTH = 5 * STEP + 170;

/** The legend of a colouring; the one of the chosen colouring is shown. */
function legendGroup({ document }: Place, by: NetworkColour, legend: Legend, wide: number): SVGElement {
  const group = element(document, "g", { class: `eq-value eq-value-${by}` });
  const left = Math.max(150, (wide - legend.bins.length * STEP) / 2);
  const text = (x: number, words: string, anchor: string, colour: string) =>
    element(document, "text", { x: px(x), y: 21, "text-anchor": anchor, style: `fill:${token(colour)}` }, words);
  group.append(text(left - 8, legend.title, "end", "ink"));
  legend.bins.forEach(({ label }, bin) => {
    const x = left + bin * STEP;
    const colour = binToken(legend, bin);
    group.append(
      element(document, "path", { d: box(x, 7, x + STEP - 1, 28), style: `fill:${token(colour)}` }),
      text(x + STEP / 2, label, "middle", `on-${colour}`),
    );
  });
  return group;
}

function drawEdges({ document }: Place, layout: GraphLayout, left: number): SVGElement {
  let d = "";
  const point = (...at: number[]) => at.map((value, i) => px(value + (i % 2 === 0 ? left : LEGEND + MARGIN))).join(" ");
  const path = {
    moveTo: (x: number, y: number) => {
      d += `M${point(x, y)}`;
    },
    lineTo: (x: number, y: number) => {
      d += `L${point(x, y)}`;
    },
    bezierCurveTo: (a: number, b: number, c: number, e: number, x: number, y: number) => {
      d += `C${point(a, b, c, e, x, y)}`;
    },
  };
  for (const line of layout.lines) {
    traceLine(path, line, true);
    traceHead(path, line);
  }
  return element(document, "path", { d, fill: "none", style: `stroke:${token("muted")}`, "stroke-width": 1.25 });
}

function drawCard({ document }: Place, { card, by }: Drawn, x: number, y: number): SVGElement {
  const [left, top] = [x - CARD.width / 2, y - CARD.height / 2];
  const room = CARD.width - 2 * CARD_TEXT.side;
  const fitted = (words: string) => fitText(words, room, (text) => text.length * LETTER);
  const text = (at: "start" | "end", line: number, words: string, attributes: Record<string, string>) => {
    const edge = at === "start" ? left + CARD_TEXT.side : left + CARD.width - CARD_TEXT.side;
    return element(document, "text", { x: px(edge), y: px(top + line), "text-anchor": at, ...attributes }, words);
  };
  const colours = COLOURS.map((colour) => {
    const own = by[colour].token;
    return `--${colour}:${token(own ?? "ground")};--on-${colour}:${token(own ? `on-${own}` : "ink")}`;
  });
  const group = element(document, "g", {
    "data-layer": card.subtitle,
    class: "eq-node",
    style: `${colours.join(";")};--dash:${by.bits.dash}`,
  });
  group.append(
    element(document, "title", {}, `${card.subtitle}: ${card.title}`),
    element(document, "rect", {
      class: "eq-card",
      x: px(left),
      y: px(top),
      width: CARD.width,
      height: CARD.height,
      rx: 6,
      style: `stroke:${token("muted")}`,
      "stroke-width": 1.25,
    }),
    text("start", CARD_TEXT.title, fitted(card.title), { class: "eq-name", style: "font-size:14px;font-weight:600" }),
    text("start", CARD_TEXT.subtitle, fitted(card.subtitle), { class: "eq-name", style: "font-size:12.5px" }),
    ...COLOURS.flatMap((colour) => {
      const attributes = { class: `eq-value eq-value-${colour}`, style: "font-size:12.5px" };
      return [
        text("start", CARD_TEXT.value, by[colour].text, attributes),
        text("end", CARD_TEXT.value, by[colour].badge, attributes),
      ];
    }).filter((made) => made.textContent !== ""),
  );
  return group;
}
