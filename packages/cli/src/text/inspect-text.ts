import type {
  InspectedOperator,
  InspectReport,
  LayerDetail,
  LayerRange,
  LearnableDetails,
  QuantizationDetails,
} from "@equant/core/lab";
import type { CommandContext } from "../frame/context.js";
import { formatBytes, formatCount, formatPercent } from "./format.js";
import type { Column } from "./table.js";

/** Ranges narrower than this are no news; the same limit as the finding's. */
const NOTABLE_SPREAD = 16;

/** The head line, the table of operators, and the findings. */
export function reportText(context: CommandContext, name: string, report: InspectReport): string {
  const widest = new Map<string, LayerRange>();
  for (const layer of report.weights) {
    if (layer.spread > (widest.get(layer.opType)?.spread ?? NOTABLE_SPREAD)) widest.set(layer.opType, layer);
  }
  const note = ({ opType }: InspectedOperator) => {
    const layer = widest.get(opType);
    return layer && `! range spread up to ${spread(layer)} between channels (${layer.name})`;
  };
  const columns: Column<InspectedOperator>[] = [
    { title: "op", cell: ({ opType }) => opType },
    { title: "count", cell: ({ count }) => count },
    { title: "parameters", cell: ({ parameters }) => (parameters > 0 ? formatCount(parameters) : "") },
    { title: "MACs", cell: ({ macs }) => (macs ? formatCount(macs) : "") },
    { title: "bytes", cell: ({ bytes }) => (bytes > 0 ? formatBytes(bytes) : "") },
    { title: "quantizable", cell: ({ quantizable }) => quantizable, align: "left" },
    { title: "", cell: note, align: "left" },
  ];
  const table = context.table(columns, report.operators);
  // Only the table itself can be read by programs as Markdown or CSV.
  if (context.options().table !== "text") return table;
  return `${headLine(name, report)}\n${table}${findingsLine(report)}\n`;
}

/** What a quantized file holds: `IsQuantized`, target, layers and learnables, as MathWorks' quantizationDetails lists them. */
export function detailsText(context: CommandContext, details: QuantizationDetails): string {
  const { target, quantizedLayerNames: names, learnables } = details;
  const columns: Column<LearnableDetails>[] = [
    { title: "layer", cell: ({ layer }) => layer, align: "left" },
    { title: "parameter", cell: ({ parameter }) => parameter, align: "left" },
    { title: "value", cell: ({ shape, dtype }) => `${shape.join("x")}  ${dtype}`, align: "left" },
  ];
  const table = context.table(columns, learnables);
  if (context.options().table !== "text") return table;
  const shown = names.slice(0, 8).join(", ") + (names.length > 8 ? ", \u2026" : "");
  return `\nquantized for ${target ?? "a target the file does not name"}: ${names.length} layers (${shown})\n${table}`;
}

function headLine(name: string, report: InspectReport): string {
  const parts = [
    `${name}  ${formatBytes(report.bytes)}`,
    report.opset === null ? "no standard operators" : `opset ${report.opset}`,
    `${report.nodes.length} nodes`,
    `${formatCount(report.parameters)} parameters`,
    report.macs === null ? "MACs unknown" : `${formatCount(report.macs)} MACs`,
  ];
  return parts.join(" \u00b7 ");
}

function findingsLine({ findings }: InspectReport): string {
  if (findings.length === 0) return "no findings";
  const count = `${findings.length} finding${findings.length === 1 ? "" : "s"}`;
  return `${count}: ${findings.map(({ message }) => message).join(" \u00b7 ")}`;
}

/** Ranges of the weights, a line a layer. */
export function weightsText(context: CommandContext, layers: readonly LayerRange[]): string {
  if (layers.length === 0) return "no layer with float weights\n";
  const columns: Column<LayerRange>[] = [
    { title: "layer", cell: ({ name }) => name, align: "left" },
    { title: "op", cell: ({ opType }) => opType },
    { title: "shape", cell: ({ shape }) => shape.join("x"), align: "right" },
    { title: "min", cell: ({ min }) => number(min) },
    { title: "max", cell: ({ max }) => number(max) },
    { title: "spread", cell: spread, align: "right" },
    { title: "channels", cell: ({ channelMax }) => channelMax.length },
    { title: "zero in int8", cell: ({ lostChannels }) => lostChannels },
    { title: "dead", cell: ({ deadChannels }) => deadChannels },
    { title: "zeros", cell: ({ zeroShare }) => formatPercent(zeroShare, 1) },
    { title: "leading bits", cell: msbText, align: "left" },
  ];
  return context.table(columns, layers);
}

/** Everything about one node. */
export function layerText(detail: LayerDetail, facts: readonly string[], range: LayerRange | undefined): string {
  const value = ({ name, dtype, dims, constant }: LayerDetail["inputs"][number]) =>
    name === ""
      ? "(absent)"
      : `${name}  ${dtype ?? "?"} ${dims ? `[${dims.join(", ")}]` : "[?]"}${constant ? "  stored" : ""}`;
  const lines = [`${detail.name}  ${detail.opType}${detail.domain === "" ? "" : ` of ${detail.domain}`}`];
  for (const input of detail.inputs) lines.push(`  input      ${value(input)}`);
  for (const output of detail.outputs) lines.push(`  output     ${value(output)}`);
  for (const [key, content] of Object.entries(detail.attributes)) {
    lines.push(`  attribute  ${key} = ${typeof content === "string" ? content : JSON.stringify(content)}`);
  }
  for (const fact of facts) lines.push(`  ${fact}`);
  if (range) lines.push(...rangeLines(range));
  return `${lines.join("\n")}\n`;
}

function rangeLines(range: LayerRange): string[] {
  const order = range.channelMax.map((value, channel) => ({ value, channel })).sort((a, b) => b.value - a.value);
  const list = (some: typeof order) => some.map(({ value, channel }) => `${channel}: ${number(value)}`).join("  ");
  return [
    `weights    ${number(range.min)} … ${number(range.max)} with batch-norm folded, spread ${spread(range)}`,
    `widest     ${list(order.slice(0, 5))}`,
    `narrowest  ${list(order.slice(-5).reverse())}`,
    `bits       leading bits ${msbText(range)}; ${formatPercent(range.zeroShare, 1)} of the weights are exactly zero`,
    `channels   ${order.length}, of which int8 per tensor makes ${range.lostChannels} zero, ${range.deadChannels} dead`,
  ].map((line) => `  ${line}`);
}

/** `2^-9 … 2^1, most 2^-4`: where the leading bits of the weights lie. */
function msbText({ msb: { first, positive, negative } }: LayerRange): string {
  if (positive.length === 0) return "none";
  const counts = positive.map((count, at) => count + negative[at]!);
  const mode = counts.indexOf(Math.max(...counts));
  return `2^${first} \u2026 2^${first + counts.length - 1}, most 2^${first + mode}`;
}

function spread({ spread: value }: LayerRange): string {
  return `${value >= 10 ? Math.round(value) : value.toFixed(1)}x`;
}

function number(value: number): string {
  const digits = Number(value.toPrecision(4));
  return digits !== 0 && (Math.abs(digits) < 1e-3 || Math.abs(digits) >= 1e5) ? digits.toExponential() : String(digits);
}
