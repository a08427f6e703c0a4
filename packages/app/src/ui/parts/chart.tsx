import type { ChartArgs, ChartId } from "@equant/report";
import { useEffect, useRef, useState } from "preact/hooks";
import { drawChart } from "../../charts/client.js";
import type { DrawnChart } from "../../charts/messages.js";
import { selectLayer } from "../../state/selection.js";
import { selectedLayer } from "../../state/store.js";
import { ChartMenu } from "./chart-menu.js";
import { ChartNumbers } from "./chart-numbers.js";

interface ChartProps<N extends ChartId> {
  readonly name: N;
  readonly args: ChartArgs<N>;
  /** A cell of a matrix was clicked: row and column. Beside it the same must be possible by keyboard. */
  readonly onCell?: (row: number, column: number) => void;
}

/** A click this far from a number still means its cell, px. */
const CELL_PX = 24;

/** The number of a matrix nearest to a click; its cell is in `data-cell`. */
function cellAt(host: Element, { clientX, clientY }: MouseEvent): [number, number] | undefined {
  let nearest: { cell: string; distance: number } | undefined;
  for (const element of host.querySelectorAll("[data-cell]")) {
    const { left, right, top, bottom } = element.getBoundingClientRect();
    const distance = Math.max(Math.abs(clientX - (left + right) / 2), Math.abs(clientY - (top + bottom) / 2));
    if (distance < (nearest?.distance ?? CELL_PX)) nearest = { cell: element.getAttribute("data-cell")!, distance };
  }
  return nearest?.cell.split(" ").map(Number) as [number, number] | undefined;
}

/** Widths are steps, so that dragging a window edge does not draw every pixel. */
const WIDTH_STEP = 40;

/** A chart of a report: drawn in a worker, linked to the selection, with its numbers and as a file. */
export function Chart<N extends ChartId>({ name, args, onCell }: ChartProps<N>) {
  const host = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  const [chart, setChart] = useState<DrawnChart | null>(null);
  const [asTable, setAsTable] = useState(false);
  const [room, setRoom] = useState(0);
  useEffect(() => {
    const box = host.current!;
    const observer = new ResizeObserver(([entry]) => {
      setWidth(Math.max(WIDTH_STEP, Math.floor(entry!.contentRect.width / WIDTH_STEP) * WIDTH_STEP));
      setRoom(box.clientWidth);
    });
    observer.observe(box);
    return () => observer.disconnect();
  }, []);
  useEffect(() => {
    if (width === 0) return;
    let current = true;
    drawChart(name, args, width).then(
      (drawn) => current && setChart(drawn),
      () => current && setChart(null),
    );
    return () => {
      current = false;
    };
  }, [name, width, ...args]);
  const layer = selectedLayer.value;
  const scrolls = chart !== null && room < chart.width;
  useEffect(() => {
    const marked = host.current?.querySelectorAll(".eq-selected") ?? [];
    for (const element of marked) element.classList.remove("eq-selected");
    if (layer === undefined) return;
    for (const element of host.current?.querySelectorAll(`[data-layer="${CSS.escape(layer)}"]`) ?? []) {
      element.classList.add("eq-selected");
      for (const hit of element.querySelectorAll(".eq-hit")) hit.classList.add("eq-selected");
    }
  }, [layer, chart, asTable]);
  const pick = (event: MouseEvent) => {
    const cell = onCell && cellAt(event.currentTarget as Element, event);
    if (cell) return onCell(...cell);
    const hit = (event.target as Element).closest("[data-layer]");
    if (hit) selectLayer(hit.getAttribute("data-layer"));
  };
  return (
    <figure class="chart">
      <figcaption class="chart-head">
        <span>
          <strong>{chart?.title ?? "Chart"}</strong> {chart && <span class="hint">{chart.unit}</span>}
        </span>
        {chart && <ChartMenu name={name} args={args} chart={chart} asTable={asTable} onTable={setAsTable} />}
      </figcaption>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a drawing that scrolls must be reachable by keyboard */}
      <div
        ref={host}
        class="chart-host"
        {...(scrolls && { tabIndex: 0, role: "group", "aria-label": `${chart?.title ?? "Chart"}, scrolls` })}
      >
        {chart === null ? (
          <div class="skeleton" aria-hidden="true" />
        ) : asTable ? (
          <ChartNumbers chart={chart} />
        ) : (
          // biome-ignore lint/a11y: selecting by click is a shortcut; the layer table does the same by keyboard
          <div
            class="chart-drawing"
            onClick={pick}
            // biome-ignore lint/security/noDangerouslySetInnerHtml: drawn by our own worker, names are escaped there
            dangerouslySetInnerHTML={{ __html: chart.svg }}
          />
        )}
      </div>
      {chart && <p class="hint">{chart.summary}</p>}
    </figure>
  );
}
