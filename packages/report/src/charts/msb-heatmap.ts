import type { MsbRow } from "../schema.js";
import { SEQUENTIAL_STEPS, sequential, sequentialStep, token } from "./colours.js";
import { type Chart, defineChart } from "./frame.js";
import { box, customMark, element, hatch, type Place, px } from "./marks.js";
import { limitsOf, lossesOf, type MsbMode } from "./msb-type.js";
import { count, percent, shortName } from "./text.js";

export interface MsbHeatmapOptions {
  /** `affine`: the encoding as exported; `power-of-two`: the fixed-point type of seed 002. Default: `'affine'`. */
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
 * Heat map of most significant bits (seed 002): a row a tensor, a column an exponent e, a cell the share of values with
 * floor(log2|x|) = e. Gray and hatched is what the data type cannot represent: too large saturates, below half a step
 * becomes zero. Exact zeros stand apart; at the end of the row the shares of overflow and underflow, counted.
 */
export function msbHeatmap(rows: readonly MsbRow[], options: MsbHeatmapOptions = {}): Chart {
  const { mode = "affine", log = false } = options;
  const signed = options.signed ?? rows.some(({ negative }) => negative.some((n) => n > 0));
  const layout = layoutOf(rows, signed);
  const { end } = layout;
  const texts = {
    id: "msb-heatmap",
    title: mode === "affine" ? "Most significant bits of values" : "Most significant bits, fixed-point type",
    unit: `share of values by floor(log2|x|)${log ? ", logarithmic" : ""}; hatched: not representable`,
    summary: summaryOf(rows, mode),
    table: tableOf(rows, layout, mode),
  };
  return defineChart(texts, ({ width }) => ({
    width,
    height: 58 + ROW * rows.length,
    marginTop: 34,
    marginBottom: 24,
    marginLeft: 178,
    marginRight: 122,
    x: { domain: [0, end], axis: null },
    y: { domain: [0, Math.max(rows.length, 1)], reverse: true, axis: null },
    marks: [customMark((place) => draw(place, rows, layout, mode, log))],
  }));
}

function layoutOf(rows: readonly MsbRow[], signed: boolean): Layout {
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
function shareAt(row: MsbRow, exponent: number, { lowest, signed }: Layout, side: "positive" | "negative"): number {
  if (row.total === 0) return 0;
  const counted = (index: number) => {
    if (index < 0 || index >= row.positive.length) return 0;
    return signed ? row[side][index]! : row.positive[index]! + row.negative[index]!;
  };
  let sum = counted(exponent - row.first);
  if (exponent === lowest) for (let i = 0; i < exponent - row.first; i++) sum += counted(i);
  return sum / row.total;
}

function draw(place: Place, rows: readonly MsbRow[], layout: Layout, mode: MsbMode, log: boolean): SVGElement[] {
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
    made.push(...rowTexts(place, row, at, mode));
  });
  return made;
}

/** Regions of all rows that their types do not represent. */
function hatched(place: Place, rows: readonly MsbRow[], layout: Layout, mode: MsbMode): string {
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
  made.push(
    element(
      document,
      "text",
      { x: place.left, y: place.bottom + 16, "text-anchor": "start", style: `fill:${token("muted")}` },
      "darker: more values · hatched: not representable",
    ),
  );
  return made;
}

const DIGITS = "⁰¹²³⁴⁵⁶⁷⁸⁹";

/** 2⁻³ and the like. */
export function superscript(value: number): string {
  return [...String(value)].map((c) => (c === "-" ? "⁻" : DIGITS[Number(c)]!)).join("");
}

function rowTexts(place: Place, row: MsbRow, at: number, mode: MsbMode): SVGElement[] {
  const { document } = place;
  const y = px((place.y(at) + place.y(at + 1)) / 2 + 3.5);
  const losses = lossesOf(row, mode);
  const text = (x: number, words: string) =>
    element(document, "text", { x, y, "text-anchor": "end", style: `fill:${token("ink")}` }, words);
  const group = element(document, "g", { "data-layer": row.layer });
  group.append(
    element(document, "title", {}, `${row.layer}, ${row.kind}`),
    element(document, "path", { class: "eq-hit", d: box(0, place.y(at), place.right + 122, place.y(at + 1)) }),
    text(place.left - 8, `${shortName(row.layer, 20)} ${SHORT[row.kind]}`),
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

function tableOf(rows: readonly MsbRow[], layout: Layout, mode: MsbMode) {
  const both = { ...layout, signed: false };
  const exponents = Array.from({ length: layout.highest - layout.lowest + 1 }, (_, i) => layout.lowest + i);
  const share = (value: number) => Number(value.toPrecision(3));
  return {
    columns: ["layer", "kind", "values", "zero", ...exponents.map((e) => `2^${e}`), "overflow", "underflow"],
    rows: rows.map((row) => {
      const losses = lossesOf(row, mode);
      return [
        row.layer,
        row.kind,
        row.total,
        row.total === 0 ? 0 : share(row.zeros / row.total),
        ...exponents.map((e) => share(shareAt(row, e, both, "positive"))),
        losses && share(losses.overflow),
        losses && share(losses.underflow),
      ];
    }),
    layerColumn: 0,
  };
}
