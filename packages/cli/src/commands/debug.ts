import { ModelError } from "@equant/core/errors";
import type { LayerSqnr, SqnrReport } from "@equant/core/lab";
import { svgOption, writeCharts } from "../files/chart-file.js";
import type { CommandDefinition, CommandOutcome } from "../frame/command.js";
import type { CommandContext } from "../frame/context.js";
import { openData } from "../options/data-options.js";
import { addFleetOptions } from "../options/fleet-options.js";
import { addDataOptions } from "../options/option-groups.js";
import { choice, completing, flag, integer, text } from "../options/options.js";
import { addQuantizeOptions, type QuantizeFlags, quantizeOptions } from "../options/quantize-flags.js";
import { adviceHint, adviceText } from "../text/advice-text.js";
import { formatDb } from "../text/format.js";
import { agreementLine, pairsTable, SORTS, sortedLayers, sqnrTable } from "../text/sqnr-text.js";
import { shellWord } from "../text/visible.js";
import { compareEqualization, comparisonTable } from "./compare-equalization.js";
import { type DebugOptions, debugAgainst, OF_QUANTIZATION, refuseQuantizeFlags } from "./debug-against.js";
import { CALIBRATION_SAMPLES, describeCalibration } from "./quantize.js";

interface DebugCommandOptions extends DebugOptions, QuantizeFlags {
  against?: string;
  compare?: boolean;
  pairs?: boolean;
}

/** `equant debug`: which layers lose signal when the model is quantized, and why. */
export const debug: CommandDefinition = {
  step: "quantize",
  unusedSettings: ({ against }) => (against === undefined ? [] : OF_QUANTIZATION),
  configure(command) {
    command
      .description(
        "Names the layers that harm the outputs most when a float model is quantized with these options, why, and how much each remedy would gain, measured; and the signal-to-noise ratio of every layer, predicted and measured, local and cumulative. With --against: the same of a quantized file, whoever made it.",
      )
      .argument("<model>", "the float ONNX file; with --against the quantized one")
      .optionsGroup("Options:")
      .addOption(
        completing(text("--against <file>", "the float model that <model>, a QDQ file, was made from"), "file"),
      )
      .addOption(integer("--top <n>", "layers shown; the JSON has all", { min: 1 }, 10))
      .addOption(choice("--sort <order>", "worst local or cumulative ratio first, or graph order", SORTS, "local"))
      .addOption(flag("--no-advice", "only the ratios: do not try remedies for the worst layers"))
      .addOption(flag("--channels", "ratios by output channel in the JSON"))
      .addOption(
        flag(
          "--compare",
          "local ratios before and after each equalization method, and the bound of optimal equalization",
        ),
      )
      .addOption(flag("--pairs", "noise of every layer at the output of the next one, predicted and measured"))
      .addOption(flag("--sensitivity", "also the outputs with one layer quantized at a time, and with all but one"))
      .addOption(svgOption("predicted and measured ratios, of pairs too, with --compare those of every method,"));
    addQuantizeOptions(command);
    addDataOptions(command, { samples: CALIBRATION_SAMPLES });
    addFleetOptions(command);
  },
  async run(context: CommandContext, path: string): Promise<CommandOutcome> {
    const options = context.options<DebugCommandOptions>();
    if (options.against !== undefined) {
      refuseQuantizeFlags(context);
      return debugAgainst(context, path, options.against, options);
    }
    const settings = quantizeOptions(options);
    const core = await import("@equant/core/lab");
    core.resolveQuantizeOptions(settings);
    const { model } = await context.loadModel(path);
    if (core.isQuantized(model)) {
      throw new ModelError("E4003", `debug: ${path} is already quantized`, {
        hint: `give the float model it was made from:  equant debug ${shellWord(path)} --against FLOAT.onnx --data ${shellWord(options.data ?? "DIR")}`,
      });
    }
    const transform = await core.contextOf(options.target, await context.transformContext());
    const dataset = await openData(context, model, options);
    await context.phase(
      "fold",
      () => core.prepareModel(model, transform),
      ({ fold }) => core.describeFold(fold),
    );
    const calibration = await context.phase(
      "calibrate",
      () =>
        core.calibrate(
          model,
          { requests: core.quantizationRequests(model, settings) },
          { ...transform, data: dataset },
        ),
      describeCalibration,
    );
    const plan = core.planQuantization(model, calibration, await core.forThisProcessor(settings, transform));
    const report = await context.phase(
      "measure",
      () => core.measureSqnr(model, { plan, perChannel: options.channels ?? false }, { ...transform, data: dataset }),
      ({ layers, samples }) => `${layers.length} layers on ${samples} samples`,
    );
    const advice = options.advice
      ? await context.phase(
          "advise",
          () =>
            core.advise(
              model,
              { calibration, plan, quantize: settings, sqnr: report },
              { ...transform, data: dataset },
            ),
          ({ allDb }) => `output SQNR ${formatDb(allDb)}`,
        )
      : undefined;
    const study = options.sensitivity
      ? await context.phase("sensitivity", () =>
          core.sensitivity(model, { plan, report }, { ...transform, data: dataset }),
        )
      : undefined;
    const curves = options.compare
      ? await compareEqualization(context, model, settings, dataset, transform, report)
      : undefined;
    const pairs = options.pairs
      ? await context.phase(
          "pairs",
          () => core.measurePairs(model, { plan }, { ...transform, data: dataset }),
          (found) => `${found.length} pairs`,
        )
      : undefined;
    if (options.svg !== undefined) {
      const { CHARTS } = await import("@equant/report");
      const { "sqnr-states": states, "sqnr-optimal": optimal, "sqnr-pairs": ofPairs } = CHARTS;
      await writeCharts(
        context,
        options.svg,
        ...(curves ? [states.draw(curves), optimal.draw(curves)] : [CHARTS["sqnr-prediction"].draw(report)]),
        ...(pairs ? [ofPairs.draw(pairs)] : []),
      );
    }
    const table = sqnrTable(context, report, options);
    return {
      result: {
        ...report,
        ...(advice && { advice }),
        ...(study && { sensitivity: study }),
        ...(curves && { comparison: curves }),
        ...(pairs && { pairs }),
      },
      text: `${advice ? adviceText(context, advice) : ""}${curves ? comparisonTable(context, curves) : ""}${pairs ? pairsTable(context, pairs) : ""}${table}${agreementLine(report)}`,
      hint: (advice && adviceHint(advice, path, options.data, settings)) ?? hintFor(report, path),
    };
  },
};

/** The remedy for the worst layer: what its first finding calls for. */
function hintFor({ layers }: SqnrReport, path: string): string {
  const worst: LayerSqnr | undefined = sortedLayers(layers, "local")[0];
  const kind = worst?.findings[0]?.kind;
  if (kind === "overflow") return "ranges cut off too much: --calibrator minmax";
  if (kind !== undefined)
    return `equant compress ${shellWord(path)} --data DIR -o out.onnx  equalizes channels; or quantize with --per-channel`;
  return worst ? `leave the worst layer in float: --exclude ${worst.layer}` : "no layer was quantized";
}
