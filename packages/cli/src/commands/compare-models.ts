import { stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { ModelError } from "@equant/core/errors";
import type {
  Dataset,
  Metric,
  Model,
  ModelMeasures,
  TaskOptions,
  TaskReport,
  ValidationReport,
} from "@equant/core/lab";
import type { Report } from "@equant/report";
import { readText } from "../files/model-file.js";
import type { CommandContext } from "../frame/context.js";

/** What a person named: a model, or a run with or without its model. */
export interface Contender {
  /** As it was typed. */
  readonly name: string;
  /** The model's file; undefined for a report alone. */
  readonly path: string | undefined;
  readonly report: Report | undefined;
}

/** Figures of one model beside those of the first. Null: not measured, or not defined. */
export interface ComparedModel {
  readonly name: string;
  /** `data`: measured now; `report`: as the run's report.json has it; `file`: only the size is known. */
  readonly source: "data" | "report" | "file";
  readonly bytes: number;
  readonly samples: number | null;
  readonly top1: number | null;
  /** Wilson interval of `top1`, 95 %. */
  readonly interval: { readonly low: number; readonly high: number } | null;
  /** Top-1 of the reference less this one's. */
  readonly drop: number | null;
  readonly mcNemar: { readonly onlyBaseline: number; readonly onlyCandidate: number; readonly p: number } | null;
  /** Share of samples answered as the reference does. */
  readonly agreement: number | null;
  /** Of the outputs against the reference's, in dB. */
  readonly sqnrDb: number | null;
  readonly latencyMs: number | null;
  /** In the measure of the task that was named; null where none was. */
  readonly task: {
    readonly metric: Metric;
    readonly against: TaskReport["against"];
    readonly figure: number | null;
    readonly interval: { readonly low: number; readonly high: number } | null;
    /** How much worse than the reference; null for itself. */
    readonly drop: number | null;
    readonly p: number | null;
  } | null;
}

/** Finds out what an argument is. @throws {ModelError} E3001 neither a model nor a run. @throws {DataError} E5002 a bad report. */
export async function contender(context: CommandContext, name: string): Promise<Contender> {
  const place = resolve(context.io.cwd, name);
  const isFolder = (await stat(place).catch(() => undefined))?.isDirectory() ?? false;
  const isReport = !isFolder && name.endsWith(".json");
  if (!isFolder && !isReport) return { name, path: name, report: undefined };
  const folder = isFolder ? name : dirname(name);
  const has = async (file: string) => (await stat(resolve(context.io.cwd, file)).catch(() => undefined))?.isFile();
  const reportPath = isFolder ? join(name, "report.json") : name;
  const modelPath = join(folder, "model.onnx");
  const path = (await has(modelPath)) ? modelPath : undefined;
  if (!isReport && !(await has(reportPath))) {
    if (path !== undefined) return { name, path, report: undefined };
    throw new ModelError("E3001", `compare: ${name} has neither report.json nor model.onnx`, {
      file: name,
      hint: "give folders that equant compress --out or equant run wrote, or ONNX files",
    });
  }
  const { readReport } = await import("@equant/report");
  const text = await readText(reportPath, context.io);
  return { name, path, report: readReport(text, basename(reportPath)) };
}

/** Figures as the run wrote them. */
export async function fromReport(context: CommandContext, { name, path, report }: Contender): Promise<ComparedModel> {
  const unknown = { name, samples: null, top1: null, interval: null, drop: null, mcNemar: null, task: null };
  if (!report) {
    const { identity } = await context.loadModel(path!);
    return { ...unknown, source: "file", bytes: identity.bytes, agreement: null, sqnrDb: null, latencyMs: null };
  }
  const { validation, steps, output } = report;
  const last = steps.filter(({ kept }) => kept).at(-1)?.error;
  const candidate = validation?.candidate;
  const known = validation && {
    samples: validation.samples,
    top1: validation.candidate.top1,
    interval: validation.candidate.accuracy?.top1Interval ?? null,
    drop: validation.drop,
    mcNemar: validation.mcNemar,
    task: taskOf((validation as { task?: TaskReport | null }).task ?? null, false),
  };
  const bytes = output?.bytes ?? candidate?.bytes;
  return {
    ...unknown,
    ...known,
    source: "report",
    bytes: bytes ?? (path === undefined ? Number.NaN : (await context.loadModel(path)).identity.bytes),
    agreement: validation?.agreement ?? last?.agreement ?? null,
    sqnrDb: last?.sqnrDb ?? null,
    latencyMs: candidate?.latencyMs ?? null,
  };
}

export interface LoadedContender {
  readonly name: string;
  readonly model: Model;
  readonly bytes: number;
}

/** Measures all on the same samples, the first one as the reference of the others. */
export async function measureAll(
  context: CommandContext,
  [first, ...others]: readonly LoadedContender[],
  dataset: Dataset,
  options: { readonly latency: boolean; readonly batch: number | undefined; readonly task: TaskOptions | undefined },
): Promise<ComparedModel[]> {
  const { validateModels } = await import("@equant/core");
  const transform = await context.transformContext();
  const rows: ComparedModel[] = [];
  for (const other of others) {
    const report = await context.phase(
      `validate ${other.name}`,
      () =>
        validateModels(
          other.model,
          {
            baseline: first!.model,
            bytes: { candidate: other.bytes, baseline: first!.bytes },
            ...(!options.latency && { latency: false as const }),
            ...(options.batch !== undefined && { batchSize: options.batch }),
            ...(options.task && { task: options.task }),
          },
          { ...transform, data: dataset },
        ),
      ({ samples }) => `${samples} samples`,
    );
    for (const { code, message } of report.warnings) context.warn(code, message, other.name);
    if (rows.length === 0) rows.push(measured(first!.name, report, report.baseline!, true));
    rows.push(measured(other.name, report, report.candidate, false));
  }
  return rows;
}

function measured(
  name: string,
  report: ValidationReport,
  { bytes, top1, accuracy, latencyMs }: ModelMeasures,
  isReference: boolean,
): ComparedModel {
  return {
    name,
    source: "data",
    bytes,
    samples: report.samples,
    top1,
    interval: accuracy?.top1Interval ?? null,
    drop: isReference ? null : report.drop,
    mcNemar: isReference ? null : report.mcNemar,
    agreement: isReference ? null : report.agreement,
    sqnrDb: isReference ? null : report.logitSqnrDb,
    latencyMs,
    task: taskOf(report.task, isReference),
  };
}

function taskOf(task: TaskReport | null, isReference: boolean): ComparedModel["task"] {
  if (!task) return null;
  const [metric] = task.metrics as [Metric];
  const own = isReference ? task.baseline! : task.candidate;
  return {
    metric,
    against: task.against,
    figure: own.figures[metric.name] ?? null,
    interval: own.interval,
    drop: isReference ? null : task.drop,
    p: isReference ? null : (task.paired?.p ?? null),
  };
}
