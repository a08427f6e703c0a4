import { isScreen, type ScreenId } from "../state/screens.js";
import { screen } from "../state/store.js";

/** Shows a screen; the address follows, so that «back» works. */
export function go(to: ScreenId): void {
  if (screen.value !== to) screen.value = to;
}

function ofHash(): ScreenId | undefined {
  const id = location.hash.slice(2).split("?")[0] ?? "";
  return isScreen(id) ? id : undefined;
}

/** Keeps screen and address together. */
export function startNavigation(): void {
  screen.value = ofHash() ?? screen.value;
  addEventListener("hashchange", () => {
    const to = ofHash();
    if (to) screen.value = to;
  });
  screen.subscribe((id) => {
    if (ofHash() !== id) history.pushState(null, "", `#/${id}`);
    document.title = `${id === "start" ? "" : `${id[0]!.toUpperCase()}${id.slice(1)} · `}equant`;
  });
}
