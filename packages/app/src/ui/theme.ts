import { signal } from "@preact/signals";
import { remember, remembered } from "../state/local.js";

export type Theme = "light" | "dark";

const KEY = "equant.theme";
const system = matchMedia("(prefers-color-scheme: dark)");

function stored(): Theme | null {
  const value = remembered(KEY);
  return value === "light" || value === "dark" ? value : null;
}

/** The theme that is shown: the person's choice, else the system's. */
export const theme = signal<Theme>(stored() ?? (system.matches ? "dark" : "light"));

export function startTheme(): void {
  theme.subscribe((value) => {
    document.documentElement.dataset.theme = value;
  });
  system.addEventListener("change", ({ matches }) => {
    if (!stored()) theme.value = matches ? "dark" : "light";
  });
}

export function toggleTheme(): void {
  theme.value = theme.value === "dark" ? "light" : "dark";
  remember(KEY, theme.value);
}
