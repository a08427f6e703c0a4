import { CHART_IDS, type ChartId, type ChartSection, chartRow, chartsOf } from "../charts/index.js";
import { bytes, escaped, percent } from "../charts/text.js";
import type { Report } from "../schema.js";
import { type FigureOptions, figure, htmlTable, packHtml } from "./html.js";
import { rowChoice, rowTemplate } from "./msb-rows.js";
import { verdictOf } from "./verdict.js";

/** A part of the page with its place in the navigation; empty ones are left out. */
export interface PageSection {
  readonly id: string;
  readonly title: string;
  readonly html: string;
}

export function pageSections(report: Report): PageSection[] {
  const charts = (id: ChartSection, title: string): PageSection => ({ id, title, html: sectionCharts(report, id) });
  const all: PageSection[] = [
    { id: "summary", title: "Summary", html: summary(report) },
    { id: "findings", title: "Findings", html: findings(report) },
    { id: "layers", title: "Layers", html: layers(report) },
    charts("error", "Error"),
    charts("accuracy", "Accuracy"),
    charts("values", "Values"),
    charts("equalization", "Equalization"),
    charts("pruning", "Pruning"),
    charts("size", "Size"),
    charts("network", "Network"),
    { id: "about", title: "About", html: about(report) },
  ];
  return all.filter(({ html }) => html !== "");
}

/** Figures of the charts of a section that the report has what they need for. */
function sectionCharts(report: Report, section: ChartSection): string {
  return CHART_IDS.filter((id) => chartRow(id).section === section && (chartRow(id).worth?.(report) ?? true))
    .map((id) =>
      chartsOf(report, id)
        .map((chart) => figure(chart, optionsOf(report, id)))
        .join(""),
    )
    .join("");
}

/** What stands around a chart on the page besides its texts: its other views, and what only it has. */
function optionsOf(report: Report, id: ChartId): FigureOptions {
  const others = CHART_IDS.filter((other) => chartRow(other).viewOf === id).flatMap((other) =>
    chartsOf(report, other).map((chart) => ({ name: chartRow(other).view!, chart })),
  );
  return {
    ...(others.length > 0 && { view: chartRow(id).view!, others }),
    ...(id === "network" && { scroll: true, extra: colourChoice() }),
    ...(id === "msb-heatmap" && { after: rowChoice(report.msb!), templates: report.msb!.map(rowTemplate).join("") }),
  };
}

/** Buttons for the colourings of the network's drawing. */
function colourChoice(): string {
  const buttons = Object.entries({ sqnr: "SQNR", bits: "bits", size: "size" }).map(
    ([by, name], at) => `<button type="button" data-by="${by}" aria-pressed="${at === 0}">${name}</button>`,
  );
  return `<p class="choice" role="group" aria-label="Colour of the cards">Colour: ${buttons.join("")}</p>`;
}

function summary(report: Report): string {
  const { kind, sentence, figures } = verdictOf(report);
  const icon = { good: "✔", loss: "✖", unknown: "?" }[kind];
  const cards = figures.map(
    ({ name, value, note }) =>
      `<div><dt>${escaped(name)}</dt><dd><strong>${escaped(value)}</strong> <span>${escaped(note)}</span></dd></div>`,
  );
  const steps = report.steps.map(({ step, kept, note, error }) => [
    escaped(step),
    kept ? "kept" : "undone",
    error.sqnrDb >= 300 ? "no noise" : `${error.sqnrDb.toFixed(1)} dB`,
    error.agreement === null ? "–" : percent(error.agreement),
    escaped(note),
  ]);
  const table = htmlTable(
    "Effect of every step on the quantized network's outputs",
    ["step", "", "output SQNR", "same answer", "effect"],
    steps,
  );
  return `<p class="verdict ${kind}"><span aria-hidden="true">${icon}</span> ${escaped(sentence)}</p><dl class="figures">${cards.join("")}</dl>${steps.length > 0 ? table : ""}`;
}

