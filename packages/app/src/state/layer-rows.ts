import { granularityOf } from "@equant/core/steps";
import { computed, signal } from "@preact/signals";
import type { LayerSummary } from "../protocol.js";
import { stepOf } from "../recipe/recipe.js";
import { editStep } from "./recipe-edit.js";
import { calibration, currentMeasures, model, recipe } from "./store.js";
import { sorting } from "./view.js";

/** A layer as the table, the inspector and the graph show it. */
export interface LayerRow
  extends Pick<LayerSummary, "name" | "opType" | "shape" | "parameters" | "bytes" | "macs" | "spread"> {
  readonly lost: number;
  /** False: the recipe leaves it in float. */
  readonly quantized: boolean;
  /** Bits of the weights in the current run; null before one. */
  readonly bits: number | null;
  /** Weights alone, predicted. */
  readonly weightDb: number;
  readonly localDb: number | null;
  readonly cumulativeDb: number | null;
  readonly predictedDb: number | null;
  readonly finding: string;
}

/** Weight SQNR by bits: every bit is worth 20·log10(2) dB of uniform noise. */
const DB_PER_BIT = 20 * Math.log10(2);

export const layerRows = computed((): readonly LayerRow[] => {
  const open = model.value;
  if (!open) return [];
  const step = stepOf(recipe.value, "quantize");
  const excluded = new Set(step?.exclude ?? []);
  const report = currentMeasures.value.report;
  const sqnr = new Map(report?.sqnr?.layers.map((layer) => [layer.layer, layer]));
  const stored = new Map(report?.layers.map((layer) => [layer.name, layer.bits]));
  const extra = ((step?.weightBits ?? 8) - 8) * DB_PER_BIT;
  const perChannel = granularityOf(step ?? {}) === "per-channel";
  return open.layers.map((layer): LayerRow => {
    const measured = sqnr.get(layer.name);
    const { name, opType, shape, parameters, bytes, macs, spread, lostChannels, weightDb } = layer;
    return {
      name,
      opType,
      shape,
      parameters,
      bytes,
      macs,
      spread,
      lost: lostChannels,
      quantized: !excluded.has(name),
      bits: stored.get(name) ?? null,
      weightDb: Math.min(300, (perChannel ? weightDb.perChannel : weightDb.perTensor) + extra),
      localDb: measured?.local.both ?? null,
      cumulativeDb: measured?.cumulative?.both ?? null,
      predictedDb: measured?.predicted.refined.both ?? null,
      finding: measured?.findings[0]?.text ?? "",
    };
  });
});

export const filter = signal("");

/** Rows as the table shows them. */
export const shownRows = computed((): readonly LayerRow[] => {
  const words = filter.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
  const found = layerRows.value.filter((row) => words.every((word) => matches(row, word)));
  const { key, down } = sorting.value;
  if (key === "graph") return down ? found.toReversed() : found;
  const direction = down ? -1 : 1;
  return [...found].sort((a, b) => {
    const [x, y] = [a[key], b[key]];
    // What was not measured comes last either way.
    if (x === null || y === null) return x === y ? 0 : x === null ? 1 : -1;
    return direction * (x < y ? -1 : x > y ? 1 : 0);
  });
});

/** A word is found in name or operator; `sqnr<20` and `spread>10` compare. */
function matches(row: LayerRow, word: string): boolean {
  const compare = /^(sqnr|spread|size)([<>])(\d+(?:\.\d+)?)$/.exec(word);
  if (!compare) return row.name.toLowerCase().includes(word) || row.opType.toLowerCase().includes(word);
  const value = { sqnr: row.localDb ?? row.weightDb, spread: row.spread, size: row.bytes }[compare[1] as "sqnr"];
  return compare[2] === "<" ? value < Number(compare[3]) : value > Number(compare[3]);
}

/** Quantizes a layer, or leaves it in float. */
export function tickLayer(name: string, quantized: boolean): void {
  const others = (stepOf(recipe.value, "quantize")?.exclude ?? []).filter((node) => node !== name);
  const exclude = quantized ? others : [...others, name];
  editStep("quantize", { exclude: exclude.length === 0 ? undefined : exclude } as never);
}

/** Ranges of a layer's tensors from the calibration. */
export const rangesByLayer = computed(() => {
  const rows = new Map<string, { kind: string; min: number; max: number }[]>();
  for (const { networkLayerName, kind, min, max } of calibration.value?.value.rows ?? []) {
    rows.set(networkLayerName, [...(rows.get(networkLayerName) ?? []), { kind, min, max }]);
  }
  return rows;
});
