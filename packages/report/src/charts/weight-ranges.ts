import * as Plot from "@observablehq/plot";
import type { Boxes, LayerWeights, ReportEncoding, WeightState } from "../schema.js";
import { category, token } from "./colours.js";
import { type Chart, defineChart } from "./frame.js";
import { box, customMark, element, type Place, px } from "./marks.js";
import { significant } from "./text.js";

export interface WeightRangesOptions {
  /** Order of the channels: as stored, or widest range first. Default: `'index'`. */
  sort?: "index" | "range";
  /** From this many channels on, the range is a ribbon instead of boxes. Default: 400. */
  ribbonFrom?: number;
}

interface Panel {
  readonly state: string;
  readonly start: number;
  readonly order: readonly number[];
  readonly data: WeightState;
  readonly dead: ReadonlySet<number>;
  /** How many times larger than the axis says it is drawn; 1 unless it would be a flat line beside the other panel. */
  readonly zoom: number;
}

/** A panel this many times smaller than the other one is enlarged. */
const FLAT = 8;

/** Space between the panels, in channels of the wider one. */
const GAP = 0.06;

/**
 * Weights of one layer by output channel, before and after equalization (MathWorks' equalization page): box = q1…q3, line = median, whiskers =
 * min…max. A state whose weights are much smaller is enlarged, and says so. The band is what the encoding represents; channels whose whole range lies within half a step quantize to zero
 * and are marked «dead».
 */
export function weightRanges(section: LayerWeights, options: WeightRangesOptions = {}): Chart {
  const { sort = "index", ribbonFrom = 400 } = options;
  const states = [
    ["before", section.before],
    ["after", section.after],
  ].flatMap(([state, data]) => (data ? [[state as string, data as WeightState] as const] : []));
  const widest = Math.max(1, ...states.map(([, { channels }]) => channels.min.length));
  const largest = Math.max(0, ...states.map(([, data]) => extent(data)));
  let start = 0;
  const panels = states.map(([state, data]): Panel => {
    const channels = data.channels.min.length;
    const order = Array.from({ length: channels }, (_, channel) => channel);
    if (sort === "range") order.sort((a, b) => magnitude(data.channels, b) - magnitude(data.channels, a));
    const panel = { state, start, order, data, dead: deadChannels(data), zoom: zoomOf(extent(data), largest) };
    start += channels + widest * GAP;
    return panel;
  });
  const end = start - widest * GAP;
  const texts = {
    id: "weight-ranges",
    title: `Weight ranges of ${section.layer}`,
    unit: "weight, real units, by output channel",
    summary: summaryOf(section, panels),
    table: tableOf(panels),
    layer: section.layer,
  };
  return defineChart(texts, ({ width }) => ({
    width,
    height: 240,
    marginTop: 30,
    marginBottom: 34,
    marginLeft: 52,
    marginRight: 12,
    x: { domain: [-0.5, Math.max(end, 1) - 0.5], axis: null },
    y: { domain: yDomain(panels), label: "weight", nice: true, grid: true, tickFormat: (y: number) => significant(y) },
    marks: [
      Plot.ruleY([0], { stroke: token("muted") }),
      customMark((place) => panels.flatMap((panel, at) => drawPanel(place, panel, at, ribbonFrom))),
    ],
  }));
}

/** Largest magnitude of a state. */
function extent({ channels }: WeightState): number {
  return channels.min.reduce((most, _, channel) => Math.max(most, magnitude(channels, channel)), 0);
}

/** 1, or the largest of 10, 20, 50, 100, … with which a panel still fits the axis of the other one. */
function zoomOf(own: number, largest: number): number {
  const ratio = own > 0 ? largest / own : 1;
  if (!(ratio > FLAT) || !Number.isFinite(ratio)) return 1;
  const power = 10 ** Math.floor(Math.log10(ratio));
  return power * (ratio >= 5 * power ? 5 : ratio >= 2 * power ? 2 : 1);
}

function magnitude({ min, max }: Boxes, channel: number): number {
  return Math.max(-min[channel]!, max[channel]!);
}

