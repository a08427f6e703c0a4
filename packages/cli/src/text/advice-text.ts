import type { AdviceFinding, AdviceReport, QuantizeOptions, Remedy } from "@equant/core/lab";
import type { CommandContext } from "../frame/context.js";
import { formatDb } from "./format.js";
import { shellWord } from "./visible.js";

const WORDS: Readonly<Record<Remedy["remedy"], string>> = {
  equalize: "equalize channels",
  "dead-channels": "remove dead channels",
  "dead-channels+equalize": "remove dead channels, equalize",
  minmax: "--calibrator minmax",
  "per-channel": "--per-channel",
  float: "keep it in float: --exclude",
  "weight-bits": "16 bits for its weights",
  "activation-bits": "16 bits for its output",
};

/** The findings with their remedies, worst layer first. */
export function adviceText(context: CommandContext, { findings, allDb, samples }: AdviceReport): string {
  if (findings.length === 0 || context.options().table !== "text") return "";
  const shown = findings.filter(({ remedies }) => remedies.length > 0);
  const parts = shown.map((finding, at) => `${at + 1}. ${headline(finding)}\n${remedyTable(context, finding)}`);
  return `output SQNR ${formatDb(allDb)} on ${samples} samples; what costs it most:\n${parts.join("")}\n`;
}

function headline({ layer, text, aloneDb, localDb }: AdviceFinding): string {
  return `${layer}: ${text}\n   quantized alone it leaves ${formatDb(aloneDb)} at the output (${formatDb(localDb)} at the layer)`;
}

function remedyTable(context: CommandContext, { remedies, recommended }: AdviceFinding): string {
  return context.table<Remedy>(
    [
      { title: "   remedy", cell: ({ remedy }) => `   ${WORDS[remedy]}`, align: "left" },
      { title: "for", cell: ({ scope }) => (scope === "network" ? "all layers" : "this layer"), align: "left" },
      { title: "output SQNR", cell: ({ outputDb }) => formatDb(outputDb) },
      { title: "gain", cell: ({ gainDb }) => `${gainDb < 0 ? "\u2212" : "+"}${Math.abs(gainDb).toFixed(1)}` },
      { title: "", cell: (remedy) => (remedy === recommended ? "recommended" : ""), align: "left" },
    ],
    remedies,
  );
}

/** The command that applies the first finding's remedy; undefined where nothing helps. */
export function adviceHint(
  { findings }: AdviceReport,
  path: string,
  data: string | undefined,
  { granularity }: QuantizeOptions,
): string | undefined {
  const [first] = findings;
  const remedy = first?.recommended?.remedy;
  const common = `--data ${data ?? "DIR"} -o out.onnx`;
  switch (remedy) {
    case undefined:
      return undefined;
    case "equalize":
    case "dead-channels":
    case "dead-channels+equalize":
      return `equant compress ${shellWord(path)} ${common}${granularity ? ` --granularity ${granularity}` : ""}`;
    case "per-channel":
      return `equant quantize ${shellWord(path)} ${common} --granularity per-channel`;
    case "minmax":
      return `equant quantize ${shellWord(path)} ${common} --calibrator minmax`;
    case "float":
      return `equant quantize ${shellWord(path)} ${common} ${first!.recommended!.nodes!.map((name) => `--exclude ${shellWord(name)}`).join(" ")}`;
    case "weight-bits":
      return "more bits for one layer are not exported: --weight-bits for all, or --exclude for this one";
    case "activation-bits":
      return "more bits for one output are not exported: --activations uint16 for all, or --exclude for this layer";
  }
}
