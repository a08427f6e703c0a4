import { type FixedPoint, fixedPointType, quantizeValues } from "@equant/core/lab";
import type { MsbRow } from "../schema.js";
import { sequential, token } from "./colours.js";
import { type Chart, defineChart } from "./frame.js";
import { box, customMark, element, hatch, type Place, px } from "./marks.js";
import { superscript } from "./msb-heatmap.js";
import { fixedPointOf } from "./msb-type.js";
import { count, significant } from "./text.js";

/** What becomes of a value in a fixed-point type. */
export interface BitExample {
  readonly value: number;
  readonly quantized: number;
  readonly fate: "zero" | "exact" | "precision loss" | "underflow" | "overflow";
  /** Exponent of the most significant bit; null for zero. */
  readonly msb: number | null;
}

export interface MsbBitsOptions {
  /** Values to show. Default: those that the report kept of the row. */
  values?: readonly number[];
  /** The type. Default: the one that covers what the row's encoding covers. */
  type?: Required<FixedPoint>;
}

/** Places shown beyond the type on either side. */
const BEYOND = 4;
const ROW = 20;

/** Quantizes values as MathWorks' quantization page does: ties away from zero, saturating at the ends of the type. */
export function bitExamples(values: readonly number[], type: Required<FixedPoint>): BitExample[] {
  const encoding = fixedPointType(type);
  const integers = quantizeValues(Float32Array.from(values), encoding, { rounding: "half-away" });
  const [step, limit] = [encoding.scale[0]!, encoding.scale[0]! * (encoding.qmax + 0.5)];
  const lowest = encoding.scale[0]! * (encoding.qmin - 0.5);
  return values.map((value, at) => {
    const quantized = Number(integers[at]) * step;
    const msb = value === 0 ? null : Math.floor(Math.log2(Math.abs(value)));
    const fate =
      value === 0
        ? "zero"
        : value >= limit || value <= lowest
          ? "overflow"
          : quantized === 0
            ? "underflow"
            : quantized === value
              ? "exact"
              : "precision loss";
    return { value, quantized, fate, msb };
  });
}

/**
 * MathWorks' explanation on values of one tensor: their binary words aligned, most significant bits marked, the sum of
 * them in each column, the data type, and what every value becomes in it.
 */
export function msbBits(row: MsbRow, options: MsbBitsOptions = {}): Chart | undefined {
  const type = options.type ?? (row.encoding ? fixedPointOf(row.encoding) : undefined);
  const values = options.values ?? row.examples ?? [];
  if (!type || values.length === 0 || !isShown(type)) return undefined;
  const examples = bitExamples(values, type);
  const known = examples.flatMap(({ msb }) => (msb === null ? [] : [msb]));
  const highest = Math.min(Math.max(type.msb, ...known), type.msb + BEYOND);
  const lowest = Math.max(Math.min(type.lsb, ...known), type.lsb - BEYOND);
  const lost = examples.filter(({ fate }) => fate === "underflow" || fate === "overflow");
  const texts = {
    id: "msb-bits",
    title: `Binary words of values of ${row.layer}, ${row.kind}`,
    unit: `bits; hatched: outside the type 2${superscript(type.msb)}…2${superscript(type.lsb)}`,
    summary:
      `Of ${count(values.length, "value")}, ${examples.filter(({ fate }) => fate === "exact" || fate === "zero").length} are exact, ` +
      `${examples.filter(({ fate }) => fate === "precision loss").length} lose precision` +
      `${lost.map(({ value, quantized, fate }) => `, ${significant(value, 5)} becomes ${significant(quantized, 5)} (${fate})`).join("")}.`,
    table: {
      columns: ["value", "most significant bit", "quantized", "what happens"],
      rows: examples.map(({ value, msb, quantized, fate }) => [
        value,
        msb === null ? null : `2^${msb}`,
        quantized,
        fate,
      ]),
    },
    layer: row.layer,
  };
  return defineChart(texts, ({ width }) => ({
    width,
    height: 54 + ROW * (examples.length + 1),
    marginLeft: 96,
    marginRight: 190,
    marginTop: 30,
    marginBottom: 24,
    x: { domain: [0, highest - lowest + 2], axis: null },
    y: { domain: [0, examples.length + 1], reverse: true, axis: null },
    marks: [customMark((place) => draw(place, examples, type, highest, lowest))],
  }));
}

