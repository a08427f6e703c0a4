import { ModelError, OptionsError } from "@equant/core/errors";
import type { ParetoPoint } from "@equant/report";
import { type ChartOptions, svgOption, writeChart } from "../files/chart-file.js";
import type { CommandDefinition, CommandOutcome } from "../frame/command.js";
import type { CommandContext } from "../frame/context.js";
import { openData } from "../options/data-options.js";
import { addDataOptions, addTaskOptions, type DataOptions, type TaskFlags } from "../options/option-groups.js";
import { flag } from "../options/options.js";
import { taskOptions } from "../options/task-options.js";
import { formatBytes, formatDb, formatMs, formatPercent, formatPp } from "../text/format.js";
import type { Column } from "../text/table.js";
import { changeText, figureText, intervalText, metricTitle } from "../text/task-text.js";
import { type ComparedModel, contender, fromReport, type LoadedContender, measureAll } from "./compare-models.js";

interface CompareOptions extends ChartOptions, DataOptions, TaskFlags {
  latency: boolean;
}

type Row = ComparedModel & { readonly front: boolean };

/** `equant compare`: models or runs side by side. */
export const compare: CommandDefinition = {
  echoSettings: false,
  configure(command) {
    command
      .description(
        "Shows models or runs side by side: size, accuracy, agreement, output SQNR, latency, and which of them no other beats. Figures come from the runs' report.json, or with --data are measured now against the first model.",
      )
      .argument("<models...>", "ONNX files, output folders of compress and run, or report.json files")
      .optionsGroup("Options:")
      .addOption(flag("--no-latency", "with --data: do not measure latency"))
      .addOption(svgOption("size against accuracy, or against agreement without labels,"))
      .addOption(flag("--overwrite", "replace the chart's file if it exists"));
    addTaskOptions(command);
    addDataOptions(command);
  },
  async run(context: CommandContext, first: unknown): Promise<CommandOutcome> {
    const names = first as string[];
    const options = context.options<CompareOptions>();
    if (names.length < 2) {
      throw new OptionsError("E2005", "compare: one model given, expected 2 or more", {
        hint: `equant compare ${names[0]} OTHER.onnx`,
      });
    }
    if (options.svg !== undefined) await context.checkOutput(options.svg);
    const found = [];
    for (const name of names) found.push(await contender(context, name));
    const rows: ComparedModel[] = [];
    if (options.data === undefined) for (const one of found) rows.push(await fromReport(context, one));
    else {
      const models: LoadedContender[] = [];
      for (const { name, path } of found) {
        if (path === undefined) throw noModel(name);
        const { model, identity } = await context.loadModel(path);
        models.push({ name, model, bytes: identity.bytes });
      }
      const task = await taskOptions(context, options);
      const dataset = await openData(context, models[0]!.model, options, { part: "rest", task: task?.task });
      const { latency, batch } = options;
      rows.push(...(await measureAll(context, models, dataset, { latency, batch, task })));
    }
    const { paretoFront } = await import("@equant/report");
    const { metric, points } = pointsOf(rows);
    const front = new Set(paretoFront(points).map(({ name }) => name));
    if (options.svg !== undefined) {
      if (points.length === 0) {
        throw new OptionsError("E2005", "compare: nothing to draw, no accuracy or agreement is known", {
          hint: "measure it with --data DIR",
        });
      }
      await writeChart(context, options.svg, "pareto", points, metric);
    }
    const compared = rows.map((row): Row => ({ ...row, front: front.has(row.name) }));
    return {
      result: { reference: options.data === undefined ? null : names[0], metric, models: compared },
      text: `${context.table(columnsOf(compared), compared)}${context.options().table === "text" ? footnote(compared, metric) : ""}`,
      ...(options.data === undefined && {
        hint: `measure on the same samples:  equant compare ${names.join(" ")} --data DIR`,
      }),
    };
  },
};

function noModel(name: string): ModelError {
  return new ModelError("E3001", `compare: no model.onnx beside ${name}, which --data needs`, {
    file: name,
    hint: "give the ONNX file itself, or leave out --data to compare the reports",
  });
}

