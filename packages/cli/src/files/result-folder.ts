import { join } from "node:path";
import type { Calibration, CompressResult, Dataset, RecipeStep, ValidationReport } from "@equant/core";
import type { ModelFile } from "@equant/core/node";
import type { CommandContext } from "../frame/context.js";
import { toJson } from "../frame/envelope.js";
import { toolVersion } from "../version.js";
import { sha256 } from "./model-file.js";
import type { OutputFile } from "./output-file.js";
import { reportFiles } from "./report-files.js";

/** Everything a run knows when it is done. */
export interface RunRecord {
  readonly result: CompressResult;
  /** The model's files; the model itself is the last. */
  readonly files: readonly ModelFile[];
  readonly recipe: readonly RecipeStep[];
  readonly modelPath: string;
  /** Facts of the data that decide the result. */
  readonly data: Readonly<Record<string, unknown>>;
  readonly validation: ValidationReport | undefined;
}

/** What a run reports: `result` of the envelope and report.json. JSON-safe. */
export function runReport(context: CommandContext, record: RunRecord) {
  const { result, files, validation } = record;
  return {
    output: { bytes: bytesOf(files), sha256: sha256(files.at(-1)!.data as Uint8Array) },
    steps: result.steps.map(({ step, kept, note, error, drift }) => ({
      step,
      kept,
      note,
      error,
      ...(drift && { drift }),
    })),
    details: result.details,
    calibration: convergence(result.calibration),
    verification: result.verification,
    ...(validation && { validation }),
    model: context.model,
  };
}

/** A model's size on disk: all its files. */
export function bytesOf(files: readonly ModelFile[]): number {
  return files.reduce((sum, { bytes }) => sum + bytes, 0);
}

function convergence(calibration: Calibration) {
  const { samples, complete, random } = calibration;
  return { samples, complete, random, stableAfter: calibration.rangeConvergence()?.stableAfter ?? null };
}

/**
 * Files of the output folder: the model last, because everything else explains it. `dataset` is the calibration data:
 * the report counts values and measures ratios on some of it.
 */
export async function resultFiles(
  context: CommandContext,
  folder: string,
  record: RunRecord,
  dataset: Dataset,
): Promise<OutputFile[]> {
  const { result, files, recipe } = record;
  const report = runReport(context, record);
  const calibration = result.calibration.forModel(context.model?.sha256 ?? "").serialize();
  const lock = {
    tool: { name: "equant", version: toolVersion() },
    model: { path: record.modelPath, ...context.model },
    data: record.data,
    settings: context.settings.toJSON(),
    steps: recipe,
    calibration: { sha256: sha256(new TextEncoder().encode(calibration)) },
    output: report.output,
  };
  return [
    { path: join(folder, "calibration.json"), data: calibration },
    { path: join(folder, "layers.csv"), data: layersCsv(result) },
    { path: join(folder, "recipe.lock.json"), data: toJson(lock) },
    ...(await reportFiles(context, folder, { ...record, facts: report, dataset })),
    ...files,
  ];
}

/** One line a learnable: layer, parameter, shape, stored type. */
function layersCsv(result: CompressResult): string {
  const quote = (text: string) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const rows = result.details.learnables.map(({ layer, parameter, shape, dtype }) =>
    [quote(layer), parameter, shape.join("x"), dtype].join(","),
  );
  return `${["layer,parameter,shape,type", ...rows].join("\n")}\n`;
}

/** The steps as a table: what each was worth. */
export function stepsTable(context: CommandContext, result: CompressResult): string {
  return context.table<CompressResult["steps"][number]>(
    [
      { title: "step", cell: ({ step }) => step, align: "left" },
      { title: "", cell: ({ kept }) => (kept ? "kept" : "-"), align: "left" },
      { title: "SQNR dB", cell: ({ error }) => (Number.isFinite(error.sqnrDb) ? error.sqnrDb.toFixed(2) : "inf") },
      {
        title: "agreement",
        cell: ({ error }) => (error.agreement === null ? "-" : `${(100 * error.agreement).toFixed(1)} %`),
      },
      { title: "effect", cell: ({ note }) => note, align: "left" },
    ],
    result.steps,
  );
}
