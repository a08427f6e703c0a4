import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import type { Checkpoint, Dataset, EpochRow, Model, Optimizer, Schedule } from "@equant/core";
import { DataError, OptionsError } from "@equant/core/errors";
import type { CommandDefinition, CommandOutcome } from "../command.js";
import type { CommandContext } from "../context.js";
import { openData } from "../data-options.js";
import { formatBytes, formatPercent } from "../format.js";
import {
  addDataOptions,
  addModelOutputOptions,
  addOutputOptions,
  type DataOptions,
  type OutputOptions,
} from "../option-groups.js";
import { choice, completing, flag, integer, number, share, text } from "../options.js";

const OPTIMIZERS = ["sgd", "adam"] as const;
const SCHEDULES = ["constant", "step", "cosine"] as const;

interface TrainCommandOptions extends DataOptions, OutputOptions {
  output: string;
  epochs: number;
  batchSize: number;
  rate: number;
  optimizer: (typeof OPTIMIZERS)[number];
  momentum: number;
  weightDecay: number;
  schedule: (typeof SCHEDULES)[number];
  stepEpochs: number;
  stepFactor: number;
  warmup: number;
  split: number;
  checkpoint?: string;
  resume?: boolean;
}

/** `equant train`: the digit network of seed 004 from scratch, or any classifier further, by graphs that ONNX Runtime runs. */
export const train: CommandDefinition = {
  configure(command) {
    command
      .description(
        "Trains the digit network from scratch, or a model of yours further, and measures it on held-out data.",
      )
      .argument("<network>", "digits: a new digit network; or the ONNX file of a classifier")
      .optionsGroup("Options:")
      .addOption(integer("--epochs <n>", "passes over the training data", { min: 1 }, 10))
      .addOption(integer("--batch-size <n>", "samples a step", { min: 1 }, 128))
      .addOption(number("--rate <number>", "learning rate", { min: 0 }, 0.01))
      .addOption(choice("--optimizer <name>", "how gradients become steps", OPTIMIZERS, "sgd"))
      .addOption(number("--momentum <number>", "of sgd", { min: 0, max: 1 }, 0.9))
      .addOption(number("--weight-decay <number>", "pull of the weights to zero", { min: 0 }, 0))
      .addOption(choice("--schedule <name>", "how the rate changes", SCHEDULES, "constant"))
      .addOption(integer("--step-epochs <n>", "schedule step: epochs between changes", { min: 1 }, 5))
      .addOption(number("--step-factor <number>", "schedule step: factor of a change", { min: 0, max: 1 }, 0.1))
      .addOption(integer("--warmup <n>", "steps in which the rate rises linearly", { min: 0 }, 0))
      .addOption(share("--split <share>", "share of every class to train on, the rest is held out (default: 75%)"))
      .addOption(completing(text("--checkpoint <file>", "written after every epoch"), "file"))
      .addOption(flag("--resume", "go on from the file of --checkpoint"));
    addDataOptions(command);
    addOutputOptions(command, { file: "where the model is written; - is stdout", required: true });
    addModelOutputOptions(command);
  },
  async run(context: CommandContext, network: string): Promise<CommandOutcome> {
    const options = context.options<TrainCommandOptions>();
    if (options.resume && options.checkpoint === undefined) {
      throw new OptionsError("E2005", "train: --resume needs the file to go on from", {
        hint: "add --checkpoint FILE",
      });
    }
    await context.checkOutput(options.output);
    const core = await import("@equant/core");
    const transform = await context.transformContext();
    const model = network === "digits" ? core.buildDigitNetwork(options.seed) : await floatModel(context, network);
    const [learning, heldOut] = await trainingData(context, network, model);
    const resume = await resumePoint(context);
    const { model: trained, epochs } = await context.phase(
      "train",
      () =>
        core.train(
          model,
          learning,
          {
            epochs: options.epochs,
            batchSize: options.batchSize,
            rate: options.rate,
            optimizer: optimizerOf(options),
            schedule: scheduleOf(options),
            warmupSteps: options.warmup,
            seed: options.seed,
            validation: heldOut,
            ...(resume && { resume }),
            onEpoch: async (row, checkpoint) => {
              context.reporter.info(epochLine(row));
              if (options.checkpoint !== undefined) await writeCheckpoint(context, options.checkpoint, checkpoint);
            },
          },
          transform,
        ),
      (result) => `${result.epochs.length} epochs, ${learning.length} samples`,
    );
    const top1 = epochs.at(-1)!.validationTop1!;
    const bytes = await context.writeModel(options.output, trained);
    const parameters = core.learnableParameters(trained.graph).map(({ name }) => trained.graph.initializers.get(name)!);
    const count = parameters.reduce((sum, { size }) => sum + size, 0);
    return {
      result: {
        output: options.output,
        bytes,
        top1,
        parameters: count,
        samples: { train: learning.length, heldOut: heldOut.length },
        epochs,
      },
      text:
        context.table<EpochRow>(
          [
            { title: "epoch", cell: ({ epoch }) => epoch },
            { title: "rate", cell: ({ rate }) => Number(rate.toPrecision(4)) },
            { title: "loss", cell: ({ loss }) => loss.toFixed(4) },
            { title: "top-1", cell: ({ top1: share }) => (share === undefined ? "" : formatPercent(share)) },
            { title: "held out", cell: ({ validationTop1 = 0 }) => formatPercent(validationTop1) },
          ],
          epochs,
        ) +
        `${network} → ${options.output} (${count} parameters, ${formatBytes(bytes)}): ` +
        `top-1 ${formatPercent(top1)} on ${heldOut.length} held-out samples\n`,
      hint: `equant compress ${options.output} --data ${options.data ?? "DIR"} -o ${options.output.replace(/\.onnx$/, "")}.int8.onnx`,
    };
  },
};

