import { model } from "../state/store.js";

const RELOADED = "equant.reloaded";

/** Registers the service worker. A page that is not isolated yet is loaded once more, as long as nothing is open. */
export function startOffline(): void {
  // A frame of another site may have neither service worker nor storage: it works with one thread then.
  if (import.meta.env.DEV || !("serviceWorker" in navigator) || window.parent !== window) return;
  const isolate = () => {
    if (crossOriginIsolated || sessionStorage.getItem(RELOADED) || model.value) return;
    sessionStorage.setItem(RELOADED, "yes");
    location.reload();
  };
  navigator.serviceWorker.addEventListener("controllerchange", isolate);
  // After the first picture: nothing on the way to it waits for this.
  addEventListener("load", () => void navigator.serviceWorker.register("./sw.js").catch(() => undefined));
}
