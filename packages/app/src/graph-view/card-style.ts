import { binColour, bitsBadge, formatValue, readableOn } from "@equant/report/graph";
import { isDark, type Theme } from "./theme.js";
import type { ViewModel } from "./view-model.js";

/** How one card is drawn. */
export interface CardStyle {
  readonly fill: string;
  readonly ink: string;
  readonly dash: readonly number[];
  readonly faint: boolean;
  /** The printed value, "" without one. */
  readonly value: string;
  /** Bit width as text beside the value: never colour alone. */
  readonly badge: string;
}

const SOLID: readonly number[] = [];

/** Styles of all cards for what the model shows now. */
export function cardStyles(model: ViewModel, theme: Theme): CardStyle[] {
  const legend = model.legend.value;
  const dark = isDark(theme);
  const cards = model.placed.value?.folded.cards ?? [];
  const { metric } = model.overlay.value;
  const inks = new Map<string, string>();
  return cards.map((card, index) => {
    const bin = model.bins.value[index] ?? -1;
    const own = card.kind === "block" ? theme.block : card.kind.endsWith("put") ? theme.terminal : theme.card;
    const fill = legend && bin >= 0 ? binColour(legend, bin, dark) : own;
    if (!inks.has(fill)) inks.set(fill, readableOn(fill));
    const value = model.values.value[index];
    return {
      fill,
      ink: inks.get(fill)!,
      dash: (bin >= 0 ? legend?.bins[bin]?.dash : undefined) ?? SOLID,
      faint: model.faint.value[index] ?? false,
      value: value === undefined ? "" : formatValue(metric, value),
      badge: bitsBadge(
        card.nodeIds.flatMap((id) => model.byId.value.get(id) ?? []),
        model.overlay.value,
      ),
    };
  });
}
