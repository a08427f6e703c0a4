import { inkOn, isDark, rampOf } from "./colour.js";
import { formatValue } from "./format-value.js";
import type { Theme } from "./theme.js";
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
  const ramp = legend ? rampOf(legend.ramp, isDark(theme.ground)) : [];
  const cards = model.placed.value?.folded.cards ?? [];
  const { metric } = model.overlay.value;
  const inks = new Map<string, string>();
  return cards.map((card, index) => {
    const bin = model.bins.value[index] ?? -1;
    const own = card.kind === "block" ? theme.block : card.kind.endsWith("put") ? theme.terminal : theme.card;
    const fill = bin >= 0 ? ramp[bin]! : own;
    if (!inks.has(fill)) inks.set(fill, inkOn(fill));
    const value = model.values.value[index];
    return {
      fill,
      ink: inks.get(fill)!,
      dash: (bin >= 0 ? legend?.bins[bin]?.dash : undefined) ?? SOLID,
      faint: model.faint.value[index] ?? false,
      value: value === undefined ? "" : formatValue(metric, value),
      badge: badgeOf(model, card.nodeIds),
    };
  });
}

/** Distinct weight widths of the nodes in a card, as `8b` or `8+32b`. */
function badgeOf(model: ViewModel, nodeIds: readonly string[]): string {
  const overlay = model.overlay.value;
  const bits = new Set<number>();
  for (const id of nodeIds) {
    const width = (overlay.metric === "bits" ? overlay.values?.[id] : undefined) ?? model.byId.value.get(id)?.bits;
    if (width !== undefined) bits.add(width);
  }
  // The bits overlay prints a single width as its value.
  if (bits.size === 0 || (bits.size === 1 && overlay.metric === "bits")) return "";
  return `${[...bits].sort((a, b) => a - b).join("+")}b`;
}
