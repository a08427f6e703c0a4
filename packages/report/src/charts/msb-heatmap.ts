import type { MsbRow } from "../schema.js";
import { SEQUENTIAL_STEPS, sequential, sequentialStep, token } from "./colours.js";
import { type Chart, defineChart } from "./frame.js";
import { box, customMark, element, hatch, type Place, px } from "./marks.js";
import { limitsOf, lossesOf, type MsbMode } from "./msb-type.js";
import { count, percent, shortName } from "./text.js";

export interface MsbHeatmapOptions {
  /** `affine`: the encoding as exported; `power-of-two`: the fixed-point type of MathWorks' quantization page. Default: `'affine'`. */
  mode?: MsbMode;
  /** Negative values mirrored to the left of zero. Default: true when a row has any. */
  signed?: boolean;
  /** Colour by the logarithm of the share. Default: false. */
  log?: boolean;
}

/** Exponents shown at most: what lies lower is counted in the lowest column. */
const COLUMNS = 20;
const ROW = 17;
/** Space beside the column of exact zeros, in columns. */
const GAP = 0.35;

interface Layout {
  readonly lowest: number;
  readonly highest: number;
  readonly signed: boolean;
  /** Right end of all columns. */
  readonly end: number;
  /** Left edge of the zero column. */
  readonly zero: number;
  /** Position of a magnitude 2^e, on either side. */
  at(exponent: number, negative: boolean): number;
}

/**
 * Heat map of most significant bits (MathWorks' quantization page): a row a tensor, a column an exponent e, a cell the share of values with
 * floor(log2|x|) = e. Gray and hatched is what the data type cannot represent: too large saturates, below half a step
 * becomes zero. Exact zeros stand apart; at the end of the row the shares of overflow and underflow, counted.
 */
export function msbHeatmap(rows: readonly MsbRow[], options: MsbHeatmapOptions = {}): Chart {
  const { mode = "affine", log = false } = options;
  const lines = rows.map(
    (row): Line => ({
      ...row,
      name: `${shortName(row.layer, 22)} ${SHORT[row.kind]}`,
      losses: lossesOf(row, mode),
      subject: row,
    }),
  );
  const layout = layoutOf(lines, options.signed);
  const texts = {
    id: "msb-heatmap",
    title: mode === "affine" ? "Most significant bits of values" : "Most significant bits, fixed-point type",
    unit: unitOf(log),
    summary: summaryOf(rows, mode),
    table: {
      columns: ["layer", "kind", ...columnsOf(layout)],
      rows: rows.map((row, at) => [row.layer, row.kind, ...cellsOf(lines[at]!, layout)]),
      layerColumn: 0,
    },
  };
  return heatmap(texts, lines, layout, mode, log);
}

/**
 * A row of the heat map by channel: those that lose most to overflow and underflow, the worst first. Undefined where channels
 * are not known or have no integer type.
 */
export function msbChannels(row: MsbRow, options: MsbHeatmapOptions = {}): Chart | undefined {
  const { mode = "affine", log = false } = options;
  const { channels, encoding } = row;
  if (!encoding || !channels || channels.length === 0) return undefined;
  const lines = channels.map((channel): Line => {
    const at = (list: readonly number[]) => [list[channel.channel % list.length]!];
    const own = { ...encoding, scale: at(encoding.scale), zeroPoint: at(encoding.zeroPoint) };
    const line = { ...channel, encoding: own };
    return { ...line, name: `channel ${channel.channel}`, losses: lossesOf(line, mode) };
  });
  const layout = layoutOf(lines, options.signed);
  const all = row.channelCount ?? channels.length;
  const loss = ({ losses }: Line) => (losses ? losses.overflow + losses.underflow : 0);
  const [worst] = lines;
  const overHalf = lines.filter((line) => loss(line) > HALF).length;
  const texts = {
    id: "msb-channels",
    title: `Most significant bits by channel of ${row.layer}, ${row.kind}`,
    unit: unitOf(log),
    summary:
      `${lines.length < all ? `The ${lines.length} of ${all} channels that lose most` : count(all, "channel")}: ` +
      `${worst!.name} loses ${percent(loss(worst!))} of its values, ` +
      `${overHalf === 0 ? "none loses" : overHalf === 1 ? "1 loses" : `${overHalf} lose`} over half of them.`,
    table: {
      columns: ["channel", ...columnsOf(layout)],
      rows: lines.map((line, at) => [channels[at]!.channel, ...cellsOf(line, layout)]),
    },
    layer: row.layer,
  };
  return heatmap(texts, lines, layout, mode, log);
}

