import { dirname, join } from "node:path";
import { OptionsError } from "@equant/core/errors";
import { CHART_IDS, type Chart, type ChartId, chartRow, chartsOf, type Report, readReport } from "@equant/report";
import { renderReport, verdictOf } from "@equant/report/node";
import { type ChartOptions, svgOption, writeCharts } from "../files/chart-file.js";
import { readText } from "../files/model-file.js";
import type { CommandDefinition, CommandOutcome } from "../frame/command.js";
import type { CommandContext } from "../frame/context.js";
import { addOutputOptions, type OutputOptions } from "../options/option-groups.js";
import { choice, text } from "../options/options.js";

interface ReportOptions extends ChartOptions, OutputOptions {
  chart?: ChartId;
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
      .addOption(choice("--chart <name>", "one chart instead of the page", CHART_IDS))
      .addOption(text("--layer <name>", "the layer, for charts of one"))
      .addOption(svgOption("the chart"));
    addOutputOptions(command, { file: "where the page is written (default: report.html beside the JSON)" });
  },
  async run(context: CommandContext, path: string): Promise<CommandOutcome> {
    const options = context.options<ReportOptions>();
    if (path === "-" && options.chart === undefined && options.output === undefined) {
      throw new OptionsError("E2005", "report: a report from stdin needs the name of the page", {
        hint: "add -o report.html, or -o - for stdout",
      });
    }
    const json = await readText(path, context.io);
    context.addInput(path);
    const read = readReport(json, path);
    const { kind, sentence, figures } = verdictOf(read);
    if (options.chart !== undefined) {
      const chart = chartOf(read, options.chart, options.layer);
      if (options.svg !== undefined) await writeCharts(context, options.svg, chart);
      const { title, unit, summary, table } = chart;
      const columns = table.columns.map((name, at) => ({
        title: name,
        cell: (row: readonly unknown[]) => String(row[at] ?? "-"),
      }));
      return { result: { title, unit, summary, table }, text: `${context.table(columns, table.rows)}${summary}\n` };
    }
    if (options.svg !== undefined) {
      throw new OptionsError("E2005", "report: --svg needs a chart", {
        hint: `add --chart NAME: ${CHART_IDS.join(", ")}`,
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
function chartOf(report: Report, id: ChartId, layer: string | undefined): Chart {
  const layers = chartRow(id).layers?.(report);
  if (layer !== undefined && layers && layers.length > 0 && !layers.includes(layer)) {
    throw new OptionsError("E2103", `--layer '${layer}' matches none of ${new Set(layers).size} layers`, {
      actual: layer,
      hint: `for example ${layers.slice(0, 3).join(", ")}`,
    });
  }
  const [chart] = chartsOf(report, id, layers && layer);
  if (chart) return chart;
  throw new OptionsError("E2005", `report: nothing to draw for --chart ${id}`, {
    hint: "the run did not have this step; equant report without --chart shows what it had",
  });
}