/** What the front is about: top-1 where all have it, else agreement, in which the reference is 1. */
function pointsOf(rows: readonly ComparedModel[]): { metric: string; points: ParetoPoint[] } {
  const sized = rows.filter(({ bytes }) => Number.isFinite(bytes));
  const tasks = rows.flatMap(({ task }) => (task ? [task] : []));
  if (
    tasks.length === rows.length &&
    tasks.every(({ metric, figure }) => metric.name === tasks[0]!.metric.name && figure !== null)
  ) {
    // The front is of what is higher; of errors it takes the negative.
    const sign = tasks[0]!.metric.better === "higher" ? 1 : -1;
    const points = sized.map(({ name, bytes, task }) => ({
      name,
      bytes,
      metric: sign * task!.figure!,
      ...(sign > 0 && task!.interval),
    }));
    return { metric: metricTitle(tasks[0]!.metric, tasks.at(-1)!), points };
  }
  if (rows.every(({ top1 }) => top1 !== null)) {
    const points = sized.map(({ name, bytes, top1, interval }) => ({ name, bytes, metric: top1!, ...interval }));
    return { metric: "top-1", points };
  }
  const points = sized.flatMap(({ name, bytes, agreement, source }, at) => {
    const metric = source === "data" && at === 0 ? 1 : agreement;
    return metric === null ? [] : [{ name, bytes, metric }];
  });
  return { metric: "agreement", points };
}

function columnsOf(rows: readonly Row[]): Column<Row>[] {
  const some = (pick: (row: Row) => unknown) => rows.some((row) => pick(row) !== null);
  const or = <T>(value: T | null, text: (value: T) => string) => (value === null ? "-" : text(value));
  const columns: Column<Row>[] = [
    { title: "model", cell: ({ name }) => name, align: "left" },
    { title: "size", cell: ({ bytes }) => (Number.isFinite(bytes) ? formatBytes(bytes) : "-") },
  ];
  const task = rows.at(-1)!.task;
  if (task) {
    const own = (row: Row) => row.task;
    columns.push(
      { title: metricTitle(task.metric, task), cell: (row) => figureText(task.metric, own(row)?.figure) },
      { title: "95 % interval", cell: (row) => intervalText(task.metric, own(row)?.interval ?? null), align: "right" },
      { title: "change", cell: (row) => or(own(row)?.drop ?? null, (drop) => changeText(task.metric, drop)) },
      { title: "p", cell: (row) => or(own(row)?.p ?? null, (p) => (p < 0.001 ? "< 0.001" : p.toFixed(3))) },
    );
  } else if (some(({ top1 }) => top1)) {
    const range = ({ low, high }: { low: number; high: number }) =>
      `${(100 * low).toFixed(1)} \u2026 ${(100 * high).toFixed(1)}`;
    columns.push(
      { title: "top-1", cell: ({ top1 }) => or(top1, formatPercent) },
      { title: "95 % interval", cell: ({ interval }) => or(interval, range), align: "right" },
      { title: "change", cell: ({ drop }) => or(drop, (value) => formatPp(-value)) },
      { title: "McNemar p", cell: ({ mcNemar }) => or(mcNemar, ({ p }) => (p < 0.001 ? "< 0.001" : p.toFixed(3))) },
    );
  }
  columns.push(
    { title: "same answer", cell: ({ agreement }) => or(agreement, formatPercent) },
    { title: "output SQNR", cell: ({ sqnrDb }) => or(sqnrDb, formatDb) },
  );
  if (some(({ latencyMs }) => latencyMs)) {
    columns.push({ title: "latency", cell: ({ latencyMs }) => or(latencyMs, formatMs) });
  }
  columns.push({ title: "front", cell: ({ front }) => (front ? "*" : ""), align: "left" });
  return columns;
}

function footnote(rows: readonly Row[], metric: string): string {
  const lines = rows.some(({ front }) => front) ? [`* no other model is both smaller and better in ${metric}`] : [];
  const samples = new Set(rows.map((row) => row.samples));
  if (rows[0]!.source === "data") {
    lines.push(`change, p, same answer and SQNR against ${rows[0]!.name}, on the same ${rows[0]!.samples} samples`);
  } else if (rows.some(({ source }) => source === "report")) {
    lines.push("each run against the model it was made from; SQNR on its calibration data");
    if (samples.size > 1) lines.push("the runs were validated on different samples: shares are not comparable");
  }
  return lines.map((line) => `  ${line}\n`).join("");
}
