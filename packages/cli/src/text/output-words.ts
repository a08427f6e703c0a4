import type { NamedDifference, OutputError } from "@equant/core/lab";
import { formatDb, formatPercent } from "./format.js";

/** Outputs named one by one, at most. */
const NAMED = 8;

/** `output SQNR 31.2 dB, same answer on 98.44 % of 32 samples`; where there are several outputs, one line each follows. */
export async function outputWords(error: OutputError, samples: number): Promise<string> {
  const { agreementWords } = await import("@equant/core/lab");
  const { outputs, agreement, sqnrDb } = error;
  const worst = outputs.length > 1 ? ` (lowest of ${outputs.length} outputs)` : "";
  const same =
    agreement === null ? "" : `, ${agreementWords(error)} on ${formatPercent(agreement)} of ${samples} samples`;
  const head = `output SQNR ${formatDb(sqnrDb)}${worst}${same}\n`;
  const lines = await outputLines(outputs);
  return head + lines.map((line) => `  ${line}\n`).join("");
}

/** One line for each of several outputs: `policy  36.8 dB, same answer 98.44 %`; none for a single one. */
export async function outputLines(outputs: readonly NamedDifference[]): Promise<string[]> {
  if (outputs.length < 2) return [];
  const { AGREEMENT_WORDS } = await import("@equant/core/lab");
  const lines = outputs.slice(0, NAMED).map(({ name, kind, sqnrDb, agreement, correlation }) => {
    const words = [
      ...(kind === "exact" ? [] : [formatDb(sqnrDb)]),
      ...(agreement === null ? [] : [`${AGREEMENT_WORDS[kind]} ${formatPercent(agreement)}`]),
      ...(agreement === null && correlation !== null ? [`correlation ${correlation.toFixed(4)}`] : []),
    ];
    return `${name}  ${words.join(", ")}`;
  });
  return outputs.length > NAMED ? [...lines, `… ${outputs.length - NAMED} more`] : lines;
}