const HALF = 0.5;

/** What a line of a heat map is drawn from: a tensor, or one of its channels. */
interface Line extends Pick<MsbRow, "first" | "positive" | "negative" | "zeros" | "total" | "encoding"> {
  readonly name: string;
  readonly losses: { readonly overflow: number; readonly underflow: number } | null;
  /** The tensor that a page opens for a line. */
  readonly subject?: MsbRow;
}

function unitOf(log: boolean): string {
  return `share of values by floor(log2|x|)${log ? ", logarithmic" : ""}; hatched: not representable`;
}

function heatmap(
  texts: Omit<Chart, "draw">,
  lines: readonly Line[],
  layout: Layout,
  mode: MsbMode,
  log: boolean,
): Chart {
  return defineChart(texts, ({ width }) => ({
    width,
    height: 58 + ROW * Math.max(lines.length, 1),
    marginTop: 34,
    marginBottom: 24,
    marginLeft: 178,
    marginRight: 122,
    x: { domain: [0, layout.end], axis: null },
    y: { domain: [0, Math.max(lines.length, 1)], reverse: true, axis: null },
    marks: [customMark((place) => draw(place, lines, layout, mode, log))],
  }));
}

function layoutOf(rows: readonly Line[], asked: boolean | undefined): Layout {
  const signed = asked ?? rows.some(({ negative }) => negative.some((n) => n > 0));
  const used = rows.filter(({ positive }) => positive.length > 0);
  const highest = used.reduce((most, { first, positive }) => Math.max(most, first + positive.length - 1), -126);
  const least = used.reduce((low, { first }) => Math.min(low, first), highest);
  const top = used.length === 0 ? 0 : highest;
  const lowest = used.length === 0 ? 0 : Math.max(least, highest - COLUMNS + 1);
  const columns = top - lowest + 1;
  const zero = signed ? columns + GAP : 0;
  const end = zero + 1 + GAP + columns;
  const clamp = (exponent: number) => Math.max(0, Math.min(columns, exponent - lowest));
  const at = (exponent: number, negative: boolean) =>
    negative ? zero - GAP - clamp(exponent) : zero + 1 + GAP + clamp(exponent);
  return { lowest, highest: top, signed, end, zero, at };
}

/** Share of a row's values in the column of an exponent. */
function shareAt(row: Line, exponent: number, { lowest, signed }: Layout, side: "positive" | "negative"): number {
  if (row.total === 0) return 0;
  const counted = (index: number) => {
    if (index < 0 || index >= row.positive.length) return 0;
    return signed ? row[side][index]! : row.positive[index]! + row.negative[index]!;
  };
  let sum = counted(exponent - row.first);
  if (exponent === lowest) for (let i = 0; i < exponent - row.first; i++) sum += counted(i);
  return sum / row.total;
}