/** Words of more bits than a person reads are not drawn; the biases' 32 bits lose nothing that is seen. */
export function isShown({ msb, lsb, signed }: Required<FixedPoint>): boolean {
  return lsb >= -126 && msb <= 127 && msb - lsb + (signed ? 2 : 1) <= 16;
}

function draw(
  place: Place,
  examples: readonly BitExample[],
  type: Required<FixedPoint>,
  highest: number,
  lowest: number,
): SVGElement[] {
  const { document } = place;
  const { definition, fill } = hatch(document, "bits");
  const columns = highest - lowest + 1;
  // Column 0 is the sign; the highest bit stands left, as in a binary word.
  const column = (e: number) => 1 + highest - e;
  const cell = (x: number, row: number) =>
    box(place.x(x) + 0.5, place.y(row) + 0.5, place.x(x + 1) - 0.5, place.y(row + 1) - 0.5);
  const text = (x: number, y: number, words: string, anchor = "middle", style = `fill:${token("ink")}`) =>
    element(document, "text", { x: px(x), y: px(y), "text-anchor": anchor, style }, words);
  const middle = (x: number) => (place.x(x) + place.x(x + 1)) / 2;
  const base = (row: number) => (place.y(row) + place.y(row + 1)) / 2 + 4;
  const gray: SVGElement[] = [];
  const others: SVGElement[] = [];
  const sums = new Array<number>(columns).fill(0);
  let outside = "";
  let marked = "";
  examples.forEach(({ value, quantized, fate, msb }, row) => {
    others.push(text(place.left - 8, base(row), significant(value, 5), "end"));
    others.push(text(middle(0), base(row), value < 0 ? "−" : "+"));
    const word = Math.abs(value);
    for (let e = highest; e >= lowest; e--) {
      const at = column(e);
      if (e > type.msb || e < type.lsb) outside += cell(at, row);
      const isMsb = msb === e;
      if (isMsb) {
        marked += cell(at, row);
        sums[highest - e]!++;
      }
      const bit = Math.floor(word / 2 ** e) % 2;
      const style = isMsb ? `fill:${token("on-seq-5")};font-weight:600` : `fill:${token(bit === 1 ? "ink" : "muted")}`;
      others.push(text(middle(at), base(row), String(bit), "middle", style));
    }
    const style = fate === "overflow" || fate === "underflow" ? `fill:${token("cat-1")}` : `fill:${token("ink")}`;
    others.push(text(place.right + 78, base(row), significant(quantized, 6), "end", style));
    others.push(text(place.right + 88, base(row), fate, "start", style));
  });
  const last = examples.length;
  others.push(text(place.left - 8, base(last), "sum of MSBs", "end"));
  sums.forEach((n, at) => {
    if (n > 0) others.push(text(middle(1 + at), base(last), String(n), "middle", "font-weight:600"));
  });
  const heading = (x: number, words: string, anchor = "middle") =>
    text(x, place.top - 8, words, anchor, `fill:${token("muted")}`);
  others.push(heading(middle(0), "±"), heading(place.right + 78, "becomes", "end"));
  for (let e = highest; e >= lowest; e--) others.push(heading(middle(column(e)), `2${superscript(e)}`));
  gray.push(element(document, "path", { d: outside, fill, opacity: 0.85 }));
  if (marked !== "") gray.push(element(document, "path", { d: marked, style: `fill:${sequential(5)}` }));
  const word = box(place.x(column(type.msb)), place.top, place.x(column(type.lsb) + 1), place.y(last));
  const frame = type.signed ? word + box(place.x(0), place.top, place.x(1), place.y(last)) : word;
  gray.push(
    element(document, "path", { d: frame, fill: "none", style: `stroke:${token("cat-1")}`, "stroke-width": 1.5 }),
  );
  return [definition, ...gray, ...others];
}
