import type { Chart } from "@equant/report";
import type { CommandContext } from "./context.js";
import { completing, text } from "./options.js";

/** Options of commands that can write their chart. */
export interface ChartOptions {
  svg?: string;
}

/** `--svg FILE` for a command that has a chart; `what` names it. */
export function svgOption(what: string) {
  return completing(text("--svg <file>", `write ${what} as SVG; - is stdout`), "file");
}

/** Draws a chart into a file. */
export async function writeChart(context: CommandContext, path: string, chart: Chart): Promise<void> {
  const { renderSvg } = await import("@equant/report/node");
  await context.writeOutput(path, `${renderSvg(chart)}\n`);
}
