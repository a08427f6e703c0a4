import type { AccuracySection, ValidationSection } from "../schema.js";
import { barsChart } from "./bars.js";
import { DIVERGING_STEPS, divergingStep, sequentialStep, token } from "./colours.js";
import { type Chart, defineChart } from "./frame.js";
import { box, customMark, element, type Place, px } from "./marks.js";
import { count, percent, shortName } from "./text.js";

/** From more classes on, confusions are listed instead of drawn as a matrix. */
const MATRIX_CLASSES = 40;
/** Numbers are written in cells up to here. */
const NUMBERED_CLASSES = 20;
const LISTED = 15;

/**
 * Confusions of both networks and their difference: row = true class, column = answer. More than 40 classes: the answers
 * that changed most. The summary says whether the loss is even over the classes (MathWorks' test for bias).
 */
export function confusionPair(validation: ValidationSection): Chart | undefined {
  const before = validation.baseline?.accuracy;
  const after = validation.candidate.accuracy;
  if (!after || after.confusion.classes === 0) return undefined;
  const names = classNames(before ?? after, after);
  return after.confusion.classes <= MATRIX_CLASSES
    ? matrices(validation, before ?? undefined, after, names)
    : listed(validation, before ?? undefined, after, names);
}

type Cells = ReadonlyMap<number, number>;

function cellsOf({ confusion: { classes, entries } }: AccuracySection): Cells {
  return new Map(entries.map(([truth, answer, n]) => [truth * classes + answer, n]));
}

function differenceOf(before: Cells, after: Cells): Cells {
  const keys = new Set([...before.keys(), ...after.keys()]);
  const all = [...keys].map((key) => [key, (after.get(key) ?? 0) - (before.get(key) ?? 0)] as const);
  return new Map(all.filter(([, n]) => n !== 0).sort(([a], [b]) => a - b));
}

function classNames(...sections: readonly AccuracySection[]): string[] {
  const names = Array.from({ length: sections[0]!.confusion.classes }, (_, at) => String(at));
  for (const { perClass } of sections) for (const { class: at, name } of perClass) names[at] = name;
  return names;
}

function summaryOf(validation: ValidationSection, difference: Cells | undefined, classes: number): string {
  const { samples, evenDrop, drop } = validation;
  if (!difference) return `Answers to ${count(samples, "sample")} of ${count(classes, "class", "classes")}.`;
  const moved = [...difference].reduce((sum, [, n]) => sum + Math.abs(n), 0) / 2;
  const start = `On ${count(samples, "sample")} the counts of ${count(Math.round(moved), "answer")} moved`;
  if (drop === null || drop <= 0 || !evenDrop) return `${start}; accuracy did not fall.`;
  const p = evenDrop.p < 0.001 ? "p < 0.001" : `p = ${evenDrop.p.toPrecision(2)}`;
  return evenDrop.p < 0.05
    ? `${start}; the drop is uneven over the classes (χ² test, ${p}).`
    : `${start}; nothing says that the drop is uneven over the classes (χ² test, ${p}).`;
}

