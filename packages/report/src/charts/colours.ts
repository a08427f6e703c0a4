/**
 * Colours of all charts (docs/reports.md): sequential is one hue of blue with monotone lightness, so that its middle never
 * looks like the gray of «not representable»; SQNR is viridis, reversed in the dark; differences are blue–white–orange; categories are Okabe–Ito,
 * the first three of them moved apart in lightness. In the dark the sequential ramp is reversed: «more» stays far from the
 * ground. Steps of a ramp, both sides of the differences and the first three categories differ by 8 and more (CIEDE2000) in
 * normal sight, with each of three colour deficiencies and in gray; test/charts/colours.test.ts holds it.
 */
export const SEQUENTIAL_STEPS = 7;
/** Steps on each side of the white centre. */
export const DIVERGING_STEPS = 3;

interface Theme {
  readonly ground: string;
  readonly ink: string;
  readonly muted: string;
  readonly grid: string;
  readonly hatch: string;
  readonly hatchGround: string;
  readonly select: string;
  readonly sequential: readonly string[];
  /** From the most negative (blue) to the most positive (orange). */
  readonly diverging: readonly string[];
  readonly category: readonly string[];
  /** From the lowest ratio to the highest: below 10 dB, …, from 40 dB on. */
  readonly sqnr: readonly string[];
}

/** Viridis, low to high dB on a light ground; in the dark the other way round, so that a low ratio stands out. */
const VIRIDIS = ["#440154", "#3b528b", "#21918c", "#5ec962", "#fde725"] as const;

export const LIGHT: Theme = {
  ground: "#ffffff",
  ink: "#1b1f24",
  muted: "#57606a",
  grid: "#d8dee4",
  hatch: "#a2a8af",
  hatchGround: "#e6e8eb",
  select: "#b5179e",
  sequential: ["#c3d8ec", "#98b4d0", "#6a97c4", "#377cb4", "#0f5f9e", "#004377", "#00244d"],
  diverging: ["#003c61", "#1678ac", "#90aeca", "#ffffff", "#eecbab", "#bf7c3f", "#903f00"],
  category: ["#00568f", "#c84b00", "#13a077", "#c46c9c", "#e69f00", "#56b4e9", "#1b1f24"],
  sqnr: VIRIDIS,
};

export const DARK: Theme = {
  ground: "#14171b",
  ink: "#e8eaed",
  muted: "#a8b0b9",
  grid: "#343a41",
  hatch: "#5c636b",
  hatchGround: "#2b2f34",
  select: "#ff7ad9",
  sequential: ["#1d3755", "#2c5584", "#3670ae", "#418bcc", "#69aade", "#a0cef2", "#eaf5fe"],
  diverging: ["#d0e4ff", "#4a99d0", "#3e5c75", "#14171b", "#4c341a", "#a66629", "#ff9f5f"],
  category: ["#2a8fca", "#ff8a3d", "#55e0b2", "#cf86b0", "#ffd64d", "#a5d8f5", "#e8eaed"],
  sqnr: [...VIRIDIS].reverse(),
};

/** Reference to a token: `var(--eq-ink)`. */
export function token(name: string): string {
  return `var(--eq-${name})`;
}

/** Colour of a step of the sequential ramp, 0 (least) … {@link SEQUENTIAL_STEPS} − 1. */
export function sequential(step: number): string {
  return token(`seq-${step}`);
}

/** Colour of a category: a state, a method. Categories are told apart by shape or dash besides. */
export function category(index: number): string {
  return token(`cat-${index % LIGHT.category.length}`);
}

/** Dashes that go with the categories. */
export const DASHES = [undefined, "6,3", "2,2", "8,3,2,3", "1,3", "10,4", "4,1"] as const;

/** Step of a share 0–1 on the sequential ramp; `log`: four decades, so that one in ten thousand is still seen. */
export function sequentialStep(share: number, log = false): number {
  const place = log ? 1 + Math.log10(Math.max(share, 1e-4)) / 4 : share;
  return Math.max(0, Math.min(SEQUENTIAL_STEPS - 1, Math.floor(place * SEQUENTIAL_STEPS)));
}

/** Step of a difference on the diverging ramp; `most` is the largest magnitude shown. */
export function divergingStep(value: number, most: number): number {
  if (most === 0 || value === 0) return DIVERGING_STEPS;
  const step = Math.max(1, Math.ceil((Math.abs(value) / most) * DIVERGING_STEPS));
  return DIVERGING_STEPS + Math.sign(value) * Math.min(DIVERGING_STEPS, step);
}

