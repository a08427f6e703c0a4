import type { AdviceReport, RemedyKind } from "@equant/core/lab";
import type { Finding, SqnrSection, StepRow, ValidationSection } from "../schema.js";

/** What a kind of loss means and what helps. */
const KINDS: ReadonlyMap<string, { reason: string; remedy: string }> = new Map(
  Object.entries<{ reason: string; remedy: string }>({
    zeroWeightChannels: {
      reason: "one scale for the whole tensor is too coarse for its smallest channels: their weights all round to zero",
      remedy: "equalize channels (equant compress), or one scale a channel (--per-channel)",
    },
    dominantWeightChannel: {
      reason: "one channel alone sets the scale, and all others lose the bits that it needs",
      remedy: "equalize channels (equant compress), or one scale a channel (--per-channel)",
    },
    lostActivationChannels: {
      reason: "channels of the output stay below half a step of the scale that the largest one sets",
      remedy: "equalize channels (equant compress), or more bits for activations",
    },
    overflow: {
      reason: "values lie beyond the range that was chosen, and saturate",
      remedy: "a wider range: --calibrator minmax, or more calibration samples",
    },
  }),
);

/** Layers shown at most, worst first. */
const LISTED = 20;

/** What a person should know, layers that lose most first; then steps and data. */
export function collectFindings(parts: {
  readonly sqnr?: SqnrSection | undefined;
  /** What `advise` measured: comes first, and in place of what is only suspected of the same layers. */
  readonly advice?: AdviceReport | undefined;
  readonly steps: readonly StepRow[];
  readonly validation?: ValidationSection | undefined;
  readonly random: boolean;
}): Finding[] {
  const found: Finding[] = [];
  if (parts.random) {
    found.push({
      layer: null,
      severity: "error",
      text: "Calibrated on generated random input.",
      reason: "ranges of random input are not those of real data: no figure here says how the model will do",
      remedy: "calibrate with real samples: --data DIR",
    });
  }
  const advised = adviceFindings(parts.advice);
  const known = new Set(advised.map(({ layer }) => layer));
  found.push(...advised);
  const layers = (parts.sqnr?.layers ?? [])
    .filter(({ layer }) => !known.has(layer))
    .sort((a, b) => a.local.both - b.local.both);
  for (const { layer, local, findings } of layers) {
    for (const { kind, text } of findings) {
      const meaning = KINDS.get(kind);
      found.push({
        layer,
        severity: local.both < 20 ? "warning" : "info",
        text: `${layer}: ${text} (local SQNR ${local.both.toFixed(1)} dB)`,
        reason: meaning?.reason ?? text,
        ...(meaning && { remedy: meaning.remedy }),
      });
    }
  }
  const kept = found.slice(0, LISTED);
  for (const { step, kept: stays, note } of parts.steps) {
    if (stays) continue;
    kept.push({ layer: null, severity: "info", text: `Step ${step} was not kept.`, reason: note });
  }
  const { evenDrop } = parts.validation ?? {};
  if (evenDrop && evenDrop.p < 0.05 && (parts.validation?.drop ?? 0) > 0) {
    kept.push({
      layer: null,
      severity: "warning",
      text: "Some classes lose more than others.",
      reason: `samples that became wrong are not spread evenly over the classes (χ² test, p = ${evenDrop.p.toPrecision(2)})`,
      remedy: "look at the drop by class and the confusions below",
    });
  }
  return kept;
}

const REMEDIES = {
  equalize: "equalize channels (equant compress)",
  "dead-channels": "remove channels that never carry anything (equant compress)",
  "dead-channels+equalize": "remove dead channels and equalize the others (equant compress)",
  "per-channel": "one scale a channel (--per-channel)",
  minmax: "a wider range (--calibrator minmax)",
  "weight-bits": "more bits for weights",
  "activation-bits": "more bits for activations",
  float: "leave the layer in float (--exclude)",
} as const satisfies Record<RemedyKind, string>;

/** Layers whose remedy was tried and helps, the most harmful first. */
function adviceFindings(advice: AdviceReport | undefined): Finding[] {
  return (advice?.findings ?? []).flatMap(({ layer, text, aloneDb, cause, recommended }): Finding[] => {
    if (!recommended) return [];
    const origin = cause === null ? "" : `; it comes from ${cause}`;
    return [
      {
        layer,
        severity: "warning",
        text: `${layer}: ${text}`,
        reason: `quantized alone it leaves the output ${aloneDb.toFixed(1)} dB, all layers together ${advice!.allDb.toFixed(1)} dB${origin}`,
        remedy: `${REMEDIES[recommended.remedy]}: the output gains ${recommended.gainDb.toFixed(1)} dB, measured`,
      },
    ];
  });
}
