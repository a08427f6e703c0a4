import { signal } from "@preact/signals";

export const paletteOpen = signal(false);
export const helpOpen = signal(false);

const KEY = "equant.shortcuts";
/** Shortcuts of one character can be turned off (WCAG 2.1.4). */
export const shortcutsOn = signal(localStorage.getItem(KEY) !== "off");

export function toggleShortcuts(): void {
  shortcutsOn.value = !shortcutsOn.value;
  localStorage.setItem(KEY, shortcutsOn.value ? "on" : "off");
}
