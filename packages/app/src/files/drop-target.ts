import { warmCharts } from "../charts/client.js";
import { engine } from "../engine/engine.js";
import { environment } from "../state/store.js";
import { openDropped } from "./open.js";
import { ofDrop } from "./placed.js";

/** The whole window takes files. */
export function startDrop(): void {
  let depth = 0;
  const mark = (over: boolean) => document.body.classList.toggle("dropping", over);
  addEventListener("dragenter", (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    depth++;
    mark(true);
    // Files are about to come: the engine is fetched meanwhile.
    warm();
  });
  addEventListener("dragleave", () => {
    depth = Math.max(0, depth - 1);
    if (depth === 0) mark(false);
  });
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", (event) => {
    event.preventDefault();
    depth = 0;
    mark(false);
    if (event.dataTransfer) void ofDrop(event.dataTransfer).then(openDropped);
  });
}

let warmed: Promise<void> | undefined;

/** Loads core into the worker, and learns how many threads there are. */
export function warm(): Promise<void> {
  warmCharts();
  warmed ??= engine
    .call("warm", {})
    .promise.then((found) => {
      environment.value = found;
    })
    .catch(() => {
      warmed = undefined;
    });
  return warmed;
}
