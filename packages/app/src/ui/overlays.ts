import { signal } from "@preact/signals";
import { remember, remembered } from "../state/local.js";

export const paletteOpen = signal(false);
export const helpOpen = signal(false);

const KEY = "equant.shortcuts";
/** Shortcuts of one character can be turned off (WCAG 2.1.4). */
export const shortcutsOn = signal(remembered(KEY) !== "off");

export function toggleShortcuts(): void {
  shortcutsOn.value = !shortcutsOn.value;
  remember(KEY, shortcutsOn.value ? "on" : "off");
}
