import type { Ablation, AblationColumn, Degradation, QuantizeOptions, TargetName } from "@equant/core/lab";
import { definitionOf } from "@equant/core/steps";
import type { CommandDefinition, CommandOutcome } from "../frame/command.js";
import type { CommandContext } from "../frame/context.js";
import { openData } from "../options/data-options.js";
import { addFleetOptions } from "../options/fleet-options.js";
import { addDataOptions, type DataOptions } from "../options/option-groups.js";
import { completing, defined, flag, integer, text } from "../options/options.js";

interface AblateCommandOptions extends DataOptions {
  calibrationData?: string;
  calibrationSamples: number;
  target: TargetName;
  granularity?: NonNullable<QuantizeOptions["granularity"]>;
  correct: boolean;
}

const ALL = { part: "all", samples: undefined } as const;

/** Decoded samples kept in memory. */
const CACHE_BYTES = 1e9;

interface Row extends AblationColumn {
  readonly model: string;
}

/** `equant ablate`: Tables 1 and 2 of Meller et al. 2019 for any networks that take the same data. */
export const ablate: CommandDefinition = {
  echoSettings: false,
  configure(command) {
    command
      .description(
        "Measures what equalization is worth, part by part: how much worse networks answer when weights, activations or both are rounded, as they are and behind each method, with and without bias correction (Tables 1 and 2 of Meller et al. 2019).",
      )
      .argument("<models...>", "ONNX files that take the same data")
      .optionsGroup("Options:")
      .addOption(
        completing(
          text("--calibration-data <path>", "samples for ranges (default: some of --data, or --split)"),
          "file",
        ),
      )
      .addOption(integer("--calibration-samples <n>", "samples for ranges, as many as the paper's", { min: 1 }, 64))
      .addOption(defined("target", definitionOf("quantize").options.target!).default("hailo"))
      .addOption(defined("granularity", definitionOf("quantize").options.granularity!))
      .addOption(flag("--no-correct", "leave out the column with corrected biases"));
    addDataOptions(command);
    addFleetOptions(command);
  },
  async run(context: CommandContext, first: unknown): Promise<CommandOutcome> {
    const options = context.options<AblateCommandOptions>();
    const core = await import("@equant/core/lab");
    const transform = await context.transformContext();
    const tables: { model: string; ablation: Ablation }[] = [];
    // Tables are long work: those that are there when it is stopped are printed.
    context.keepWhenStopped();
    for (const path of first as string[]) {
      if (context.signal.aborted) break;
      const { model } = await context.loadModel(path);
      // Every way reads all samples several times: decoding them once is most of the time.
      const measured = core.cachedDataset(await openData(context, model, options, { part: "rest" }), CACHE_BYTES);
      const calibration =
        options.calibrationData === undefined
          ? await openData(context, model, options, { samples: undefined })
          : await openData(context, model, { ...options, data: options.calibrationData }, ALL);
      const ablation = await context
        .phase(
          path,
          () =>
            core.ablate(
              model,
              { calibration, measured },
              {
                quantize: { target: options.target, ...(options.granularity && { granularity: options.granularity }) },
                calibrationSamples: options.calibrationSamples,
                correct: options.correct,
              },
              transform,
            ),
          ({ columns, samples, stopped }) =>
            `${stopped ? "stopped: " : ""}${columns.length} ways on ${samples} samples`,
        )
        .catch((error) => {
          if (tables.length > 0 && context.signal.aborted) return undefined;
          throw error;
        });
      if (ablation) tables.push({ model: path, ablation });
    }
    context.finish();
    return {
      result: { models: tables.map(({ model, ablation }) => ({ model, ...ablation })) },
      text: tablesText(context, tables),
    };
  },
};

function tablesText(context: CommandContext, tables: readonly { model: string; ablation: Ablation }[]): string {
  const rows = tables.flatMap(({ model, ablation }) =>
    ablation.columns.map((column, at): Row => ({ ...column, model: at === 0 ? head(model, ablation) : "" })),
  );
  const table = context.table<Row>(
    [
      { title: "network", cell: ({ model }) => model, align: "left" },
      { title: "equalization", cell: ({ name }) => name, align: "left" },
      { title: "weights and activations", cell: ({ parts }) => degradation(parts.both) },
      { title: "weights only", cell: ({ parts }) => degradation(parts.weights) },
      { title: "activations only", cell: ({ parts }) => degradation(parts.activations) },
      { title: "both, biases corrected", cell: ({ corrected }) => (corrected ? degradation(corrected) : "-") },
      { title: "in float", cell: ({ float }) => degradation(float) },
      { title: "predicted noise", cell: ({ noiseDb }) => (noiseDb === undefined ? "-" : `${noiseDb.toFixed(1)} dB`) },
    ],
    rows,
  );
  if (context.options().table !== "text") return table;
  const labelled = tables.every(({ ablation }) => ablation.labelled);
  const what = labelled
    ? "degradation: top-1 of the float network less top-1, in percentage points, on the same samples"
    : "degradation: answers that are no longer the float network's, in percent";
  return `${table}  ${what}; 95 % intervals in brackets\n`;
}

function head(model: string, { top1, samples }: Ablation): string {
  const name = model.replace(/^.*[\\/]/, "").replace(/\.onnx$/, "");
  return top1 === undefined ? `${name}, ${samples} samples` : `${name}, top-1 ${(100 * top1).toFixed(2)} %`;
}

function degradation({ drop, low, high }: Degradation): string {
  const points = (value: number) => (100 * value).toFixed(2).replace(/^-(0\.00)$/, "$1");
  return `${points(drop)} [${points(low)}, ${points(high)}]`;
}
