import { binColour } from "@equant/report/graph";
import { effect, type Signal } from "@preact/signals";
import { element } from "./element.js";
import type { ViewModel } from "./view-model.js";

/** The legend, whose steps are switches: cards of a step that is off are drawn faint. */
export function createLegend(model: ViewModel, dark: Signal<boolean>) {
  const root = element("div", { class: "eq-graph-legend", role: "group", "aria-label": "Legend" });
  const stop = effect(() => {
    const legend = model.legend.value;
    root.hidden = legend === undefined;
    if (!legend) return;
    const focused = [...root.querySelectorAll("button")].indexOf(document.activeElement as HTMLButtonElement);
    const counts = legend.bins.map((_, bin) => model.bins.value.filter((other) => other === bin).length);
    const { metric, basis } = model.overlay.value;
    const title = basis && metric === "sqnr" ? `${legend.title}, ${basis}` : legend.title;
    const buttons = legend.bins.map((bin, index) => {
      const swatch = element("span", { class: "eq-graph-swatch", "aria-hidden": "true" });
      swatch.style.background = binColour(legend, index, dark.value);
      swatch.style.borderStyle = !bin.dash || bin.dash.length === 0 ? "solid" : bin.dash[0]! < 4 ? "dotted" : "dashed";
      const shown = !model.hidden.value.has(index);
      const made = element(
        "button",
        { type: "button", "aria-pressed": String(shown), title: shown ? "Click to fade" : "Click to show" },
        swatch,
        `${bin.label} (${counts[index]})`,
      );
      made.addEventListener("click", () => model.toggleBin(index));
      return made;
    });
    root.replaceChildren(element("span", {}, title), ...buttons);
    if (focused >= 0) buttons[focused]?.focus();
  });
  return { element: root, dispose: stop };
}
