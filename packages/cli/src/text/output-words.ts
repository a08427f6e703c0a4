import type { OutputError } from "@equant/core";
import { formatDb, formatPercent } from "./format.js";

/** Outputs named one by one, at most. */
const NAMED = 8;

/** `output SQNR 31.2 dB, same answer on 98.44 % of 32 samples`; where there are several outputs, one line each follows. */
export async function outputWords(error: OutputError, samples: number): Promise<string> {
  const { AGREEMENT_WORDS, agreementWords } = await import("@equant/core");
  const { outputs, agreement, sqnrDb } = error;
  const worst = outputs.length > 1 ? ` (lowest of ${outputs.length} outputs)` : "";
  const same =
    agreement === null ? "" : `, ${agreementWords(error)} on ${formatPercent(agreement)} of ${samples} samples`;
  const head = `output SQNR ${formatDb(sqnrDb)}${worst}${same}\n`;
  if (outputs.length < 2) return head;
  const line = ({ name, kind, sqnrDb: db, agreement: share, correlation }: (typeof outputs)[number]) => {
    const words = [
      ...(kind === "exact" ? [] : [formatDb(db)]),
      ...(share === null ? [] : [`${AGREEMENT_WORDS[kind]} ${formatPercent(share)}`]),
      ...(share === null && correlation !== null ? [`correlation ${correlation.toFixed(4)}`] : []),
    ];
    return `  ${name}  ${words.join(", ")}\n`;
  };
  const rest = outputs.length > NAMED ? `  … ${outputs.length - NAMED} more\n` : "";
  return head + outputs.slice(0, NAMED).map(line).join("") + rest;
}