function draw(place: Place, rows: readonly Line[], layout: Layout, mode: MsbMode, log: boolean): SVGElement[] {
  const { document } = place;
  const { definition, fill } = hatch(document, "msb");
  const { zero, lowest, highest, signed } = layout;
  const cells: { x1: number; x2: number; row: number; share: number }[] = [];
  const sides = signed ? (["negative", "positive"] as const) : (["positive"] as const);
  rows.forEach((row, at) => {
    if (row.zeros > 0) cells.push({ x1: zero, x2: zero + 1, row: at, share: row.zeros / row.total });
    for (const side of sides) {
      for (let e = lowest; e <= highest; e++) {
        const share = shareAt(row, e, layout, side);
        const edges = [layout.at(e, side === "negative"), layout.at(e + 1, side === "negative")];
        if (share > 0) cells.push({ x1: Math.min(...edges), x2: Math.max(...edges), row: at, share });
      }
    }
  });
  // Behind a Relu most values are zeros: they would leave no colours for the others.
  const most = cells.reduce((max, { share, x1 }) => (x1 === zero ? max : Math.max(max, share)), Number.MIN_VALUE);
  const paths = new Array<string>(SEQUENTIAL_STEPS).fill("");
  for (const { x1, x2, row, share } of cells) {
    const step = sequentialStep(log ? share : share / most, log);
    paths[step] += box(place.x(x1), place.y(row) + 0.5, place.x(x2), place.y(row + 1) - 0.5);
  }
  const made = [definition];
  paths.forEach((d, step) => {
    if (d !== "") made.push(element(document, "path", { d, style: `fill:${sequential(step)}` }));
  });
  made.push(element(document, "path", { d: hatched(place, rows, layout, mode), fill, opacity: 0.82 }));
  made.push(...axes(place, layout));
  rows.forEach((row, at) => {
    made.push(...rowTexts(place, row, at));
  });
  return made;
}

/** Regions of all rows that their types do not represent. */
function hatched(place: Place, rows: readonly Line[], layout: Layout, mode: MsbMode): string {
  let d = "";
  rows.forEach((row, at) => {
    if (!row.encoding) return;
    const { low, positive, negative } = limitsOf(row.encoding, mode);
    const region = (from: number, to: number, isNegative: boolean) => {
      const [a, b] = [place.x(layout.at(from, isNegative)), place.x(layout.at(to, isNegative))];
      if (Math.abs(a - b) > 0.05) d += box(Math.min(a, b), place.y(at) + 0.5, Math.max(a, b), place.y(at + 1) - 0.5);
    };
    const side = (high: number, isNegative: boolean) => {
      const lower = Math.log2(Math.min(low, high));
      region(Number.NEGATIVE_INFINITY, lower, isNegative);
      region(Math.max(lower, Math.log2(high)), Number.POSITIVE_INFINITY, isNegative);
    };
    side(layout.signed ? positive : Math.max(positive, negative), false);
    if (layout.signed) side(negative, true);
  });
  return d;
}

function axes(place: Place, layout: Layout): SVGElement[] {
  const { document } = place;
  const { lowest, highest, zero, signed } = layout;
  const label = (x: number, text: string, y = place.top - 6) =>
    element(document, "text", { x: px(place.x(x)), y, "text-anchor": "middle", style: `fill:${token("muted")}` }, text);
  const made = [label(zero + 0.5, "0")];
  const every = highest - lowest > 14 || signed ? 4 : 2;
  for (let e = lowest; e <= highest; e++) {
    // Next to the zero column there is no room for two.
    if (e % every !== 0 || (signed && e - lowest < 2)) continue;
    const name = (sign: string) => `${sign}2${superscript(e)}`;
    made.push(label((layout.at(e, false) + layout.at(e + 1, false)) / 2, name("")));
    if (signed) made.push(label((layout.at(e, true) + layout.at(e + 1, true)) / 2, name("−")));
  }
  const heading = (x: number, text: string) =>
    element(document, "text", { x, y: place.top - 6, "text-anchor": "end", style: `fill:${token("muted")}` }, text);
  made.push(heading(place.right + 58, "overflow"), heading(place.right + 118, "underflow"));
  made.push(...legend(place));
  return made;
}

