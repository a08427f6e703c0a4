import { OptionsError } from "@equant/core/errors";
import { type ChartOptions, svgOption, writeChart } from "../files/chart-file.js";
import { readText } from "../files/model-file.js";
import type { CommandDefinition, CommandOutcome } from "../frame/command.js";
import type { CommandContext } from "../frame/context.js";
import { openData } from "../options/data-options.js";
import { addFleetOptions } from "../options/fleet-options.js";
import { addDataOptions, addOutputOptions, type DataOptions, type OutputOptions } from "../options/option-groups.js";
import { completing, flag, repeatable } from "../options/options.js";
import { addQuantizeOptions, type QuantizeFlags, quantizeOptions } from "../options/quantize-flags.js";
import { shellWord } from "../text/visible.js";
import { CALIBRATION_SAMPLES, describeCalibration, requireSameModel } from "./quantize.js";

interface CalibrateCommandOptions extends QuantizeFlags, DataOptions, OutputOptions, ChartOptions {
  output: string;
  merge?: string[];
  histograms?: boolean;
}

/** `equant calibrate`: model and data → calibration.json. */
export const calibrate: CommandDefinition = {
  step: "calibrate",
  configure(command) {
    command
      .description("Runs a model over images once and writes the statistics of its values; they can be merged.")
      .argument("<model>", "the ONNX file")
      .optionsGroup("Options:")
      .addOption(flag("--histograms", "also histograms, which entropy, percentile and mse need"))
      .addOption(completing(repeatable("--merge <file>", "add these statistics; may be repeated"), "file"))
      .addOption(svgOption("how soon the ranges settled"));
    addQuantizeOptions(command);
    addDataOptions(command, { samples: CALIBRATION_SAMPLES });
    addFleetOptions(command);
    addOutputOptions(command, { file: "where calibration.json is written; - is stdout", required: true });
  },
  async run(context: CommandContext, path: string): Promise<CommandOutcome> {
    const options = context.options<CalibrateCommandOptions>();
    const settings = quantizeOptions(options);
    const core = await import("@equant/core/lab");
    await context.checkOutput(options.output);
    const { model, identity } = await context.loadModel(path);
    const transform = await context.transformContext();
    const merged: import("@equant/core").Calibration[] = [];
    for (const file of options.merge ?? []) {
      context.addInput(file);
      const part = core.Calibration.parse(await readText(file, context.io), file);
      requireSameModel(part.fields.model, identity.sha256, file, path);
      merged.push(part);
    }
    const readsData = options.data !== undefined || merged.length === 0;
    // Before folding: what the network remembers of its preprocessing is folded away.
    const dataset = readsData ? await openData(context, model, options) : undefined;
    await context.phase(
      "fold",
      () => core.prepareModel(model, transform),
      ({ fold }) => core.describeFold(fold),
    );
    let calibration: import("@equant/core").Calibration | undefined;
    if (dataset) {
      const requests = core.quantizationRequests(model, settings).map((request) => ({
        ...request,
        moments: true,
        exactMinimum: true,
        histogram: request.histogram || options.histograms === true,
      }));
      const collect = () =>
        core.calibrate(
          model,
          { requests, ...(options.batch !== undefined && { batchSize: options.batch }) },
          { ...transform, data: dataset },
        );
      calibration = (await context.phase("calibrate", collect, describeCalibration)).forModel(identity.sha256);
    }
    const all = [...(calibration ? [calibration] : []), ...merged].reduce((sum, part) => sum.merge(part));
    const rows = core.statisticsTable(model, all);
    await context.writeOutput(options.output, all.serialize());
    const text = context.table(
      [
        { title: "Optimized Layer Name", cell: (row) => row.optimizedLayerName, align: "left" },
        { title: "Network Layer Name", cell: (row) => row.networkLayerName, align: "left" },
        { title: "Learnables / Activations", cell: (row) => row.kind, align: "left" },
        { title: "MinValue", cell: (row) => row.min.toPrecision(5) },
        { title: "MaxValue", cell: (row) => row.max.toPrecision(5) },
      ],
      rows,
    );
    if (options.svg !== undefined) {
      const convergence = all.rangeConvergence();
      if (!convergence) {
        throw new OptionsError(
          "E2005",
          "calibrate: --svg shows how ranges settle, which merged statistics do not tell",
          {
            hint: "leave --merge or --svg out",
          },
        );
      }
      await writeChart(context, options.svg, "range-convergence", convergence);
    }
    return {
      result: {
        output: options.output,
        samples: all.samples,
        complete: all.complete,
        random: all.random,
        convergence: all.rangeConvergence(),
        statistics: rows,
      },
      text,
      hint: `equant quantize ${shellWord(path)} --calibration ${shellWord(options.output)} --data ${shellWord(options.data ?? "DIR")} -o quantized.onnx`,
    };
  },
};
