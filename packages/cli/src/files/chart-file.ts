import type { Chart, ChartArgs, ChartId } from "@equant/report";
import type { CommandContext } from "../frame/context.js";
import { completing, text } from "../options/options.js";

/** Options of commands that can write their chart. */
export interface ChartOptions {
  svg?: string;
}

/** `--svg FILE` for a command that has a chart; `what` names it. */
export function svgOption(what: string) {
  return completing(text("--svg <file>", `write ${what} as SVG; - is stdout`), "file");
}

/** Draws a chart of the table into a file. */
export async function writeChart<Id extends ChartId>(
  context: CommandContext,
  path: string,
  id: Id,
  ...args: ChartArgs<Id>
): Promise<void> {
  const { chartRow } = await import("@equant/report");
  await writeCharts(context, path, chartRow(id).draw(...args)!);
}

/** Draws charts below each other into one file. */
export async function writeCharts(context: CommandContext, path: string, ...charts: readonly Chart[]): Promise<void> {
  const { renderSvg, renderSvgStack } = await import("@equant/report/node");
  await context.writeOutput(path, `${charts.length === 1 ? renderSvg(charts[0]!) : renderSvgStack(charts)}\n`);
}
