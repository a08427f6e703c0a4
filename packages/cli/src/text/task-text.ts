import type { Metric, TaskFigures, TaskReport } from "@equant/core/lab";
import type { Gate } from "../frame/command.js";
import type { CommandContext } from "../frame/context.js";
import { formatPercent, formatPp } from "./format.js";
import type { Column } from "./table.js";

/** Differences of shares are rounded in the last bits: 1 pp of 1000 images is ten images, not nine. */
export const ROUNDING = 1e-9;
/** Classes that are named. */
const NAMED = 3;

interface Row {
  readonly name: string;
  readonly own: TaskFigures;
  readonly note: string;
}

/** A figure as people write it: shares in percent, others as numbers. */
export function figureText({ unit }: Metric, value: number | null | undefined): string {
  if (value === null || value === undefined) return "-";
  return unit === "share" ? formatPercent(value) : value.toPrecision(5);
}

/** A change in points of a share, or in parts of what it was. */
export function changeText({ unit, better }: Metric, drop: number): string {
  if (unit === "share") return formatPp(better === "higher" ? -drop : drop);
  return `${drop > 0 ? "+" : "−"}${formatPercent(Math.abs(drop))} of the error`;
}

/** What is not judged by labels says so. */
export function metricTitle({ name }: Metric, { against }: Pick<TaskReport, "against">): string {
  return against === "float" ? `agreement ${name}` : name;
}

/** The task's table: figures of both models, the first with its interval. */
export function taskText(
  context: CommandContext,
  report: TaskReport,
  names: { candidate: string; baseline: string | undefined },
): string {
  const { metrics, baseline, candidate, against } = report;
  const [main] = metrics as [Metric];
  const rows: Row[] = [{ name: names.candidate, own: candidate, note: noteOf(report) }];
  if (baseline && against === "labels") rows.unshift({ name: names.baseline ?? "baseline", own: baseline, note: "" });
  const columns: Column<Row>[] = [
    { title: "", cell: ({ name }) => name, align: "left" },
    { title: metricTitle(main, report), cell: ({ own }) => figureText(main, own.figures[main.name]) },
    { title: "95 % interval", cell: ({ own }) => intervalText(main, own.interval), align: "right" },
    ...metrics.slice(1).map(
      (metric): Column<Row> => ({
        title: metric.name,
        cell: ({ own }) => figureText(metric, own.figures[metric.name]),
      }),
    ),
    { title: "", cell: ({ note }) => note, align: "left" },
  ];
  const table = context.table(columns, rows);
  if (context.options().table !== "text") return table;
  return (
    table +
    detailLines(report, main)
      .map((line) => `  ${line}\n`)
      .join("")
  );
}

export function intervalText({ unit }: Metric, interval: TaskFigures["interval"]): string {
  if (!interval) return "-";
  const say = (value: number) => (unit === "share" ? (100 * value).toFixed(1) : value.toPrecision(4));
  return `${say(interval.low)} … ${say(interval.high)}`;
}

function noteOf({ metrics, drop, paired, against }: TaskReport): string {
  if (drop === null || against === "float") return "";
  const p = paired && (paired.p < 0.001 ? "p < 0.001" : `p = ${paired.p.toFixed(3)}`);
  return changeText(metrics[0]!, drop) + (p ? ` (${p})` : "");
}

function detailLines(report: TaskReport, main: Metric): string[] {
  const { task, decoder, against, byClass, worstSamples, baseline } = report;
  const lines = [`${task}: ${decoder}${against === "float" ? "; the float model's answers are the truth" : ""}`];
  const say = (value: number | null) => figureText(main, value);
  const worst = byClass.filter(({ candidate, baseline: was }) => (was ?? 1) > (candidate ?? 0)).slice(0, NAMED);
  if (baseline && worst.length > 0) {
    lines.push(
      `by class: ${worst.map((one) => `${one.name} ${against === "labels" ? `${say(one.baseline)} → ` : ""}${say(one.candidate)}`).join(", ")}`,
    );
  }
  const samples = worstSamples.slice(0, NAMED).map(({ id, figure }) => `${id} ${say(figure)}`);
  if (samples.length > 0) lines.push(`worst samples: ${samples.join(", ")}`);
  return lines;
}

/** Limits in the task's first figure. */
export function taskGates(
  report: TaskReport,
  { maxDrop, minAccuracy }: { maxDrop?: number; minAccuracy?: number },
): Gate[] {
  const { metrics, candidate, drop } = report;
  const [main] = metrics as [Metric];
  const value = candidate.figures[main.name] ?? null;
  const gates: Gate[] = [];
  const trim = (share: number) => String(Number((100 * share).toPrecision(12)));
  if (maxDrop !== undefined) {
    const actual = drop === null ? "not defined" : `${metricTitle(main, report)} ${changeText(main, drop)}`;
    gates.push({
      name: "max-drop",
      limit: `${trim(maxDrop)}pp`,
      actual,
      passed: drop !== null && drop <= maxDrop + ROUNDING,
    });
  }
  if (minAccuracy !== undefined) {
    const passed =
      value !== null && (main.better === "higher" ? value >= minAccuracy - ROUNDING : value <= minAccuracy + ROUNDING);
    gates.push({
      name: "min-accuracy",
      limit: `${trim(minAccuracy)}%`,
      actual: `${metricTitle(main, report)} ${figureText(main, value)}`,
      passed,
    });
  }
  return gates;
}
