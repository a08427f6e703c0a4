import type { EqualizeReport, Model } from "@equant/core";
import { OptionsError } from "@equant/core/errors";
import { oneOf } from "@equant/core/steps";
import { type ChartOptions, svgOption, writeCharts } from "../files/chart-file.js";
import type { CommandDefinition, CommandOutcome } from "../frame/command.js";
import type { CommandContext } from "../frame/context.js";
import { openData } from "../options/data-options.js";
import { addFleetOptions } from "../options/fleet-options.js";
import {
  addDataOptions,
  addModelOutputOptions,
  addOutputOptions,
  type DataOptions,
  type OutputOptions,
} from "../options/option-groups.js";
import { defined, flag } from "../options/options.js";
import { addQuantizeOptions, type QuantizeFlags, quantizeOptions } from "../options/quantize-flags.js";
import { addStepOptions, givenOptions, type StepFlags } from "../options/step-flags.js";
import { shellWord } from "../text/visible.js";
import { CALIBRATION_SAMPLES } from "./quantize.js";

type EqualizeCommandOptions = QuantizeFlags &
  StepFlags<"equalize"> &
  DataOptions &
  OutputOptions &
  ChartOptions & { keep: "better" | "always"; explain?: boolean };

const KEEP_FACTORS = oneOf(
  "nothing is scaled where that makes matters worse, or the method's factors stay as published",
  { better: "undone where matters get worse", always: "as published" },
  { default: "better" },
);

/** `equant equalize`: scales channels so that quantization disturbs the network less; the result is a float model. */
export const equalize: CommandDefinition = {
  step: "equalize",
  configure(command) {
    command
      .description(
        "Scales channels of a float model, its function unchanged, so that quantizing it loses less. --explain lists what can be scaled together, and why the rest cannot.",
      )
      .argument("<model>", "the ONNX file");
    command.optionsGroup("Options:");
    addStepOptions(command, "equalize");
    command
      .addOption(defined("keep", KEEP_FACTORS))
      .addOption(flag("--explain", "list the scale classes, their layers and reasons; write nothing"))
      .addOption(svgOption("weights by channel before and after, of the pair of layers that gained most,"));
    addQuantizeOptions(command);
    addDataOptions(command, { samples: CALIBRATION_SAMPLES });
    addFleetOptions(command);
    addOutputOptions(command);
    addModelOutputOptions(command);
  },
  async run(context: CommandContext, path: string): Promise<CommandOutcome> {
    const options = context.options<EqualizeCommandOptions>();
    const settings = quantizeOptions(options);
    const core = await import("@equant/core/lab");
    core.resolveQuantizeOptions(settings);
    if (options.explain !== true) {
      if (options.output === undefined) {
        throw new OptionsError("E2005", "equalize: no output given", {
          hint: "give -o FILE, or --explain to only look",
        });
      }
      await context.checkOutput(options.output);
      if (options.svg !== undefined) await context.checkOutput(options.svg);
    } else if (options.svg !== undefined) {
      throw new OptionsError("E2005", "equalize: --explain changes nothing, so --svg has nothing to draw", {
        hint: "leave --explain or --svg out",
      });
    }
    const { model } = await context.loadModel(path);
    const transform = await context.transformContext();
    // Before folding: what the network remembers of its preprocessing is folded away.
    const dataset = options.explain ? undefined : await openData(context, model, options);
    await context.phase(
      "fold",
      () => core.prepareModel(model, transform),
      ({ fold }) => core.describeFold(fold),
    );
    const shapes = await core.observeShapes(model, core.zeroFeeds(model), { runner: await context.runner() });
    if (!dataset) {
      const classes = core.explainClasses(model, shapes);
      return { result: classes, text: `${JSON.stringify(classes, null, 2)}\n` };
    }
    const probe = await context.phase("float model", () =>
      core.OutputProbe.of(core.cloneModel(model), dataset, transform),
    );
    const input = await context.phase("calibrate", () =>
      core.equalizationInput(model, shapes, settings, { ...transform, data: dataset }),
    );
    const before = options.svg === undefined ? undefined : core.cloneModel(model);
    const report = await context.phase(
      "equalize",
      async () =>
        core.equalize({ ...givenOptions("equalize", options), keep: options.keep, ...input })(model, transform),
      ({ classes, undone }) => `${classes.length} classes${undone.length > 0 ? `, ${undone.length} undone` : ""}`,
    );
    const error = await context.phase(
      "verify",
      () => probe.measure(model, transform),
      ({ maxDrift }) => `drift ${maxDrift.toExponential(1)}`,
    );
    for (const { producers, reason } of report.undone)
      context.warn("W7001", `undone: ${reason}`, producers[0] ?? "all classes");
    for (const { producers, reason } of report.worse)
      context.warn("W7001", `kept as told: ${reason}`, producers[0] ?? "all classes");
    await context.writeModel(options.output!, model);
    if (before) await drawChannels(context, options.svg!, report, before, model);
    const widest = [...report.layers].sort((a, b) => b.before - a.before).slice(0, 10);
    const table = context.table<(typeof widest)[number]>(
      [
        { title: "layer", cell: ({ node }) => node, align: "left" },
        { title: "spread before", cell: ({ before }) => `${before.toPrecision(3)}x` },
        { title: "after", cell: ({ after }) => `${after.toPrecision(3)}x` },
      ],
      widest,
    );
    const noise = report.noise
      ? `predicted noise ${(10 * Math.log10(report.noise.after / report.noise.before)).toFixed(1)} dB`
      : "no statistics";
    const proof = report.proof ? `, within ${(100 * report.proof.gap).toFixed(2)} % of the optimum` : "";
    return {
      result: { ...report, drift: { max: error.maxDrift, mean: error.meanDrift } },
      text: `${table}${noise}${proof} · output drift ${error.maxDrift.toExponential(1)} of its range\n`,
      hint: `equant quantize ${shellWord(options.output)} --data ${shellWord(options.data ?? "DIR")} -o quantized.onnx`,
    };
  },
};

async function drawChannels(
  context: CommandContext,
  file: string,
  report: EqualizeReport,
  before: Model,
  after: Model,
): Promise<void> {
  const { equalizationCharts } = await import("./equalize-chart.js");
  const charts = await equalizationCharts(report, before, after);
  if (charts.length > 0) await writeCharts(context, file, ...charts);
  else context.reporter.info("--svg: no layer was equalized, so there is nothing to draw");
}
