import { DataError, OptionsError } from "@equant/core/errors";
import type { Checkpoint, EpochRow, Loss, Optimizer, Schedule } from "@equant/core/lab";
import { type ChartOptions, svgOption, writeChart } from "../files/chart-file.js";
import { readInput } from "../files/model-file.js";
import type { CommandDefinition, CommandOutcome } from "../frame/command.js";
import type { CommandContext } from "../frame/context.js";
import {
  addDataOptions,
  addModelOutputOptions,
  addOutputOptions,
  type OutputOptions,
} from "../options/option-groups.js";
import { choice, completing, flag, integer, number, share, text } from "../options/options.js";
import { formatBytes, formatPercent } from "../text/format.js";
import { shellWord } from "../text/visible.js";
import { floatModel, type TrainDataOptions, teacherModel, trainingData } from "./train-data.js";

const OPTIMIZERS = ["sgd", "adam"] as const;
const SCHEDULES = ["constant", "step", "cosine"] as const;

interface TrainCommandOptions extends TrainDataOptions, OutputOptions, ChartOptions {
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
  temperature: number;
  batchNorm: "running" | "batch";
  validationFrequency?: number;
  checkpoint?: string;
  resume?: boolean;
}

/** `equant train`: the digit network of MathWorks' pruning page from scratch, or any classifier further, by graphs that ONNX Runtime runs. */
export const train: CommandDefinition = {
  configure(command) {
    command
      .description(
        "Trains the digit network from scratch, or a model of yours further, by labels or by the outputs of a teacher, and measures it on held-out data.",
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
      .addOption(
        choice(
          "--batch-norm <what>",
          "statistics while training: running for few steps",
          ["running", "batch"],
          "running",
        ),
      )
      .addOption(completing(text("--held-out <path>", "measure on this data, and learn from all of --data"), "file"))
      .addOption(
        integer("--validation-frequency <n>", "steps between measures of the held-out data (default: an epoch)", {
          min: 1,
        }),
      )
      .addOption(completing(text("--checkpoint <file>", "written after every epoch"), "file"))
      .addOption(flag("--resume", "go on from the file of --checkpoint"))
      .addOption(svgOption("accuracy and loss by epoch"));
    command
      .optionsGroup("Teacher options:")
      .addOption(
        completing(text("--teacher <file>", "float model whose outputs to learn; labels are then not needed"), "file"),
      )
      .addOption(number("--temperature <number>", "softens the outputs that are compared", { min: 0.1 }, 2))
      .addOption(share("--label-weight <share>", "part of the loss that labels have beside the teacher (default: 0)"));
    addDataOptions(command, { split: "share of every class to train on, the rest is held out (default: 75%)" });
    addOutputOptions(command, { file: "where the model is written; - is stdout", required: true });
    addModelOutputOptions(command);
  },
  async run(context: CommandContext, network: string): Promise<CommandOutcome> {
    const options = context.options<TrainCommandOptions>();
    requireTeacher(context);
    if (options.resume && options.checkpoint === undefined) {
      throw new OptionsError("E2005", "train: --resume needs the file to go on from", {
        hint: "add --checkpoint FILE",
      });
    }
    await context.checkOutput(options.output);
    if (options.svg !== undefined) await context.checkOutput(options.svg);
    const core = await import("@equant/core/lab");
    const transform = await context.transformContext();
    const model = network === "digits" ? core.buildDigitNetwork(options.seed) : await floatModel(context, network);
    const teacher = options.teacher === undefined ? undefined : await teacherModel(context, options.teacher, model);
    const { learning, heldOut, measures } = await trainingData(context, network, model, teacher);
    const resume = await resumePoint(context);
    const { model: trained, epochs } = await context.phase(
      "train",
      () =>
        core.train(
          model,
          {
            epochs: options.epochs,
            batchSize: options.batchSize,
            rate: options.rate,
            optimizer: optimizerOf(options),
            schedule: scheduleOf(options),
            warmupSteps: options.warmup,
            seed: options.seed,
            batchNorm: options.batchNorm,
            validation: heldOut,
            ...(options.validationFrequency !== undefined && { validationFrequency: options.validationFrequency }),
            ...(teacher && { teacher, loss: lossOf(options) }),
            ...(resume && { resume }),
            onValidation: ({ step, top1 }) => context.reporter.info(`step ${step}  held out ${formatPercent(top1)}`),
            onEpoch: async (row, checkpoint) => {
              context.reporter.info(epochLine(row));
              if (options.checkpoint !== undefined) await writeCheckpoint(context, options.checkpoint, checkpoint);
            },
          },
          { ...transform, data: learning },
        ),
      (result) => `${result.epochs.length} epochs, ${learning.length} samples`,
    );
    const top1 = epochs.at(-1)!.validationTop1!;
    const bytes = await context.writeModel(options.output, trained);
    if (options.svg !== undefined) await writeChart(context, options.svg, "training-curve", epochs, { measures });
    const parameters = core.learnableParameters(trained.graph).map(({ name }) => trained.graph.initializers.get(name)!);
    const count = parameters.reduce((sum, { size }) => sum + size, 0);
    return {
      result: {
        output: options.output,
        bytes,
        ...(measures === "top-1" ? { top1 } : { agreement: top1 }),
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
            {
              title: measures === "top-1" ? "held out" : "agreement",
              cell: ({ validationTop1 = 0 }) => formatPercent(validationTop1),
            },
          ],
          epochs,
        ) +
        `${network} → ${options.output} (${count} parameters, ${formatBytes(bytes)}): ` +
        `${measures === "top-1" ? "top-1" : "same answer as the teacher"} ${formatPercent(top1)} on ${heldOut.length} held-out samples\n`,
      hint: `equant compress ${shellWord(options.output)} --data ${shellWord(options.data ?? "DIR")} -o ${shellWord(`${options.output.replace(/\.onnx$/, "")}.int8.onnx`)}`,
    };
  },
};

/** @throws {OptionsError} E2005 options of a teacher without one: they would do nothing. */
function requireTeacher(context: CommandContext): void {
  if (context.options<TrainCommandOptions>().teacher !== undefined) return;
  const given = ["temperature", "labelWeight"].find((name) => context.settings.get(name)?.from === "flag");
  if (given === undefined) return;
  const flag = given === "temperature" ? "--temperature" : "--label-weight";
  throw new OptionsError("E2005", `train: ${flag} needs a teacher`, { hint: "add --teacher FLOAT.onnx" });
}

function lossOf({ temperature, labelWeight = 0 }: TrainCommandOptions): Loss {
  return { type: "distillation", temperature, ...(labelWeight > 0 && { labels: labelWeight }) };
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
    const { checkOutput } = await import("../files/output-file.js");
    await checkOutput(checkpoint, { overwrite, inputs: [], cwd: context.io.cwd });
    return undefined;
  }
  const { parseCheckpoint } = await import("@equant/core/lab");
  let bytes: Uint8Array;
  try {
    bytes = await readInput(checkpoint, context.io);
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
  const { serializeCheckpoint } = await import("@equant/core/lab");
  const { writeOutput } = await import("../files/output-file.js");
  await writeOutput(path, serializeCheckpoint(checkpoint), { overwrite: true, inputs: [], cwd: context.io.cwd });
}
