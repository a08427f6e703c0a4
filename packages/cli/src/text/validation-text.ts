import type { ModelMeasures, ValidationReport } from "@equant/core/lab";
import type { Gate } from "../frame/command.js";
import type { CommandContext } from "../frame/context.js";
import { formatBytes, formatCount, formatDb, formatMs, formatPercent, formatPp } from "./format.js";
import type { Column } from "./table.js";
import { ROUNDING, taskGates, taskText } from "./task-text.js";

/** Limits that a person sets. */
export interface ValidateFlags {
  maxDrop?: number;
  minAccuracy?: number;
  maxSize?: number;
}

/** Classes with fewer samples are not named: one lost image of two is no −50 points. */
const NAMED_CLASS_SAMPLES = 10;

interface Row {
  readonly name: string;
  readonly measures: ModelMeasures;
  readonly note: string;
}

/** The table and what else a person wants to know, for stdout. */
export function validationText(
  context: CommandContext,
  report: ValidationReport,
  names: { candidate: string; baseline: string | undefined },
): string {
  const rows: Row[] = [];
  if (report.baseline) rows.push({ name: names.baseline ?? "baseline", measures: report.baseline, note: "" });
  rows.push({ name: names.candidate, measures: report.candidate, note: dropText(report) });
  const table = context.table(columnsOf(report), rows);
  // Only the table itself can be read by programs as Markdown or CSV.
  if (context.options().table !== "text") return table;
  return (
    (report.task ? taskText(context, report.task, names) : "") +
    table +
    detailLines(report)
      .map((line) => `  ${line}\n`)
      .join("")
  );
}

function columnsOf({ output, latency, candidate, baseline }: ValidationReport): Column<Row>[] {
  const columns: Column<Row>[] = [{ title: "", cell: ({ name }) => name, align: "left" }];
  if (output.labelled) {
    columns.push(
      { title: "top-1", cell: ({ measures }) => formatPercent(measures.top1!) },
      { title: "95 % interval", cell: ({ measures }) => intervalText(measures), align: "right" },
    );
    if (output.classes! > 5) columns.push({ title: "top-5", cell: ({ measures }) => formatPercent(measures.top5!) });
  }
  if (candidate.reconstructionMse !== null) {
    columns.push({ title: "MSE to input", cell: ({ measures }) => measures.reconstructionMse?.toPrecision(5) });
  }
  columns.push({ title: "size", cell: ({ measures }) => formatBytes(measures.bytes) });
  if (latency) columns.push({ title: "latency", cell: ({ measures }) => formatMs(measures.latencyMs!) });
  if (baseline && output.labelled) columns.push({ title: "", cell: ({ note }) => note, align: "left" });
  return columns;
}

function intervalText({ accuracy }: ModelMeasures): string {
  const { low, high } = accuracy!.top1Interval;
  return `${(100 * low).toFixed(1)} … ${(100 * high).toFixed(1)}`;
}

function dropText({ drop, mcNemar }: ValidationReport): string {
  return drop === null || !mcNemar ? "" : `${formatPp(-drop)} (McNemar ${pText(mcNemar.p)})`;
}

function pText(p: number): string {
  return p < 0.001 ? "p < 0.001" : `p = ${p.toFixed(3)}`;
}

function detailLines(report: ValidationReport): string[] {
  const { agreement, logitSqnrDb, mse, output, samples, latency, candidate } = report;
  const lines: string[] = [];
  if (logitSqnrDb !== null) {
    const parts = [
      ...(agreement === null ? [] : [`same answer on ${formatPercent(agreement)} of ${samples} samples`]),
      `output SQNR ${formatDb(logitSqnrDb)}`,
      ...(output.kind === "values" ? [`mean square difference ${mse!.toPrecision(3)}`] : []),
    ];
    lines.push(parts.join(" · "));
  }
  const { int8, macs } = candidate;
  if (int8) {
    const source = int8.source === "runtime" ? "counted in ONNX Runtime's graph" : "by the graph's pattern";
    lines.push(`${formatPercent(int8.share, 1)} of ${formatCount(macs!)} MACs run as int8 (${source})`);
    for (const { node, opType, reason } of int8.floatLayers.slice(0, 3))
      lines.push(`float: ${node} (${opType}): ${reason}`);
    const names = int8.leftover.map(({ node, opType }) => `${node} (${opType})`);
    if (names.length > 0) lines.push(`left-over Q/DQ at ${listed(names)}`);
  }
  if (latency) {
    const threads = latency.threads === null ? "default threads" : `${latency.threads} threads`;
    const ratio =
      latency.ratio === null ? "" : `ratio ${latency.ratio.toFixed(2)}, median of ${latency.rounds} pairs; `;
    lines.push(`latency at batch 1: ${ratio}${threads}, ${latency.runtime}, spinning off`);
  }
  const worst = worstClassText(report);
  if (worst !== undefined && report.mcNemar!.p < 0.05) lines.push(worst);
  return lines;
}

function listed(names: readonly string[]): string {
  return names.length <= 3 ? names.join(", ") : `${names.slice(0, 3).join(", ")} and ${names.length - 3} more`;
}

/** `worst class: cat −21.0 pp (uneven over classes, p < 0.001)` */
function worstClassText({ worstClasses, evenDrop }: ValidationReport): string | undefined {
  const worst = worstClasses.find(({ samples }) => samples >= NAMED_CLASS_SAMPLES);
  if (!worst || !evenDrop) return undefined;
  const evenness = evenDrop.p < 0.05 ? "uneven" : "even";
  return `worst class: ${worst.name} ${formatPp(-worst.drop, 1)} (${evenness} over classes, ${pText(evenDrop.p)})`;
}

/** The limits the person set, judged. */
export function validationGates(report: ValidationReport, flags: ValidateFlags): Gate[] {
  const { candidate, drop, task } = report;
  const gates: Gate[] = task ? taskGates(task, flags) : [];
  if (!task && flags.maxDrop !== undefined) {
    const worst = worstClassText(report);
    gates.push({
      name: "max-drop",
      limit: `${trimmed(flags.maxDrop * 100)}pp`,
      actual: formatPp(-drop!) + (worst === undefined ? "" : `, ${worst}`),
      passed: drop! <= flags.maxDrop + ROUNDING,
    });
  }
  if (!task && flags.minAccuracy !== undefined) {
    gates.push({
      name: "min-accuracy",
      limit: `${trimmed(flags.minAccuracy * 100)}%`,
      actual: formatPercent(candidate.top1!),
      passed: candidate.top1! >= flags.minAccuracy - ROUNDING,
    });
  }
  if (flags.maxSize !== undefined) {
    // Sizes that look alike when rounded are printed in bytes.
    const rounded = formatBytes(flags.maxSize) !== formatBytes(candidate.bytes);
    const size = (value: number) => (rounded ? formatBytes(value) : `${value} B`);
    gates.push({
      name: "max-size",
      limit: size(flags.maxSize).replace(" ", ""),
      actual: size(candidate.bytes),
      passed: candidate.bytes <= flags.maxSize,
    });
  }
  return gates;
}

/** 100 × a share without the digits that binary fractions add: 0.29 · 100 is 28.999999999999996. */
function trimmed(value: number): string {
  return String(Number(value.toPrecision(12)));
}
