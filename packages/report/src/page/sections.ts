import {
  accuracySparsity,
  channelMaxima,
  classDrop,
  confusionPair,
  latencyBars,
  layerChannels,
  layerSizes,
  layerSparsity,
  layerTreemap,
  msbHeatmap,
  networkView,
  rangeConvergence,
  rangeTable,
  sampleErrors,
  sqnrKinds,
  sqnrOptimal,
  sqnrPrediction,
  sqnrStates,
  valueHistogram,
  weightRanges,
} from "../charts/index.js";
import { bytes, escaped, percent } from "../charts/text.js";
import { channelSpread } from "../charts/weight-ranges.js";
import type { LayerWeights, Report } from "../schema.js";
import { figure, htmlTable, packHtml } from "./html.js";
import { rowChoice, rowTemplate } from "./msb-rows.js";
import { verdictOf } from "./verdict.js";

/** A part of the page with its place in the navigation; empty ones are left out. */
export interface PageSection {
  readonly id: string;
  readonly title: string;
  readonly html: string;
}

export function pageSections(report: Report): PageSection[] {
  const all: PageSection[] = [
    { id: "summary", title: "Summary", html: summary(report) },
    { id: "findings", title: "Findings", html: findings(report) },
    { id: "layers", title: "Layers", html: layers(report) },
    { id: "error", title: "Error", html: error(report) },
    { id: "accuracy", title: "Accuracy", html: accuracy(report) },
    { id: "values", title: "Values", html: values(report) },
    { id: "equalization", title: "Equalization", html: equalization(report) },
    { id: "pruning", title: "Pruning", html: pruning(report) },
    { id: "size", title: "Size", html: figure(layerTreemap(report.layers)) + figure(layerSizes(report.layers)) },
    { id: "network", title: "Network", html: network(report) },
    { id: "about", title: "About", html: about(report) },
  ];
  return all.filter(({ html }) => html !== "");
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
    percent(error.agreement),
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
  const weights = report.weights?.find(({ layer }) => layer === name);
  const msb = report.msb?.filter(({ layer }) => layer === name) ?? [];
  const histogram = report.histograms?.find(({ layer }) => layer === name);
  const eager = { eager: true };
  const html = [
    `<h3 class="layer-name">${escaped(name)}</h3>`,
    weights ? figure(weightRanges(weights), eager) : "",
    msb.length > 0 ? figure(msbHeatmap(msb), { ...eager, after: rowChoice(msb) }) : "",
    histogram ? figure(valueHistogram(histogram), eager) : "",
  ].join("");
  return `<script type="text/plain" data-layer-charts="${escaped(name)}">${packHtml(html)}</script>\n`;
}

function error({ sqnr, curves }: Report): string {
  const measured = sqnr && sqnr.layers.length > 0;
  return [
    measured
      ? figure(sqnrPrediction(sqnr), {
          view: "by prediction",
          others: [{ name: "graph order", chart: sqnrPrediction(sqnr, { order: "graph" }) }],
        }) + figure(sqnrKinds(sqnr))
      : "",
    curves ? (changes(curves) ? figure(sqnrStates(curves)) : "") + figure(sqnrOptimal(curves)) : "",
  ].join("");
}

/** Whether two states differ by what is seen in a drawing: where a step was undone their lines lie on each other. */
function changes({ states }: NonNullable<Report["curves"]>): boolean {
  const [first, ...others] = states;
  const differs = (a: number | null, b: number | null | undefined) => Math.abs((a ?? 0) - (b ?? 0)) >= 0.05;
  return others.some(({ weights, activations }) =>
    [weights, activations].some((values, kind) =>
      values.some((db, at) => differs(db, (kind === 0 ? first!.weights : first!.activations)[at])),
    ),
  );
}

function accuracy({ validation, sampleErrors: errors, latency }: Report): string {
  return [
    validation ? figure(confusionPair(validation)) + figure(classDrop(validation)) : "",
    errors && errors.rows.length > 0 ? figure(sampleErrors(errors)) : "",
    latency ? figure(latencyBars(latency)) : "",
  ].join("");
}

function values({ msb, ranges, convergence }: Report): string {
  return [
    msb
      ? figure(msbHeatmap(msb), {
          view: "types as exported",
          others: [
            { name: "fixed-point types (power-of-two scales)", chart: msbHeatmap(msb, { mode: "power-of-two" }) },
          ],
          after: rowChoice(msb),
        }) + msb.map(rowTemplate).join("")
      : "",
    ranges ? figure(rangeTable(ranges)) : "",
    convergence ? figure(rangeConvergence(convergence)) : "",
  ].join("");
}

/** Boxes shown outside the selection: the layers whose channels became most alike, then those that differ most. */
const BOXES = 2;

function equalization({ weights, equalization }: Report): string {
  const spread = ({ before, after }: LayerWeights) => channelSpread((before ?? after)!.channels);
  const gain = ({ before, after }: LayerWeights) =>
    before && after ? channelSpread(before.channels) / channelSpread(after.channels) : 1;
  const widest = (weights ?? [])
    .filter(({ before, after }) => before ?? after)
    .sort((a, b) => gain(b) - gain(a) || spread(b) - spread(a))
    .slice(0, BOXES);
  return [
    ...widest.map((section) => figure(weightRanges(section))),
    ...(equalization?.pairs ?? []).slice(0, BOXES).map((pair) => figure(channelMaxima(pair))),
  ].join("");
}

function pruning({ pruning }: Report): string {
  if (!pruning) return "";
  return [
    pruning.curves.length > 0 ? figure(accuracySparsity(pruning)) : "",
    pruning.layers.length > 0 ? figure(layerSparsity(pruning)) + figure(layerChannels(pruning)) : "",
    pruning.validation ? figure(confusionPair(pruning.validation)) + figure(classDrop(pruning.validation)) : "",
  ].join("");
}

function network(report: Report): string {
  const choice = `<p class="choice" role="group" aria-label="Colour of the cards">Colour: ${["sqnr", "bits", "size"]
    .map(
      (by, at) =>
        `<button type="button" data-by="${by}" aria-pressed="${at === 0}">${by === "sqnr" ? "SQNR" : by}</button>`,
    )
    .join("")}</p>`;
  return figure(networkView(report), { scroll: true, extra: choice });
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
