import type { ChartArgs, ChartId } from "@equant/report";
import type { DrawnChart, DrawReply, DrawRequest } from "./messages.js";

let worker: Worker | undefined;
let next = 1;
const pending = new Map<number, { resolve: (chart: DrawnChart | null) => void; reject: (error: Error) => void }>();

/** The worker that draws starts with the first chart, and brings the style sheet of all of them. */
function start(): Worker {
  if (worker) return worker;
  worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module", name: "charts" });
  worker.onmessage = ({ data }: MessageEvent<DrawReply>) => {
    const waiting = pending.get(data.id);
    pending.delete(data.id);
    if ("error" in data) waiting?.reject(new Error(data.error));
    else {
      styles(data.css);
      waiting?.resolve(data.chart);
    }
    onDrawn?.();
  };
  worker.onerror = () => {
    for (const { reject } of pending.values()) reject(new Error("the chart could not be drawn"));
    pending.clear();
    worker = undefined;
  };
  return worker;
}

/** Starts the worker before the first chart is asked for. */
export function warmCharts(): void {
  start();
}

let styled = false;
function styles(css: string): void {
  if (styled) return;
  styled = true;
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(css);
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
}

/** Charts that were asked for are on screen by then, or will never be: a page in the background draws none. */
const DRAWN_WITHIN_MS = 2000;
let onDrawn: (() => void) | undefined;

/** Resolves once the charts of the screen that was just chosen are drawn: the next answer after which none is awaited. */
export async function chartsDrawn(): Promise<void> {
  await new Promise<void>((go) => {
    const timer = setTimeout(go, DRAWN_WITHIN_MS);
    onDrawn = () => {
      if (pending.size > 0) return;
      clearTimeout(timer);
      onDrawn = undefined;
      // The time from the mark that is set where files arrive to this one is that to the first insight.
      requestAnimationFrame(() => performance.mark("equant:charts"));
      go();
    };
  });
}

/** Draws a chart off the main thread; null where there is nothing to draw. */
export function drawChart<N extends ChartId>(
  name: N,
  args: ChartArgs<N>,
  width: number,
  standalone = false,
): Promise<DrawnChart | null> {
  const id = next++;
  const request: DrawRequest = { id, name, args, width, standalone };
  return new Promise((resolve, reject) => {
    pending.set(id, { resolve, reject });
    start().postMessage(request);
  });
}
