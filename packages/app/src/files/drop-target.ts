import { warm } from "../engine/warm.js";
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
