import { join } from "node:path";
import { OptionsError } from "@equant/core/errors";
import type { Dataset, FineTuneOptions, Model, PruneOptions, PruneResult } from "@equant/core/lab";
import { type ChartOptions, svgOption, writeChart } from "../files/chart-file.js";
import type { CommandDefinition, CommandOutcome } from "../frame/command.js";
import type { CommandContext } from "../frame/context.js";
import { openData } from "../options/data-options.js";
import { addFleetOptions } from "../options/fleet-options.js";
import { addDataOptions, addOutputOptions, type DataOptions, type OutputOptions } from "../options/option-groups.js";
import { choice, completing, flag, integer, text } from "../options/options.js";
import { addStepOptions, givenOptions, type StepFlags } from "../options/step-flags.js";
import { formatPercent } from "../text/format.js";
import { iterationTable, layerTable, outcomeLine } from "../text/prune-text.js";
import { shellWord } from "../text/visible.js";

/** With BatchNormalization in place, training bears this rate. */
const RATE = 0.01;

export interface PruneCommandOptions extends StepFlags<"prune">, DataOptions, OutputOptions, ChartOptions {
  output: string;
  channelMultiple: number;
  parameters: "all" | "weights";
  scoreSamples: number;
  batchSize: number;
  fineTuneLoss: "labels" | "distillation";
  batchNorm: "running" | "batch";
  split: number;
  onCollapse: "note" | "error";
  shrink: boolean;
  masks?: string;
  iteration?: number;
  each?: string;
}

/** `equant prune`: MathWorks' iterative pruning, of weights or of channels. */
export const prune: CommandDefinition = {
  step: "prune",
  configure(command) {
    command
      .description(
        "Removes what a network needs least, step by step: single weights (zeros, with masks beside them), N of every M, or whole channels, which leave the graph.",
      )
      .argument("<model>", "the ONNX file");
    command.optionsGroup("Options:");
    addStepOptions(command, "prune", { defaults: { rate: RATE } });
    command
      .addOption(
        integer("--channel-multiple <n>", "channels leave in blocks of this many, as kernels work", { min: 1 }, 8),
      )
      .addOption(choice("--parameters <which>", "whether biases compete", ["all", "weights"], "all"))
      .addOption(choice("--on-collapse <what>", "a layer without weights", ["note", "error"], "note"))
      .addOption(flag("--no-shrink", "leave removed channels in the graph, as zeros"))
      .addOption(completing(text("--masks <file>", "write masks and the values they hide"), "file"))
      .addOption(integer("--iteration <n>", "write the network of this iteration (default: the last)", { min: 1 }))
      .addOption(completing(text("--each <folder>", "write the networks of all iterations there, too"), "file"))
      .addOption(svgOption("accuracy against sparsity, without labels sparsity by layer,"))
      .optionsGroup("Fine-tuning options:")
      .addOption(integer("--batch-size <n>", "samples a training step", { min: 1 }, 128))
      .addOption(
        choice(
          "--fine-tune-loss <what>",
          "learn labels or the original's outputs",
          ["labels", "distillation"],
          "labels",
        ),
      )
      .addOption(choice("--batch-norm <what>", "statistics while training", ["running", "batch"], "running"))
      .addOption(integer("--score-samples <n>", "samples that Taylor scores read", { min: 1 }, 512));
    addDataOptions(command, { split: "share to score and train on, the rest measures (default: 75%)" });
    addFleetOptions(command);
    addOutputOptions(command, { file: "where the model is written; - is stdout", required: true });
  },
  async run(context: CommandContext, path: string): Promise<CommandOutcome> {
    const options = context.options<PruneCommandOptions>();
    const core = await import("@equant/core/lab");
    await context.checkOutput(options.output);
    if (options.masks !== undefined) await checkMasks(context, options.masks);
    if (options.each !== undefined) await context.checkOutput(eachFile(options.each, 1));
    await context.lockFolder(options.each);
    const { model } = await context.loadModel(path);
    const transform = await context.transformContext();
    const { learning, measuring } = await pruningData(context, model);
    await context.phase(
      "prepare",
      () => core.preparePrune(model, transform),
      (report) => core.describeFold(report),
    );
    const { targets } = core.pruneSettings(pruneOptions(options), learning);
    core.requireIteration(options.iteration ?? 1, targets.length);
    const evaluate = measuring && ((pruned: Model) => core.measureTop1(pruned, {}, { ...transform, data: measuring }));
    const baseline = evaluate && (await context.phase("original", () => evaluate(model), formatPercent));
    const whole = await context.phase(
      "prune",
      () =>
        core.prune(
          model,
          { ...pruneOptions(options), ...(evaluate && { evaluate }) },
          { ...transform, ...(learning && { data: learning }) },
        ),
      ({ iterations }) => `${iterations.length} steps`,
    );
    const result = options.iteration === undefined ? whole : whole.select(options.iteration);
    warnOfCollapse(context, result);
    const shrunk = await shrinkModel(context, result);
    const after = shrunk?.model ?? result.model;
    const verified = await context.phase("verify", () => runOnce(context, after));
    const bytes = await context.writeModel(options.output, after);
    for (const { iteration } of options.each === undefined ? [] : whole.iterations) {
      const own = whole.select(iteration);
      await context.writeModel(
        eachFile(options.each!, iteration),
        (await shrinkModel(context, own))?.model ?? own.model,
      );
    }
    if (options.masks !== undefined) {
      const { writeOutput } = await import("../files/output-file.js");
      const file = { overwrite: options.overwrite ?? false, inputs: [path], cwd: context.io.cwd };
      if (!context.options().dryRun) await writeOutput(options.masks, core.serializeMasks(result), file);
    }
    const { iterations, skipped } = whole;
    const last = result.iterations.at(-1)!;
    if (options.svg !== undefined) {
      const { prunedStructure, pruningCurve } = await import("@equant/report");
      if (baseline === undefined) {
        await writeChart(context, options.svg, "layer-sparsity", { layers: prunedStructure(last) });
      } else {
        const curves = [pruningCurve(options.method!, iterations, measuring!.length)];
        await writeChart(context, options.svg, "accuracy-sparsity", { original: baseline, curves });
      }
    }
    return {
      result: {
        output: options.output,
        bytes,
        method: options.method,
        top1: { original: baseline ?? null, pruned: last.accuracy },
        sparsity: last.sparsity,
        macsSaved: last.macsSaved,
        iteration: last.iteration,
        collapsed: last.collapsed,
        iterations,
        skipped,
        verified,
        shrunk: shrunk ? { layers: shrunk.layers, skipped: shrunk.skipped } : null,
      },
      text:
        iterationTable(context, iterations) +
        layerTable(context, last.layers) +
        outcomeLine(path, options.output, bytes, last, baseline),
      hint: `equant compress ${shellWord(options.output)} --data ${shellWord(options.data ?? "DIR")} -o ${shellWord(`${options.output.replace(/\.onnx$/, "")}.int8.onnx`)}`,
    };
  },
};

