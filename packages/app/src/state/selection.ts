import { selection } from "./store.js";

/** Selects a layer everywhere. */
export function selectLayer(layer: string | null, channel: number | null = null): void {
  const now = selection.value;
  if (now.layer === layer && now.channel === channel) return;
  selection.value = { layer, channel };
}