function findings({ findings }: Report): string {
  if (findings.length === 0) return "<p>Nothing stands out.</p>";
  const items = findings.map(({ layer, severity, text, reason, remedy }) => {
    const link =
      layer === null ? "" : ` <button type="button" class="pick" data-pick="${escaped(layer)}">Show layer</button>`;
    return `<li class="${severity}" data-name="${escaped(layer ?? "")}"><strong>${escaped(text)}</strong>${link}<br>${escaped(reason)}.${remedy ? ` <em>Try: ${escaped(remedy)}.</em>` : ""}</li>`;
  });
  return `<ol class="list">${items.join("\n")}</ol>`;
}

function layers(report: Report): string {
  const ratios = new Map(report.sqnr?.layers.map((row) => [row.layer, row]));
  const losses = new Map(report.msb?.filter(({ kind }) => kind === "activations").map((row) => [row.layer, row]));
  const db = (value: number | null | undefined) => (value === null || value === undefined ? "–" : value.toFixed(1));
  const share = (n: number | null | undefined, total: number) =>
    n === null || n === undefined || total === 0 ? "–" : percent(n / total, 2);
  const rows = report.layers.map((layer) => {
    const ratio = ratios.get(layer.name);
    const loss = losses.get(layer.name);
    return [
      `<button type="button" class="pick" data-pick="${escaped(layer.name)}">${escaped(layer.name)}</button>`,
      escaped(layer.opType),
      layer.shape.join("×"),
      String(layer.parameters),
      layer.bits >= 32 ? "float" : `${layer.bits} bit`,
      `${bytes(layer.bytesBefore)} → ${bytes(layer.bytesAfter)}`,
      db(ratio?.local.both),
      db(ratio?.cumulative?.both),
      db(ratio?.weight.measuredDb),
      share(loss?.overflow, loss?.total ?? 0),
      share(loss?.underflow, loss?.total ?? 0),
    ];
  });
  const table = htmlTable(
    "Layers: choose one to see its charts",
    [
      "layer",
      "operator",
      "shape",
      "learnables",
      "type",
      "size",
      "local dB",
      "cumulative dB",
      "weight dB",
      "overflow",
      "underflow",
    ],
    rows,
  );
  return `<div class="layer-table">${table}</div><div id="inspector" role="region" aria-label="Selected layer"><p>No layer is selected.</p></div>${report.layers.map((layer) => layerTemplate(report, layer.name)).join("")}`;
}

/** Charts of one layer, shown when it is selected. */
function layerTemplate(report: Report, name: string): string {
  const figures = CHART_IDS.filter((id) => chartRow(id).selected).flatMap((id) =>
    chartsOf(report, id, name).map((chart) =>
      figure(chart, {
        eager: true,
        ...(id === "layer-msb" && { after: rowChoice(report.msb!.filter(({ layer }) => layer === name)) }),
      }),
    ),
  );
  const html = `<h3 class="layer-name">${escaped(name)}</h3>${figures.join("")}`;
  return `<script type="text/plain" data-layer-charts="${escaped(name)}">${packHtml(html)}</script>\n`;
}

function about(report: Report): string {
  const rows = [
    ["equant", escaped(report.tool.version)],
    ["input", report.model ? `sha256 <code>${escaped(report.model.sha256)}</code>, ${bytes(report.model.bytes)}` : "–"],
    [
      "output",
      report.output ? `sha256 <code>${escaped(report.output.sha256)}</code>, ${bytes(report.output.bytes)}` : "–",
    ],
    ["recipe", `<code>${escaped(JSON.stringify(report.recipe))}</code>`],
    ["data", `<code>${escaped(JSON.stringify(report.data ?? {}))}</code>`],
    ["statistics", `${report.samples ?? 0} calibration samples`],
  ];
  return htmlTable("Where this report comes from", ["what", "value"], rows);
}
