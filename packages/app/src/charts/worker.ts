import { CHART_CSS, chartRow } from "@equant/report";
import { renderSvg } from "@equant/report/node";
import type { DrawReply, DrawRequest } from "./messages.js";

/** Charts are drawn here, in a document without a browser, so that the page never waits for one. */
const scope = globalThis as unknown as {
  onmessage: ((event: MessageEvent<DrawRequest>) => void) | null;
  postMessage(reply: DrawReply): void;
};

const LEAST_PX = 280;

scope.onmessage = ({ data: { id, name, args, width, standalone } }) => {
  try {
    const { draw, leastWidth = LEAST_PX } = chartRow(name);
    const chart = draw(...args);
    if (!chart) return scope.postMessage({ id, chart: null, css: CHART_CSS });
    const { title, unit, summary, table } = chart;
    const drawnWidth = Math.max(leastWidth, width);
    const svg = renderSvg(chart, { width: drawnWidth, standalone });
    scope.postMessage({ id, chart: { svg, title, unit, summary, table, width: drawnWidth }, css: CHART_CSS });
  } catch (error) {
    scope.postMessage({ id, error: error instanceof Error ? error.message : String(error) });
  }
};
