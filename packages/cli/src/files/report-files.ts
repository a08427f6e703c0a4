import { join } from "node:path";
import type { CompressResult, Dataset, RecipeStep, ValidationReport } from "@equant/core";
import type { PruningSection, Report } from "@equant/report";
import type { CommandContext } from "../frame/context.js";
import { toolVersion } from "../version.js";
import type { OutputFile } from "./output-file.js";

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

/** Below this output SQNR something is wrong enough to look for the culprit and to try remedies. */
const POOR_DB = 15;

/** Why outputs are poor and what helps; undefined where they are not. */
async function adviceFor({ result, dataset }: ReportInput, context: CommandContext) {
  if ((result.steps.at(-1)?.error.sqnrDb ?? POOR_DB) >= POOR_DB) return undefined;
  const { adviseRun } = await import("@equant/core/lab");
  return adviseRun(result, dataset, await context.transformContext());
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
      const advice = await adviceFor(input, context);
      const collected = await collectReport(
        {
          ...rest,
          advice,
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