function matrices(
  validation: ValidationSection,
  before: AccuracySection | undefined,
  after: AccuracySection,
  names: readonly string[],
): Chart {
  const classes = names.length;
  const cells = { before: before && cellsOf(before), after: cellsOf(after) };
  const difference = cells.before && differenceOf(cells.before, cells.after);
  const panels = [
    ...(cells.before ? [{ name: "before", cells: cells.before, diverging: false }] : []),
    { name: "after", cells: cells.after, diverging: false },
    ...(difference ? [{ name: "after − before", cells: difference, diverging: true }] : []),
  ];
  const keys = [...new Set(panels.flatMap((panel) => [...panel.cells.keys()]))].sort((a, b) => a - b);
  const texts = {
    id: "confusion",
    title: "Confusion before and after",
    unit: "samples; row = true class, column = answer",
    summary: summaryOf(validation, difference, classes),
    table: {
      columns: ["true class", "answer", ...panels.map(({ name }) => name)],
      rows: keys.map((key) => [
        names[Math.floor(key / classes)]!,
        names[key % classes]!,
        ...panels.map((panel) => panel.cells.get(key) ?? 0),
      ]),
    },
  };
  const gap = 0.12 * classes;
  const span = panels.length * classes + (panels.length - 1) * gap;
  return defineChart(texts, ({ width }) => {
    const left = 62;
    const size = (width - left - 10) / span;
    return {
      width,
      height: Math.ceil(size * classes + 44),
      marginLeft: left,
      marginRight: 10,
      marginTop: 20,
      marginBottom: 24,
      x: { domain: [0, span], axis: null },
      y: { domain: [0, classes], reverse: true, axis: null },
      marks: [
        customMark((place) =>
          panels.flatMap((panel, at) => drawPanel(place, panel, at * (classes + gap), names, at === 0, size)),
        ),
      ],
    };
  });
}

function drawPanel(
  place: Place,
  panel: { name: string; cells: Cells; diverging: boolean },
  start: number,
  names: readonly string[],
  first: boolean,
  size: number,
): SVGElement[] {
  const { document } = place;
  const classes = names.length;
  const most = [...panel.cells.values()].reduce((max, n) => Math.max(max, Math.abs(n)), 1);
  const made: SVGElement[] = [];
  const paths = new Map<string, string>();
  const texts: SVGElement[] = [];
  const font = Math.min(10, size * 0.42);
  for (const [key, n] of panel.cells) {
    const [row, column] = [Math.floor(key / classes), key % classes];
    const step = panel.diverging ? divergingStep(n, most) : sequentialStep((n / most) ** 0.5);
    const name = panel.diverging ? `div-${step}` : `seq-${step}`;
    const [x1, x2] = [place.x(start + column), place.x(start + column + 1)];
    const [y1, y2] = [place.y(row), place.y(row + 1)];
    paths.set(name, (paths.get(name) ?? "") + box(x1 + 0.5, y1 + 0.5, x2 - 0.5, y2 - 0.5));
    if (classes > NUMBERED_CLASSES) continue;
    const at = {
      x: px((x1 + x2) / 2),
      y: px((y1 + y2) / 2 + font * 0.36),
      "font-size": px(font),
      "data-cell": `${row} ${column}`,
    };
    const words = panel.diverging && n > 0 ? `+${n}` : String(n).replace("-", "−");
    texts.push(
      element(document, "text", { ...at, "text-anchor": "middle", style: `fill:${token(`on-${name}`)}` }, words),
    );
  }
  for (const [name, d] of paths) made.push(element(document, "path", { d, style: `fill:${token(name)}` }));
  const [left, right] = [place.x(start), place.x(start + classes)];
  made.push(
    element(document, "path", {
      d: box(left, place.top, right, place.bottom),
      fill: "none",
      style: `stroke:${token("muted")}`,
    }),
    ...texts,
    element(document, "text", { x: px((left + right) / 2), y: place.top - 8, "text-anchor": "middle" }, panel.name),
  );
  const every = Math.ceil(classes / 20);
  names.forEach((name, at) => {
    if (at % every !== 0) return;
    const middle = px((place.y(at) + place.y(at + 1)) / 2 + 3.5);
    if (first) {
      made.push(element(document, "text", { x: place.left - 6, y: middle, "text-anchor": "end" }, shortName(name, 9)));
    }
    if (name.length > 4) return;
    const x = px((place.x(start + at) + place.x(start + at + 1)) / 2);
    made.push(element(document, "text", { x, y: place.bottom + 14, "text-anchor": "middle" }, name));
  });
  return made;
}

