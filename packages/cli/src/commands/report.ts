import { dirname, join } from "node:path";
import { OptionsError } from "@equant/core/errors";
import type { Chart, Report } from "@equant/report";
import { type ChartOptions, svgOption, writeChart } from "../files/chart-file.js";
import { readInput } from "../files/model-file.js";
import type { CommandDefinition, CommandOutcome } from "../frame/command.js";
import type { CommandContext } from "../frame/context.js";
import { addOutputOptions, type OutputOptions } from "../options/option-groups.js";
import { choice, text } from "../options/options.js";

/** Charts by name, each from the sections it needs; undefined where the report has none of them. */
const CHARTS = [
  "weight-ranges",
  "msb-heatmap",
  "msb-fixed-point",
  "msb-channels",
  "msb-bits",
  "range-table",
  "histogram",
  "sqnr-prediction",
  "sqnr-kinds",
  "sqnr-states",
  "sqnr-optimal",
  "channel-maxima",
  "accuracy-sparsity",
  "layer-sparsity",
  "layer-channels",
  "confusion",
  "class-drop",
  "layer-sizes",
  "layer-treemap",
  "sample-errors",
  "range-convergence",
  "latency",
  "network",
] as const;
type ChartName = (typeof CHARTS)[number];

interface ReportOptions extends ChartOptions, OutputOptions {
  chart?: ChartName;
  layer?: string;
}

/** `equant report`: report.json → report.html, or one chart of it. */
export const report: CommandDefinition = {
  echoSettings: false,
  configure(command) {
    command
      .description("Draws a run's report.json: one page that needs nothing else, or with --chart one chart as SVG.")
      .argument("<report>", "a report.json, as compress --out and run write it")
      .optionsGroup("Options:")
      .addOption(choice("--chart <name>", "one chart instead of the page", CHARTS))
      .addOption(text("--layer <name>", "the layer, for charts of one"))
      .addOption(svgOption("the chart"));
    addOutputOptions(command, { file: "where the page is written (default: report.html beside the JSON)" });
  },
  async run(context: CommandContext, path: string): Promise<CommandOutcome> {
    const options = context.options<ReportOptions>();
    const [{ readReport }, { renderReport, verdictOf }] = await Promise.all([
      import("@equant/report"),
      import("@equant/report/node"),
    ]);
    if (path === "-" && options.chart === undefined && options.output === undefined) {
      throw new OptionsError("E2005", "report: a report from stdin needs the name of the page", {
        hint: "add -o report.html, or -o - for stdout",
      });
    }
    const json = new TextDecoder().decode(await readInput(path, context.io));
    context.addInput(path);
    const read = readReport(json, path);
    const { kind, sentence, figures } = verdictOf(read);
    if (options.chart !== undefined) {
      const chart = await chartOf(read, options.chart, options.layer);
      if (options.svg !== undefined) await writeChart(context, options.svg, chart);
      const { title, unit, summary, table } = chart;
      const columns = table.columns.map((name, at) => ({
        title: name,
        cell: (row: readonly unknown[]) => String(row[at] ?? "-"),
      }));
      return { result: { title, unit, summary, table }, text: `${context.table(columns, table.rows)}${summary}\n` };
    }
    if (options.svg !== undefined) {
      throw new OptionsError("E2005", "report: --svg needs a chart", {
        hint: `add --chart NAME: ${CHARTS.join(", ")}`,
      });
    }
    const output = options.output ?? join(dirname(path), "report.html");
    await context.writeOutput(output, renderReport(read));
    return {
      result: { output, verdict: { kind, sentence, figures } },
      text: output === "-" ? "" : `${sentence}\n${output}\n`,
    };
  },
};

/** @throws {OptionsError} E2103 a layer the report does not have, E2005 a chart whose section it does not have. */
async function chartOf(read: Report, name: ChartName, layer: string | undefined): Promise<Chart> {
  const charts = await import("@equant/report");
  const pick = <Row extends { layer: string }>(rows: readonly Row[] | undefined): Row | undefined => {
    if (layer === undefined || !rows) return rows?.[0];
    const row = rows.find((own) => own.layer === layer);
    if (row) return row;
    throw new OptionsError("E2103", `--layer '${layer}' matches none of ${rows.length} layers`, {
      actual: layer,
      hint: `for example ${rows
        .slice(0, 3)
        .map((own) => own.layer)
        .join(", ")}`,
    });
  };
  const of = <Section>(section: Section | undefined, draw: (section: Section) => Chart | undefined) =>
    section === undefined ? undefined : draw(section);
  const draw: Record<ChartName, () => Chart | undefined> = {
    "weight-ranges": () => of(pick(read.weights), charts.weightRanges),
    "msb-heatmap": () => of(read.msb, (rows) => charts.msbHeatmap(rows)),
    "msb-fixed-point": () => of(read.msb, (rows) => charts.msbHeatmap(rows, { mode: "power-of-two" })),
    "msb-channels": () => of(pick(read.msb), charts.msbChannels),
    "msb-bits": () => of(pick(read.msb), charts.msbBits),
    "range-table": () => of(read.ranges, charts.rangeTable),
    histogram: () => of(pick(read.histograms), charts.valueHistogram),
    "sqnr-prediction": () => of(read.sqnr, charts.sqnrPrediction),
    "sqnr-kinds": () => of(read.sqnr, charts.sqnrKinds),
    "sqnr-states": () => of(read.curves, charts.sqnrStates),
    "sqnr-optimal": () => of(read.curves, charts.sqnrOptimal),
    "channel-maxima": () =>
      of(pick(read.equalization?.pairs.map((pair) => ({ ...pair, layer: pair.producer }))), charts.channelMaxima),
    "accuracy-sparsity": () => of(read.pruning, charts.accuracySparsity),
    "layer-sparsity": () => of(read.pruning, charts.layerSparsity),
    "layer-channels": () => of(read.pruning, charts.layerChannels),
    confusion: () => of(read.validation, charts.confusionPair),
    "class-drop": () => of(read.validation, charts.classDrop),
    "layer-sizes": () => charts.layerSizes(read.layers),
    "layer-treemap": () => charts.layerTreemap(read.layers),
    "sample-errors": () => of(read.sampleErrors, charts.sampleErrors),
    "range-convergence": () => of(read.convergence, charts.rangeConvergence),
    latency: () => of(read.latency, charts.latencyBars),
    network: () => charts.networkView(read),
  };
  const chart = draw[name]();
  if (chart) return chart;
  throw new OptionsError("E2005", `report: nothing to draw for --chart ${name}`, {
    hint: "the run did not have this step; equant report without --chart shows what it had",
  });
}
