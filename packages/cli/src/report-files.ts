import { join } from "node:path";
import type { CompressResult, Dataset, RecipeStep, ValidationReport } from "@equant/core";
import type { PruningSection, Report } from "@equant/report";
import type { CommandContext } from "./context.js";
import type { OutputFile } from "./output-file.js";
import { toolVersion } from "./version.js";

/** What a report is made of. */
export interface ReportInput {
  readonly result: CompressResult;
  readonly recipe: readonly RecipeStep[];
  readonly modelPath: string;
  readonly data: Readonly<Record<string, unknown>>;
  readonly validation: ValidationReport | undefined;
  readonly pruning?: PruningSection | undefined;
  /** Calibration data. */
  readonly dataset: Dataset;
  /** What the command says besides; where a name occurs twice, the report's own wins. */
  readonly facts: { readonly output: { readonly bytes: number; readonly sha256: string } };
}

/** report.json and report.html of a run. Libraries of charts are loaded here, not with the command. */
export async function reportFiles(context: CommandContext, folder: string, input: ReportInput): Promise<OutputFile[]> {
  const [{ collectReport }, { renderReport }] = await Promise.all([
    import("@equant/report"),
    import("@equant/report/node"),
  ]);
  const { facts, modelPath, ...rest } = input;
  return context.phase(
    "report",
    async () => {
      const collected = await collectReport(
        {
          ...rest,
          title: modelPath.split(/[\\/]/).at(-1)!,
          tool: { name: "equant", version: toolVersion() },
          model: context.model ? { ...context.model, path: modelPath } : null,
          output: { ...facts.output },
        },
        await context.transformContext(),
      );
      const report: Report = { ...facts, ...collected };
      return [
        { path: join(folder, "report.json"), data: `${JSON.stringify(report)}\n` },
        { path: join(folder, "report.html"), data: renderReport(report) },
      ];
    },
    () => "report.html, report.json",
  );
}
