import { ModelError, OptionsError } from "@equant/core/errors";
import type { Dataset, Model, OutputError, PlanOfFile, TransformContext } from "@equant/core/lab";
import { definitionOf } from "@equant/core/steps";
import { type ChartOptions, writeChart } from "../files/chart-file.js";
import type { CommandOutcome } from "../frame/command.js";
import type { CommandContext } from "../frame/context.js";
import { openData } from "../options/data-options.js";
import type { DataOptions } from "../options/option-groups.js";
import { adviceText } from "../text/advice-text.js";
import { formatDb } from "../text/format.js";
import { agreementLine, type SqnrOrder, sqnrTable } from "../text/sqnr-text.js";
import { shellWord } from "../text/visible.js";

/** What is asked of an error analysis, of a plan or of a file. */
export interface DebugOptions extends DataOptions, ChartOptions {
  top: number;
  sort: SqnrOrder;
  channels?: boolean;
  sensitivity?: boolean;
  advice: boolean;
}

/** Options that say nothing about a file that is quantized already. */
export const OF_QUANTIZATION = [...Object.keys(definitionOf("quantize").options), "perChannel", "compare"];

/** @throws {OptionsError} E2004 a flag that would have to change the file. */
export function refuseQuantizeFlags(context: CommandContext): void {
  const given = OF_QUANTIZATION.find((name) => context.settings.get(name)?.from === "flag");
  if (given === undefined) return;
  const flag = `--${given.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
  throw new OptionsError("E2004", `debug: ${flag} and --against exclude each other: the file is quantized already`, {
    actual: flag,
    hint: `leave out ${flag}, or give the float model alone to see what the option would do`,
  });
}

/** `equant debug q.onnx --against float.onnx`: error analysis of a quantized file. */
export async function debugAgainst(
  context: CommandContext,
  path: string,
  against: string,
  options: DebugOptions,
): Promise<CommandOutcome> {
  const core = await import("@equant/core/lab");
  const file = await context.loadModel(path);
  const float = await context.loadModel(against);
  if (core.isQuantized(float.model)) {
    throw new ModelError("E4003", `debug: ${against} is already quantized, --against takes the float model`, {
      hint: core.isQuantized(file.model)
        ? "give the float model that the file was made from with --against"
        : `the quantized one comes first:  equant debug ${shellWord(against)} --against ${shellWord(path)} --data ${shellWord(options.data ?? "DIR")}`,
    });
  }
  const transform = await context.transformContext();
  const dataset = await openData(context, float.model, options);
  const read = await context.phase(
    "match",
    () => core.planOfFile(file.model, { float: float.model }, { ...transform, data: dataset }),
    ({ layers, state }) => `${layers.length} layers, ${describeState(state)}`,
  );
  const { model, plan } = read;
  const report = await context.phase(
    "measure",
    () => core.measureSqnr(model, { plan, perChannel: options.channels ?? false }, { ...transform, data: dataset }),
    ({ layers, samples }) => `${layers.length} layers on ${samples} samples`,
  );
  const requests = [...plan.activations.keys()]
    .filter((value) => !model.graph.initializers.has(value))
    .map((value) => ({ value, moments: false, exactMinimum: false, histogram: false }));
  const advice = options.advice
    ? await context.phase(
        "advise",
        async () => {
          const calibration = await core.calibrate(model, { requests }, { ...transform, data: dataset });
          return core.advise(
            model,
            { calibration, plan, quantize: undefined, sqnr: report },
            { ...transform, data: dataset },
          );
        },
        ({ allDb }) => `output SQNR ${formatDb(allDb)}`,
      )
    : undefined;
  const study = options.sensitivity
    ? await context.phase("sensitivity", () =>
        core.sensitivity(model, { plan, report }, { ...transform, data: dataset }),
      )
    : undefined;
  const output = await context.phase(
    "check",
    () => checkOutput(read, { file: file.model, float: float.model }, dataset, transform),
    ({ fileDb, planDb }) => `output SQNR ${formatDb(fileDb)}, as read ${formatDb(planDb)}`,
  );
  for (const { node, reason } of [...report.skipped, ...read.unmatched]) context.warn("W4002", reason, node);
  if (Math.abs(output.fileDb - output.planDb) > EXPLAINED_DB) {
    context.warn(
      "W4002",
      `the file leaves ${formatDb(output.fileDb)} at the output, what was read of it ${formatDb(output.planDb)}: part of its loss is not in the table`,
    );
  }
  if (options.svg !== undefined) await writeChart(context, options.svg, "sqnr-prediction", report);
  const { layers, state, unmatched } = read;
  const first = advice?.findings[0];
  const table = sqnrTable(context, report, options);
  return {
    result: {
      ...report,
      against: { state, layers, unmatched, output },
      ...(advice && { advice }),
      ...(study && { sensitivity: study }),
    },
    text: `${advice ? adviceText(context, advice) : ""}${table}${agreementLine(report)}`,
    hint: first
      ? `what would help: equant debug ${shellWord(against)} --data ${shellWord(options.data)}  with the options the file was made with; or keep it in float: --exclude ${shellWord(first.layer)}`
      : `equant debug ${shellWord(against)} --data ${shellWord(options.data)}  tries remedies`,
  };
}

/** Emulation and the file executed literally differ in a few ties. */
const EXPLAINED_DB = 1;
/** What the file says, not what integer kernels of this processor make of it: that is for `equant validate`. */
const LITERALLY = { optimization: "disabled" } as const;

/** Output SQNR of the file itself and of the plan that was read of it, against the original. */
async function checkOutput(
  { model, plan }: PlanOfFile,
  { file, float }: Record<"file" | "float", Model>,
  dataset: Dataset,
  transform: TransformContext,
): Promise<{ fileDb: number; planDb: number }> {
  const { DB_LIMIT, emulatedNetwork, OutputProbe } = await import("@equant/core/lab");
  const probe = await OutputProbe.of(float, dataset, transform);
  const db = ({ sqnrDb }: OutputError) => Math.min(sqnrDb, DB_LIMIT);
  return {
    fileDb: db(await probe.measure(file, transform, LITERALLY)),
    planDb: db(await probe.measure(emulatedNetwork(model, plan), transform)),
  };
}

function describeState({ folded, deadChannelsRemoved, equalizedClasses }: PlanOfFile["state"]): string {
  const parts = [folded.includes("batchNorms") ? "batch-norms folded" : "not folded"];
  if (deadChannelsRemoved) parts.push("dead channels removed");
  if (equalizedClasses > 0) parts.push(`equalized in ${equalizedClasses} classes`);
  return parts.join(", ");
}