/** Below the rows: the ramp from few to many values, and the hatch. In the dark «many» is lighter, so words alone would not do. */
function legend({ document, left, bottom }: Place): SVGElement[] {
  const y = bottom + 8;
  const word = (x: number, text: string) =>
    element(document, "text", { x, y: y + 9, "text-anchor": "start", style: `fill:${token("muted")}` }, text);
  const square = (x: number, fill: Readonly<Record<string, string>>) =>
    element(document, "path", { d: box(x, y, x + 10, y + 10), ...fill });
  const ramp = Array.from({ length: SEQUENTIAL_STEPS }, (_, step) =>
    square(left + 22 + 10 * step, { style: `fill:${sequential(step)}` }),
  );
  return [
    word(left, "few"),
    ...ramp,
    word(left + 98, "many values"),
    square(left + 176, { fill: "url(#eq-hatch-msb)" }),
    word(left + 191, "not representable"),
  ];
}

const DIGITS = "⁰¹²³⁴⁵⁶⁷⁸⁹";

/** 2⁻³ and the like. */
export function superscript(value: number): string {
  return [...String(value)].map((c) => (c === "-" ? "⁻" : DIGITS[Number(c)]!)).join("");
}

/** Place of a row in its report, for a page that opens it: `conv1|weights|conv1.w`. */
export function msbKey({ layer, kind, tensor }: MsbRow): string {
  return [layer, kind, tensor].join("|");
}

function rowTexts(place: Place, { name, losses, subject }: Line, at: number): SVGElement[] {
  const { document } = place;
  const y = px((place.y(at) + place.y(at + 1)) / 2 + 3.5);
  const text = (x: number, words: string) =>
    element(document, "text", { x, y, "text-anchor": "end", style: `fill:${token("ink")}` }, words);
  const group = element(document, "g", subject ? { "data-layer": subject.layer, "data-row": msbKey(subject) } : {});
  group.append(
    element(document, "title", {}, subject ? `${subject.layer}, ${subject.kind}` : name),
    element(document, "path", { class: "eq-hit", d: box(0, place.y(at), place.right + 122, place.y(at + 1)) }),
    text(place.left - 8, name),
    text(place.right + 58, losses ? percent(losses.overflow, 2) : "float"),
    text(place.right + 118, losses ? percent(losses.underflow, 2) : ""),
  );
  return [group];
}

const SHORT = { weights: "W", bias: "b", activations: "A" } as const;

function summaryOf(rows: readonly MsbRow[], mode: MsbMode): string {
  const known = rows.flatMap((row) => {
    const losses = lossesOf(row, mode);
    return losses ? [{ row, ...losses }] : [];
  });
  if (known.length === 0) return `${count(rows.length, "tensor")}, none with an integer type.`;
  const worst = (key: "overflow" | "underflow") => known.reduce((a, b) => (b[key] > a[key] ? b : a));
  const [over, under] = [worst("overflow"), worst("underflow")];
  const name = ({ row }: typeof over) => `${row.layer} (${row.kind})`;
  const exact = known.every(({ row }) => row.exact) || mode === "power-of-two" ? "counted" : "partly interpolated";
  return (
    `${count(known.length, "tensor")} with an integer type: the most overflow is ${percent(over.overflow)}` +
    `${over.overflow > 0 ? ` in ${name(over)}` : ""}, the most underflow ${percent(under.underflow)}` +
    `${under.underflow > 0 ? ` in ${name(under)}` : ""} (${exact}).`
  );
}

function columnsOf({ lowest, highest }: Layout): string[] {
  const exponents = Array.from({ length: highest - lowest + 1 }, (_, i) => `2^${lowest + i}`);
  return ["values", "zero", ...exponents, "overflow", "underflow"];
}

function cellsOf(line: Line, layout: Layout): (number | null)[] {
  const both = { ...layout, signed: false };
  const share = (value: number) => Number(value.toPrecision(3));
  return [
    line.total,
    line.total === 0 ? 0 : share(line.zeros / line.total),
    ...Array.from({ length: layout.highest - layout.lowest + 1 }, (_, i) =>
      share(shareAt(line, layout.lowest + i, both, "positive")),
    ),
    line.losses && share(line.losses.overflow),
    line.losses && share(line.losses.underflow),
  ];
}
