import type { ValidationReport } from "@equant/core";
import type { Report } from "@equant/report";
import { formatDb, formatP, formatPercent } from "../format.js";

type LayerRatios = NonNullable<Report["sqnr"]>["layers"][number];

/** The layer that loses most, in words that need no other knowledge. */
export interface Explanation {
  readonly layer: string;
  /** How much noise rounding adds. */
  readonly what: string;
  /** What it loses by. */
  readonly why: string;
  /** Whether the network suffers. */
  readonly matters: string;
  readonly tone: "loss" | "fine" | "unknown";
  /** Channels differ so much that equalization is worth trying. */
  readonly uneven: boolean;
}

/** Channels this far apart cost the narrow ones over three bits. */
const UNEVEN = 10;
/** Weights and output lose alike within this many dB. */
const ALIKE_DB = 3;

/** Findings that are told, most important first. */
const FINDINGS = 2;

/** The layer with the lowest ratio of its own; undefined where nothing was measured. */
export function explainWorst(
  ratios: readonly LayerRatios[],
  spreads: ReadonlyMap<string, number>,
  perTensor: boolean,
  validation: ValidationReport | undefined,
): Explanation | undefined {
  const worst = [...ratios].sort((a, b) => a.local.both - b.local.both)[0];
  if (!worst) return undefined;
  const spread = spreads.get(worst.layer) ?? 1;
  const uneven = perTensor && spread >= UNEVEN;
  return {
    layer: worst.layer,
    what: noiseOf(worst),
    why: whyOf(worst, spread, uneven),
    uneven,
    ...mattersOf(validation),
  };
}

/** The amplitude of the noise as a share of the signal's: 10^(−dB/20), for 40 dB a hundredth. */
export function noiseShare(db: number): number {
  return 10 ** (-db / 20);
}

function noiseOf({ local }: LayerRatios): string {
  const share = 100 * noiseShare(local.both);
  return `rounding it adds noise of ${share.toPrecision(2)} % of its signal (${formatDb(local.both)} by itself)`;
}

function whyOf({ local, findings }: LayerRatios, spread: number, uneven: boolean): string {
  const { weights, activations } = local;
  const texts = findings.slice(0, FINDINGS).map(({ text }) => text);
  const found = texts.length > 0 ? `${upper(texts.join("; "))}. ` : "";
  const both = `weights ${formatDb(weights)}, output ${formatDb(activations)}`;
  const share =
    activations === null
      ? `the rounding of its weights (${formatDb(weights)})`
      : Math.abs(weights - activations) < ALIKE_DB
        ? `the rounding of its weights and of its output, about alike (${both})`
        : `mostly the rounding of its ${weights < activations ? "weights" : "output"} (${both})`;
  const channels = uneven
    ? `Its widest channel is ${Math.round(spread)} times the narrowest, and all share one scale: ${leftOf(spread)}.`
    : found
      ? ""
      : "No channel stands out, so this is plain rounding.";
  return `${found}${found ? upper(share) : share}. ${channels}`.trim();
}

/** Channels this far apart leave the narrow ones within a step or two of int8. */
const NOTHING = 100;

/** What a scale for the widest channel leaves of the narrowest. */
function leftOf(spread: number): string {
  if (spread < NOTHING) return `the narrow ones keep ${Math.round(Math.log2(spread))} bits less`;
  return "little or nothing is left of the narrow ones, though the ratio hides it, for most of the signal is the wide one's";
}

const upper = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);

function mattersOf(validation: ValidationReport | undefined): Pick<Explanation, "matters" | "tone"> {
  if (!validation) return { matters: "Not validated yet.", tone: "unknown" };
  const { drop, mcNemar, agreement, samples } = validation;
  const same =
    agreement === null ? "" : `same answer as the float network on ${formatPercent(agreement)} of ${samples} images`;
  if (drop !== null && mcNemar !== null) {
    if (mcNemar.p < 0.05 && drop > 0) {
      return {
        matters: `Yes: the network loses ${(100 * drop).toFixed(2)} points of accuracy (${formatP(mcNemar.p)}).`,
        tone: "loss",
      };
    }
    return { matters: `No harm shows: ${same}.`, tone: "fine" };
  }
  return { matters: same ? `${upper(same)}; no labels to judge by.` : "No labels to judge by.", tone: "unknown" };
}

/** The widest channel over the narrowest that is not empty, by layer, in the weights that were quantized. */
export function channelSpreads(weights: Report["weights"]): Map<string, number> {
  return new Map(
    (weights ?? []).flatMap(({ layer, before, after }) => {
      const channels = (after ?? before)?.channels;
      if (!channels) return [];
      const widths = channels.min.map((min, at) => Math.max(Math.abs(min), Math.abs(channels.max[at]!)));
      const used = widths.filter((width) => width > 0);
      return used.length > 0 ? [[layer, Math.max(...used) / Math.min(...used)] as const] : [];
    }),
  );
}