function at(list: readonly number[], channel: number): number {
  return list[channel % list.length]!;
}

/** Ends of what an encoding represents in a channel, in real units. */
export function representable({ scale, zeroPoint, qmin, qmax }: ReportEncoding, channel: number): [number, number] {
  const [step, zero] = [at(scale, channel), at(zeroPoint, channel)];
  return [step * (qmin - zero), step * (qmax - zero)];
}

/** Channels that are zero, or become it by rounding. */
function deadChannels({ channels, encoding }: WeightState): Set<number> {
  const dead = new Set<number>();
  channels.min.forEach((_, channel) => {
    const limit = encoding ? at(encoding.scale, channel) / 2 : 0;
    if (magnitude(channels, channel) <= limit) dead.add(channel);
  });
  return dead;
}

function yDomain(panels: readonly Panel[]): [number, number] {
  const low = panels.flatMap(({ data, zoom }) => data.channels.min.map((value) => zoom * value));
  const high = panels.flatMap(({ data, zoom }) => data.channels.max.map((value) => zoom * value));
  const [min, max] = [low.reduce((a, b) => Math.min(a, b), 0), high.reduce((a, b) => Math.max(a, b), 0)];
  return min === max ? [-1, 1] : [min, max];
}

function drawPanel(sheet: Place, panel: Panel, index: number, ribbonFrom: number): SVGElement[] {
  const { data, start, order, dead, state, zoom } = panel;
  const place: Place = { ...sheet, y: (value) => sheet.y(zoom * Number(value)) };
  const { document } = place;
  const { encoding } = data;
  const colour = category(index);
  const left = place.x(start - 0.5);
  const right = place.x(start + order.length - 0.5);
  const step = (right - left) / Math.max(order.length, 1);
  const y = (value: number) => Math.max(place.top, Math.min(place.bottom, place.y(value)));
  const made: SVGElement[] = [];
  if (encoding) {
    let band = "";
    let half = "";
    const perTensor = encoding.scale.length === 1;
    (perTensor ? [0] : order).forEach((channel, position) => {
      const [low, high] = representable(encoding, channel);
      const from = perTensor ? left : left + position * step;
      const to = perTensor ? right : from + step;
      band += box(from, y(high), to, y(low));
      for (const sign of [-1, 1]) half += `M${px(from)} ${px(y((sign * at(encoding.scale, channel)) / 2))}H${px(to)}`;
    });
    made.push(element(document, "path", { d: band, style: `fill:${token("seq-0")}`, opacity: 0.6 }));
    made.push(
      element(document, "path", {
        d: half,
        style: `stroke:${token("muted")}`,
        fill: "none",
        "stroke-dasharray": "3,2",
        "stroke-width": 0.7,
      }),
    );
  }
  made.push(...(order.length >= ribbonFrom ? ribbon(place, panel, colour) : boxes(place, panel, colour)));
  const x = (position: number) => left + (position + 0.5) * step;
  const crosses = order
    .flatMap((channel, position) => (dead.has(channel) ? [position] : []))
    .map((position) => `M${px(x(position) - 2)} ${px(place.bottom + 3)}l4 4m0 -4l-4 4`)
    .join("");
  if (crosses !== "") {
    made.push(
      element(document, "path", { d: crosses, fill: "none", style: `stroke:${token("cat-1")}`, class: "eq-dead" }),
    );
  }
  const text = (at: number, height: number, anchor: string, words: string) =>
    element(document, "text", { x: px(at), y: height, "text-anchor": anchor, style: `fill:${token("ink")}` }, words);
  const label = `${state}: ${order.length} channels${dead.size > 0 ? `, ${dead.size} dead (×)` : ""}${zoom === 1 ? "" : `, drawn ${significant(zoom)} times larger`}`;
  made.push(text((left + right) / 2, place.top - 12, "middle", label));
  made.push(text(left, place.bottom + 20, "start", `${order[0] ?? 0}`));
  if (order.length > 1) made.push(text(right, place.bottom + 20, "end", `channel ${order.at(-1)}`));
  made.push(
    element(document, "path", {
      d: `M${px(left)} ${place.bottom}H${px(right)}`,
      style: `stroke:${token("muted")}`,
      fill: "none",
    }),
  );
  return made;
}