function declarations(theme: Theme): string {
  const list = (name: string, colours: readonly string[]) => colours.map((colour, at) => [`${name}-${at}`, colour]);
  const on = (name: string, colours: readonly string[]) =>
    colours.map((colour, at) => [`on-${name}-${at}`, readableOn(colour)]);
  const { ground, ink, muted, grid, hatch, hatchGround, select } = theme;
  return [
    ...Object.entries({ ground, ink, muted, grid, hatch, "hatch-ground": hatchGround, select }),
    ...list("seq", theme.sequential),
    ...on("seq", theme.sequential),
    ...list("div", theme.diverging),
    ...on("div", theme.diverging),
    ...list("cat", theme.category),
    ...on("cat", theme.category),
    ...list("sqnr", theme.sqnr),
    ...on("sqnr", theme.sqnr),
  ]
    .map(([name, value]) => `--eq-${name}:${value}`)
    .join(";");
}

/** On paper everything is light, whatever the screen is. */
export const PRINT_CSS = /* @__PURE__ */ (() =>
  `@media print{:root,.equant-chart,:root[data-theme],:root[data-theme] .equant-chart{${declarations(LIGHT)}}}`)();

/** Black or white, whichever contrasts more. */
export function readableOn(colour: string): string {
  return luminance(colour) > 0.179 ? "#000000" : "#ffffff";
}

/** Relative luminance of `#rrggbb` (WCAG 2). */
export function luminance(colour: string): number {
  const [r, g, b] = [1, 3, 5].map((at) => {
    const part = Number.parseInt(colour.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!;
}

/**
 * Style sheet of the charts: tokens for light and dark (the system's choice, or `data-theme` on an element around), and what
 * selection looks like. A page includes it once; files written by `renderSvg` carry it.
 */
export const CHART_CSS = /* @__PURE__ */ (() => `
:root,.equant-chart{${declarations(LIGHT)}}
@media (prefers-color-scheme:dark){:root,.equant-chart{${declarations(DARK)}}}
[data-theme=light],[data-theme=light] .equant-chart{${declarations(LIGHT)}}
[data-theme=dark],[data-theme=dark] .equant-chart{${declarations(DARK)}}
.equant-chart{color:var(--eq-ink);background:var(--eq-ground);--plot-background:var(--eq-ground);max-width:100%;height:auto}
.equant-chart [data-layer]{cursor:pointer}
.equant-chart .eq-hover{stroke:var(--eq-select);stroke-width:1.5px}
.equant-chart .eq-selected{stroke:var(--eq-select);stroke-width:2px;opacity:1}
.equant-chart .eq-hit{fill:transparent}
.equant-chart .eq-hit.eq-selected{fill:none}
.eq-value{display:none}
.eq-by-bits .eq-card{stroke-dasharray:var(--dash)}
.eq-by-sqnr .eq-value-sqnr,.eq-by-bits .eq-value-bits,.eq-by-size .eq-value-size{display:inline}
.eq-by-sqnr .eq-card{fill:var(--sqnr)}.eq-by-bits .eq-card{fill:var(--bits)}.eq-by-size .eq-card{fill:var(--size)}
.eq-by-sqnr .eq-node text{fill:var(--on-sqnr)}.eq-by-bits .eq-node text{fill:var(--on-bits)}.eq-by-size .eq-node text{fill:var(--on-size)}
.equant-chart .eq-selected>.eq-card{stroke:var(--eq-select)!important;stroke-width:3px}
.equant-chart g.eq-selected,.equant-chart g.eq-hover,.equant-chart text.eq-selected,.equant-chart text.eq-hover{stroke:none}
.equant-chart g.eq-hover>.eq-hit{stroke:var(--eq-select);stroke-width:1px}
.equant-chart g.eq-hover>.eq-tile,.equant-chart g.eq-hover>.eq-card{stroke:var(--eq-select)!important;stroke-width:2px}
.equant-chart g.eq-selected>.eq-hit{stroke:var(--eq-select);stroke-width:1.5px}
.equant-chart g.eq-selected>.eq-tile{stroke:var(--eq-select)!important;stroke-width:3px}
.equant-chart text.eq-selected,.equant-chart text.eq-hover{font-weight:700;text-decoration:underline}
.equant-chart .eq-columns line{stroke-opacity:.22}
.equant-chart line.eq-selected,.equant-chart line.eq-hover{stroke-width:inherit}
@media (forced-colors:active){.equant-chart{forced-color-adjust:none}}
`)();
