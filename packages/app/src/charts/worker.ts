import { CHART_CSS, type Chart } from "@equant/report";
import { renderSvg } from "@equant/report/node";
import type { DrawReply, DrawRequest } from "./messages.js";
import { CHARTS, type ChartName } from "./registry.js";

/** Charts are drawn here, in a document without a browser, so that the page never waits for one. */
const scope = globalThis as unknown as {
  onmessage: ((event: MessageEvent<DrawRequest>) => void) | null;
  postMessage(reply: DrawReply): void;
};

scope.onmessage = ({ data: { id, name, args, width, standalone } }) => {
  try {
    const make = CHARTS[name as ChartName] as (...args: readonly unknown[]) => Chart | undefined;
    const chart = make(...args);
    if (!chart) return scope.postMessage({ id, chart: null, css: CHART_CSS });
    const { title, unit, summary, table } = chart;
    const svg = renderSvg(chart, { width, standalone });
    scope.postMessage({ id, chart: { svg, title, unit, summary, table }, css: CHART_CSS });
  } catch (error) {
    scope.postMessage({ id, error: error instanceof Error ? error.message : String(error) });
  }
};