/** A network to train on, in an opset that there are gradients for. */
async function floatModel(context: CommandContext, path: string): Promise<Model> {
  const { assertValid, upgradeOpset } = await import("@equant/core");
  const { model } = await context.loadModel(path);
  assertValid(model);
  await upgradeOpset()(model, await context.transformContext());
  return model;
}

/** Samples to learn from and to hold out: the embedded digits with their own split, or the data given, split by class. */
async function trainingData(context: CommandContext, network: string, model: Model): Promise<[Dataset, Dataset]> {
  const options = context.options<TrainCommandOptions>();
  const { digitDataset, DIGIT_SPLIT, splitByClass, spread } = await import("@equant/core");
  if (network === "digits" && options.data === undefined) {
    if (options.split === undefined && options.samples === undefined) {
      return [digitDataset(DIGIT_SPLIT.train), digitDataset(DIGIT_SPLIT.heldOut)];
    }
    const all = digitDataset({ seed: 0, count: DIGIT_SPLIT.train.count + DIGIT_SPLIT.heldOut.count });
    const used = options.samples === undefined ? all : spread(all, options.samples);
    return splitByClass(used, options.split ?? 0.75, options.seed);
  }
  // The digit network was made for values 0 to 1 (seed 004: rescale-zero-one); other scalings must be typed.
  const scaled = options.preset ?? options.mean ?? options.std;
  const given = network === "digits" && scaled === undefined ? { ...options, preset: "zero-one" } : options;
  const dataset = await openData(context, model, given);
  if (!dataset.label) {
    throw new DataError("E5004", "train: the data has no labels", {
      hint: "sort the images into one folder a class, or give a table: --labels labels.csv",
    });
  }
  return splitByClass(dataset, options.split ?? 0.75, options.seed);
}

function optimizerOf({ optimizer, momentum, weightDecay }: TrainCommandOptions): Optimizer {
  return optimizer === "adam" ? { type: "adam", weightDecay } : { type: "sgd", momentum, weightDecay };
}

function scheduleOf({ schedule, stepEpochs, stepFactor }: TrainCommandOptions): Schedule {
  return schedule === "step" ? { type: "step", epochs: stepEpochs, factor: stepFactor } : { type: schedule };
}

function epochLine({ epoch, loss, validationTop1 = 0 }: EpochRow): string {
  return `epoch ${epoch}  loss ${loss.toFixed(4)}  held out ${formatPercent(validationTop1)}`;
}

/** The checkpoint to go on from. One that exists already is never written over unasked. */
async function resumePoint(context: CommandContext): Promise<Checkpoint | undefined> {
  const { checkpoint, resume, overwrite = false } = context.options<TrainCommandOptions>();
  if (checkpoint === undefined) return undefined;
  if (!resume) {
    const { checkOutput } = await import("../output-file.js");
    await checkOutput(checkpoint, { overwrite, inputs: [], cwd: context.io.cwd });
    return undefined;
  }
  const { parseCheckpoint } = await import("@equant/core");
  let bytes: Uint8Array;
  try {
    bytes = await readFile(resolve(context.io.cwd, checkpoint));
  } catch (error) {
    throw new DataError(
      "E5002",
      `train: no checkpoint at ${checkpoint}`,
      { file: checkpoint, hint: "start without --resume first" },
      error,
    );
  }
  return parseCheckpoint(bytes);
}

/** Complete or not at all: a run killed while writing keeps the checkpoint of the epoch before. */
async function writeCheckpoint(context: CommandContext, path: string, checkpoint: Checkpoint): Promise<void> {
  if (context.options().dryRun) return;
  const { serializeCheckpoint } = await import("@equant/core");
  const { writeOutput } = await import("../output-file.js");
  await writeOutput(path, serializeCheckpoint(checkpoint), { overwrite: true, inputs: [], cwd: context.io.cwd });
}
