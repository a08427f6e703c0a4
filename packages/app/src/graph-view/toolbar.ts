import { effect } from "@preact/signals";
import { element } from "./element.js";
import { type KeyTarget, TRACE_ORDER } from "./keyboard.js";
import type { TraceMode } from "./trace.js";
import type { ViewModel } from "./view-model.js";

const TRACE_LABELS: Readonly<Record<TraceMode, string>> = {
  none: "Path: off",
  both: "Path: both ways",
  upstream: "Path: upstream",
  downstream: "Path: downstream",
};

/** Search, detail, path, zoom and fold: a button for everything that a key or a drag does. */
export function createToolbar(model: ViewModel, target: KeyTarget, focusGraph: () => void) {
  const input = element("input", {
    type: "search",
    placeholder: "Search: name, op, sqnr<20",
    "aria-label": "Search the graph: name, operator, or a value such as sqnr<20",
    spellcheck: "false",
  });
  const note = element("span", { class: "eq-graph-note", role: "status" });
  const detail = element(
    "select",
    { "aria-label": "Detail" },
    element("option", { value: "blocks" }, "Blocks"),
    element("option", { value: "chains" }, "Layers"),
    element("option", { value: "nodes" }, "Nodes"),
  );
  const path = element(
    "select",
    { "aria-label": "Path trace" },
    ...TRACE_ORDER.map((mode) => element("option", { value: mode }, TRACE_LABELS[mode])),
  );
  const button = (text: string, label: string, act: () => void) => {
    const made = element("button", { type: "button", "aria-label": label, title: label }, text);
    made.addEventListener("click", act);
    return made;
  };
  const previous = button("‹", "Previous match", () => model.step(-1));
  const next = button("›", "Next match", () => model.step(1));
  const fold = button("Unfold", "Unfold selected", () => {
    if (model.current.value !== undefined) model.toggle(model.current.value);
  });
  const foldAll = button("Fold all", "Fold all cards back", () => {
    model.unfolded.value = new Set();
  });
  const bar = element(
    "div",
    { class: "eq-graph-bar", role: "group", "aria-label": "Graph tools" },
    input,
    previous,
    next,
    detail,
    path,
    fold,
    foldAll,
    button("−", "Zoom out", () => target.zoom(0.8)),
    button("+", "Zoom in", () => target.zoom(1.25)),
    button("Fit", "Fit the graph", () => target.fit()),
    note,
  );
  input.addEventListener("input", () => {
    model.query.value = input.value;
  });
  input.addEventListener("keydown", (event) => {
    if (event.key === "Enter") model.step(event.shiftKey ? -1 : 1);
    else if (event.key === "Escape") {
      model.query.value = "";
      focusGraph();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  });
  detail.addEventListener("change", () => {
    model.level.value = detail.value as "blocks";
  });
  path.addEventListener("change", () => {
    model.trace.value = path.value as TraceMode;
  });
  const stops = [
    effect(() => {
      if (input.value !== model.query.value) input.value = model.query.value;
      detail.value = model.level.value;
      path.value = model.trace.value;
      const count = model.found.value.length;
      const at = model.found.value.indexOf(model.selection.value ?? "") + 1;
      previous.disabled = next.disabled = count === 0;
      const { problems, empty } = model.search.value;
      input.setAttribute("aria-invalid", String(problems.length > 0));
      const cards = model.placed.value?.folded.cards.length ?? 0;
      const nodes = model.graph.value.nodes.length;
      note.textContent =
        problems[0] ?? (empty ? `${nodes} nodes in ${cards} cards` : at > 0 ? `${at} of ${count}` : `${count} found`);
    }),
    effect(() => {
      const card = model.placed.value?.folded.cards[model.current.value ?? -1];
      const folded = card?.kind === "chain" || card?.kind === "block";
      fold.disabled = !folded && card?.parent === undefined;
      const text = folded || card?.parent === undefined ? "Unfold" : "Fold";
      fold.textContent = text;
      fold.title = `${text} the selected card`;
      fold.setAttribute("aria-label", fold.title);
      foldAll.disabled = model.unfolded.value.size === 0;
    }),
  ];
  return {
    element: bar,
    focusSearch: () => {
      input.focus();
      input.select();
    },
    dispose: () => {
      for (const stop of stops) stop();
    },
  };
}
