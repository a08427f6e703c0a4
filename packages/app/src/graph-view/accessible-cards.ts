import { formatValue } from "@equant/report/graph";
import type { ViewModel } from "./view-model.js";

/** Hidden nodes at most: what a screen reader can step through of the visible window. */
const LIMIT = 80;
let prefixes = 0;

/** Text of a card for a screen reader: operators, name, value, connections, folding. */
function cardLabel(model: ViewModel, index: number): string {
  const placed = model.placed.value!;
  const card = placed.folded.cards[index]!;
  const value = model.values.value[index];
  const from = placed.neighbours.producers[index]!.length;
  const to = placed.neighbours.consumers[index]!.length;
  const count = (n: number, word: string) => `${n} ${word}${n === 1 ? "" : "s"}`;
  return [
    card.title,
    card.subtitle,
    ...(value === undefined ? [] : [formatValue(model.overlay.value.metric, value)]),
    `${count(from, "producer")}, ${count(to, "consumer")}`,
    ...(card.kind === "chain" || card.kind === "block" ? [`folded, ${card.nodeIds.length} nodes`] : []),
    ...(card.parent === undefined ? [] : ["Enter folds back"]),
  ].join("; ");
}

/** Keeps hidden elements inside the canvas in step with the visible cards, and names the selected one active. */
export function createAccessibleCards(canvas: HTMLCanvasElement, model: ViewModel) {
  const prefix = `eq-graph-${prefixes++}-card-`;
  return {
    update(visible: readonly number[]): void {
      const current = model.current.value;
      const cards = visible.slice(0, LIMIT);
      if (current !== undefined && !cards.includes(current)) cards.push(current);
      canvas.replaceChildren(
        ...cards.map((card) => {
          const element = document.createElement("div");
          element.id = prefix + card;
          element.setAttribute("role", "img");
          element.setAttribute("aria-label", cardLabel(model, card));
          return element;
        }),
      );
      if (current === undefined) canvas.removeAttribute("aria-activedescendant");
      else canvas.setAttribute("aria-activedescendant", prefix + current);
    },
  };
}
