import {
  type CompressResult,
  type Dataset,
  parseModel,
  type RecipeStep,
  type ValidationReport,
  validateModels,
} from "@equant/core";
import { collectReport, type Report } from "@equant/report";
import { type CallContext, transformContext } from "./context.js";
import { sha256 } from "./hash.js";
import type { OpenModel } from "./open-model.js";

/** Somebody waits for the figures: fewer rounds than the command makes, five at least. */
const LATENCY_MS = 1500;

/** Samples for ratios of layers and counts of values. */
const SAMPLES = 32;

/** Everything the run learned: what charts, tables and report.json show. */
export async function reportOf(
  open: OpenModel,
  dataset: Dataset,
  result: CompressResult,
  steps: readonly RecipeStep[],
  call: CallContext,
): Promise<Report> {
  const { bytes } = result;
  return collectReport(
    {
      tool: { name: "equant", version: VERSION },
      title: open.name,
      model: { path: open.name, sha256: open.sha256, bytes: open.fileBytes },
      output: { sha256: await sha256(bytes), bytes: bytes.length },
      recipe: steps,
      result,
      dataset,
      samples: SAMPLES,
    },
    await transformContext(call),
  );
}

/** A result against the original, on the samples kept apart. */
export async function validate(
  { model, fileBytes }: OpenModel,
  dataset: Dataset,
  bytes: Uint8Array<ArrayBuffer>,
  call: CallContext,
): Promise<ValidationReport> {
  return validateModels(
    parseModel(bytes, { file: "result" }),
    { baseline: model, bytes: { candidate: bytes.length, baseline: fileBytes }, latency: { budgetMs: LATENCY_MS } },
    { ...(await transformContext(call)), data: dataset },
  );
}
