import type { TraceMode } from "./trace.js";
import type { ViewModel } from "./view-model.js";

/** What the keys do beside moving the selection. */
export interface KeyTarget {
  zoom(factor: number): void;
  pan(dx: number, dy: number): void;
  fit(): void;
  focusSearch(): void;
}

export const TRACE_ORDER: readonly TraceMode[] = ["none", "both", "upstream", "downstream"];

/** Keys of the canvas, as told to people and to screen readers. */
export const KEY_HELP =
  "Arrows: consumer, producer, siblings. Enter: unfold or fold back. Plus and minus: zoom. F: fit. P: trace path. " +
  "Slash: search. Shift and arrows: pan.";

const ARROWS = { ArrowDown: "consumer", ArrowUp: "producer", ArrowLeft: "left", ArrowRight: "right" } as const;
const PAN = 80;

/** True when the key was used; the caller then keeps it from the page. */
export function handleKey(event: KeyboardEvent, model: ViewModel, target: KeyTarget): boolean {
  if (event.ctrlKey || event.metaKey || event.altKey) return false;
  const direction = ARROWS[event.key as keyof typeof ARROWS];
  if (direction) {
    if (event.shiftKey) {
      target.pan(
        direction === "left" ? PAN : direction === "right" ? -PAN : 0,
        direction === "producer" ? PAN : direction === "consumer" ? -PAN : 0,
      );
    } else model.move(direction);
    return true;
  }
  const cards = model.placed.value?.folded.cards ?? [];
  switch (event.key) {
    case "Enter":
      return model.current.value !== undefined && model.toggle(model.current.value);
    case "Backspace":
      return model.current.value !== undefined && model.fold(model.current.value);
    case "Home":
      model.select(cards.length > 0 ? 0 : undefined);
      return true;
    case "End":
      model.select(cards.length > 0 ? cards.length - 1 : undefined);
      return true;
    case "+":
    case "=":
      target.zoom(1.25);
      return true;
    case "-":
      target.zoom(0.8);
      return true;
    case "f":
      target.fit();
      return true;
    case "p":
      model.trace.value = TRACE_ORDER[(TRACE_ORDER.indexOf(model.trace.value) + 1) % TRACE_ORDER.length]!;
      return true;
    case "/":
      target.focusSearch();
      return true;
    case "Escape": {
      // Escape also cancels work in the page: it is used up here only where there is something to clear.
      const used = model.query.value !== "" || model.trace.value !== "none" || model.hidden.value.size > 0;
      model.query.value = "";
      model.trace.value = "none";
      model.hidden.value = new Set();
      return used;
    }
    default:
      return false;
  }
}