/** Whiskers, boxes and medians, each kind one path. */
function boxes(place: Place, { data, start, order }: Panel, colour: string): SVGElement[] {
  const { min, q1, median, q3, max } = data.channels;
  const step = place.x(1) - place.x(0);
  const half = Math.max(0.4, Math.min(9, step * 0.36));
  let [whiskers, filled, lines] = ["", "", ""];
  order.forEach((channel, position) => {
    const x = place.x(start + position);
    whiskers += `M${px(x)} ${px(place.y(min[channel]!))}V${px(place.y(max[channel]!))}`;
    filled += box(x - half, place.y(q3[channel]!), x + half, place.y(q1[channel]!));
    lines += `M${px(x - half)} ${px(place.y(median[channel]!))}H${px(x + half)}`;
  });
  const { document } = place;
  return [
    element(document, "path", { d: whiskers, fill: "none", style: `stroke:${colour}`, "stroke-width": 1 }),
    element(document, "path", { d: filled, style: `fill:${colour}`, opacity: 0.75 }),
    element(document, "path", { d: lines, fill: "none", style: `stroke:${token("ground")}`, "stroke-width": 1.2 }),
  ];
}

/** Range and middle half as areas, the median as a line: what stays readable of many channels. */
function ribbon(place: Place, { data, start, order }: Panel, colour: string): SVGElement[] {
  const point = (list: readonly number[], position: number) =>
    `${px(place.x(start + position))} ${px(place.y(list[order[position]!]!))}`;
  const forth = (list: readonly number[]) => order.map((_, position) => point(list, position)).join("L");
  const back = (list: readonly number[]) => order.map((_, i) => point(list, order.length - 1 - i)).join("L");
  const { min, q1, median, q3, max } = data.channels;
  const { document } = place;
  const area = (low: readonly number[], high: readonly number[], opacity: number) =>
    element(document, "path", { d: `M${forth(high)}L${back(low)}Z`, style: `fill:${colour}`, opacity });
  return [
    area(min, max, 0.35),
    area(q1, q3, 0.75),
    element(document, "path", { d: `M${forth(median)}`, fill: "none", style: `stroke:${token("ground")}` }),
  ];
}

/** Below this share of the widest, a channel carries nothing: 16 bits make it zero. */
const EMPTY = 2 ** -16;

/** Widest over narrowest magnitude of the channels that carry something. */
export function channelSpread(channels: Boxes): number {
  const sizes = channels.min.map((_, channel) => magnitude(channels, channel));
  const widest = sizes.reduce((a, b) => Math.max(a, b), 0);
  const narrowest = sizes.reduce((a, b) => (b > widest * EMPTY ? Math.min(a, b) : a), widest);
  return widest > 0 ? widest / narrowest : 1;
}

function summaryOf({ layer }: LayerWeights, panels: readonly Panel[]): string {
  if (panels.length === 0) return `${layer} has no weights that can be read.`;
  const parts = panels.map(
    ({ state, data, order, dead }) =>
      `${state}, the widest of ${order.length} channels is ${significant(channelSpread(data.channels))} times the narrowest and ` +
      `${dead.size === 0 ? "none becomes" : dead.size === 1 ? "1 becomes" : `${dead.size} become`} all zero`,
  );
  return `${layer}: ${parts.join("; ")}.`;
}

function tableOf(panels: readonly Panel[]) {
  return {
    columns: ["state", "channel", "min", "q1", "median", "q3", "max", "dead"],
    rows: panels.flatMap(({ state, data: { channels }, order, dead }) =>
      order.map((channel) => [
        state,
        channel,
        channels.min[channel]!,
        channels.q1[channel]!,
        channels.median[channel]!,
        channels.q3[channel]!,
        channels.max[channel]!,
        dead.has(channel) ? "yes" : "",
      ]),
    ),
  };
}
