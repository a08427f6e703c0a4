import { model, selectedLayer } from "./store.js";

/** Selects a layer everywhere; null selects none. */
export function selectLayer(layer: string | null): void {
  selectedLayer.value = layer ?? undefined;
}

/** Selects the layer `by` places further in graph order. */
export function stepLayer(by: number): void {
  const layers = model.value?.layers ?? [];
  if (layers.length === 0) return;
  const at = layers.findIndex(({ name }) => name === selectedLayer.value);
  const next = at < 0 ? (by > 0 ? 0 : layers.length - 1) : Math.min(layers.length - 1, Math.max(0, at + by));
  selectLayer(layers[next]!.name);
}