export function pruneOptions(options: PruneCommandOptions): PruneOptions {
  const { fineTuneEpochs, rate: _rate, ...given } = givenOptions("prune", options);
  return {
    ...given,
    channelMultiple: given.granularity === "channels" ? options.channelMultiple : 1,
    parameters: options.parameters,
    onCollapse: options.onCollapse,
    scoreSamples: options.scoreSamples,
    ...(fineTuneEpochs !== undefined && { fineTune: fineTuneOptions(options, fineTuneEpochs as number) }),
  };
}

function fineTuneOptions(options: PruneCommandOptions, epochs: number): FineTuneOptions {
  const { rate = RATE, batchSize, batchNorm, fineTuneLoss } = options;
  const loss = fineTuneLoss === "distillation" ? { loss: { type: "distillation" as const, temperature: 2 } } : {};
  return { epochs, rate, batchSize, batchNorm, ...loss };
}

/** What to score and train on, and what to measure on; all of it measures when nothing is learned from it. */
async function pruningData(
  context: CommandContext,
  model: Model,
): Promise<{ learning?: Dataset; measuring?: Dataset }> {
  const options = context.options<PruneCommandOptions>();
  const learns = options.method === "taylor" || options.fineTuneEpochs !== undefined;
  if (options.data === undefined) {
    if (!learns) return {};
    const what = options.method === "taylor" ? "method taylor" : "--fine-tune-epochs";
    throw new OptionsError("E2005", `prune: ${what} needs data`, {
      hint: "give images with --data DIR, or choose magnitude or synflow without fine-tuning",
    });
  }
  const { cachedDataset, splitByClass } = await import("@equant/core/lab");
  const dataset = await openData(context, model, options, { part: "all" });
  const keep = (data: Dataset) => cachedDataset(data, 512 * 1024 * 1024);
  if (!learns) return dataset.label ? { measuring: keep(dataset) } : {};
  if (!dataset.label) return { learning: keep(dataset) };
  const [learning, measuring] = splitByClass(dataset, options.split ?? 0.75, context.options().seed);
  return { learning: keep(learning), measuring: keep(measuring) };
}

/** Where the network of an iteration goes, from 1. */
function eachFile(folder: string, iteration: number): string {
  return join(folder, `iteration-${iteration}.onnx`);
}

/** The network without the channels that are gone; undefined where none is, or they shall stay. */
async function shrinkModel(context: CommandContext, { model, channels }: PruneResult) {
  if (!context.options<PruneCommandOptions>().shrink || channels.size === 0) return undefined;
  const core = await import("@equant/core/lab");
  const copy = core.cloneModel(model);
  const transform = await context.transformContext();
  const report = await context.phase(
    "shrink",
    async () => {
      const shapes = await core.observeShapes(copy, core.zeroFeeds(copy), { runner: await context.runner() });
      return core.shrink({ remove: channels, shapes })(copy, transform);
    },
    ({ layers }) => `${layers.reduce((sum, { removed }) => sum + removed.length, 0)} channels left the graph`,
  );
  return { model: copy, layers: report.layers, skipped: report.skipped };
}

/** A file is said to be done after it ran: the outputs on zeros, which must be finite. */
async function runOnce(context: CommandContext, model: Model): Promise<boolean> {
  const { zeroFeeds } = await import("@equant/core");
  const { RunError } = await import("@equant/core/errors");
  const outputs = await (await context.runner()).using(model, (session) => session.run(zeroFeeds(model)), {
    purpose: "verify",
  });
  for (const [name, { data }] of Object.entries(outputs)) {
    if (Array.from(data as Float32Array).every((value) => Number.isFinite(Number(value)))) continue;
    throw new RunError("E7001", `prune: output "${name}" of the result is not finite`, { tensor: name });
  }
  return true;
}

function warnOfCollapse(context: CommandContext, { iterations }: PruneResult): void {
  const seen = new Set<string>();
  for (const { collapsed, sparsity } of iterations) {
    for (const layer of collapsed) {
      if (!seen.has(layer)) context.warn("W7002", `lost its last weight at sparsity ${formatPercent(sparsity)}`, layer);
      seen.add(layer);
    }
  }
}

async function checkMasks(context: CommandContext, path: string): Promise<void> {
  const { checkOutput } = await import("../files/output-file.js");
  const { overwrite = false } = context.options<OutputOptions>();
  await checkOutput(path, { overwrite, inputs: [], cwd: context.io.cwd });
}