/** Answers that changed most, of many classes. */
function listed(
  validation: ValidationSection,
  before: AccuracySection | undefined,
  after: AccuracySection,
  names: readonly string[],
): Chart {
  const classes = names.length;
  const [old, now] = [before ? cellsOf(before) : new Map<number, number>(), cellsOf(after)];
  const difference = differenceOf(old, now);
  const wrong = [...difference.keys()].filter((key) => Math.floor(key / classes) !== key % classes);
  wrong.sort((a, b) => Math.abs(difference.get(b)!) - Math.abs(difference.get(a)!) || a - b);
  const rows = wrong.slice(0, LISTED).map((key) => ({
    name: `${names[Math.floor(key / classes)]} → ${names[key % classes]}`,
    before: old.get(key) ?? 0,
    after: now.get(key) ?? 0,
  }));
  return barsChart({
    texts: {
      id: "confusion",
      title: "Wrong answers that changed most",
      unit: "samples; true class → answer",
      summary: summaryOf(validation, before && difference, classes),
      table: {
        columns: ["true class → answer", "before", "after"],
        rows: rows.map((row) => [row.name, row.before, row.after]),
      },
    },
    rows: rows.map(({ name }) => name),
    series: ["before", "after"],
    bars: rows.flatMap((row) => [
      { row: row.name, series: "before", from: 0, to: row.before },
      { row: row.name, series: "after", from: 0, to: row.after },
    ]),
    labels: rows.map((row) => `${row.before} → ${row.after}`),
    xLabel: "samples",
    xFormat: String,
    grouped: true,
    layers: false,
  });
}

/** Accuracy lost by each class, worst first. */
export function classDrop(validation: ValidationSection): Chart | undefined {
  const before = validation.baseline?.accuracy;
  const after = validation.candidate.accuracy;
  if (!before || !after) return undefined;
  const now = new Map(after.perClass.map((row) => [row.class, row.accuracy]));
  const rows = before.perClass
    .map((row) => ({ ...row, after: now.get(row.class) ?? 0, drop: row.accuracy - (now.get(row.class) ?? 0) }))
    .sort((a, b) => b.drop - a.drop || a.class - b.class);
  // Of very many classes those that did not change say nothing.
  const changed = rows.length > MATRIX_CLASSES ? rows.filter(({ drop }) => drop !== 0) : rows;
  const shown = (changed.length > 0 ? changed : rows).slice(0, MATRIX_CLASSES);
  const worst = rows[0];
  const gaining = rows.filter(({ drop }) => drop < 0).length;
  const colour = (drop: number) => token(`div-${drop > 0 ? 2 * DIVERGING_STEPS : 0}`);
  return barsChart({
    texts: {
      id: "class-drop",
      title: "Accuracy lost by class",
      unit: "share of the samples of a class",
      summary:
        worst && worst.drop <= 0
          ? `No class of ${rows.length} loses; ${gaining} ${gaining === 1 ? "gains" : "gain"}.`
          : worst
            ? `${worst.name} loses most (${percent(worst.drop)} of its ${count(worst.samples, "sample")}); ${rows.filter(({ drop }) => drop > 0).length} of ${count(rows.length, "class", "classes")} lose.`
            : "No class has samples.",
      table: {
        columns: ["class", "samples", "before", "after", "drop"],
        rows: rows.map((row) => [row.name, row.samples, row.accuracy, row.after, row.drop]),
      },
    },
    rows: shown.map(({ name }) => name),
    series: ["drop"],
    bars: shown.map(({ name, drop }) => ({
      row: name,
      series: "drop",
      from: Math.min(0, drop),
      to: Math.max(0, drop),
      fill: colour(drop),
    })),
    labels: shown.map(({ drop }) => `${drop > 0 ? "−" : drop < 0 ? "+" : ""}${percent(Math.abs(drop))}`),
    reach: 0.02,
    xLabel: "accuracy lost",
    xFormat: (value) => `${value < 0 ? "−" : ""}${percent(Math.abs(value))}`,
    layers: false,
  });
}
