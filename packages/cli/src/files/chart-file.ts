import type { Chart } from "@equant/report";
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

/** Draws a chart, or several below each other, into a file. */
export async function writeChart(context: CommandContext, path: string, ...charts: readonly Chart[]): Promise<void> {
  const { renderSvg, renderSvgStack } = await import("@equant/report/node");
  await context.writeOutput(path, `${charts.length === 1 ? renderSvg(charts[0]!) : renderSvgStack(charts)}\n`);
}
