import type { Dataset } from "../data/dataset.js";
import { OptionsError, rejectUnknownOptions, requireOneOf } from "../errors.js";
import type { Model, Tensor } from "../graph/index.js";
import type { Checkpoint, EpochRow, StepValidation } from "./checkpoint.js";
import type { Optimizer } from "./optimizer.js";
import type { Parameter } from "./parameters.js";
import { checkSchedule, type Schedule } from "./schedule.js";
import type { Loss } from "./step-graph.js";

/** Options for {@link train}. */
export interface TrainOptions {
  /** Passes over the data, ≥ 1. Default: 10. */
  epochs?: number;
  /** Samples a step, ≥ 1; the last step of an epoch takes what is left. Default: 128. */
  batchSize?: number;
  /** Learning rate, > 0. Default: 0.01. */
  rate?: number;
  /** Default: SGD with momentum 0.9. */
  optimizer?: Optimizer;
  /** Default: constant. */
  schedule?: Schedule;
  /** Steps in which the rate rises linearly from 0. Default: 0. */
  warmupSteps?: number;
  /** Order of the samples: epoch e takes the permutation of stream e. Default: 0. */
  seed?: number;
  /** Default: cross-entropy with the labels. */
  loss?: Loss;
  /** Whose output the losses `distillation` and `mean-square` follow; same input, same opset. */
  teacher?: Model;
  /** Output that the loss reads. Default: the model's first. */
  output?: string;
  /** Which learnable tensors move; the rest is frozen. Default: all. `(p) => p.kind === "bias"` tunes biases only. */
  select?: (parameter: Parameter) => boolean;
  /** 1 keeps and 0 removes, by parameter, in its shape. Removed weights become and stay exactly 0. */
  masks?: ReadonlyMap<string, Tensor>;
  /**
   * Statistics that BatchNormalization uses: `running` ones, which stay as they are (fine-tuning), or those of the
   * `batch`, with the running ones following by the node's momentum (training from scratch). Default: running.
   */
  batchNorm?: "running" | "batch";
  /** Labelled data to validate on after every epoch. */
  validation?: Dataset;
  /** Besides, after every so many steps, ≥ 1. Default: only after epochs. */
  validationFrequency?: number;
  /** Samples are kept in memory after their first reading when all of them fit into this many bytes. Default: 512 MiB. */
  cacheBytes?: number;
  /** Where to go on; data and options must be those it was made with, but for `epochs`. */
  resume?: Checkpoint;
  /** Called after every epoch, for instance to write the checkpoint to a file; training waits for it. */
  onEpoch?: (row: EpochRow, checkpoint: Checkpoint) => void | Promise<void>;
  /** Called after every validation between two epochs. */
  onValidation?: (measured: StepValidation) => void;
}

const TRAIN_DEFAULTS = {
  epochs: 10,
  batchSize: 128,
  rate: 0.01,
  optimizer: { type: "sgd", momentum: 0.9 },
  schedule: { type: "constant" },
  warmupSteps: 0,
  seed: 0,
  loss: { type: "cross-entropy" },
  batchNorm: "running",
  cacheBytes: 512 * 1024 * 1024,
} as const satisfies Partial<TrainOptions>;

/** Options with their defaults filled in. */
export type TrainSettings = TrainOptions & Required<Pick<TrainOptions, keyof typeof TRAIN_DEFAULTS>>;

const OPTION_KEYS = [
  ...["epochs", "batchSize", "rate", "optimizer", "schedule", "warmupSteps", "seed", "loss", "teacher", "output"],
  ...[
    "select",
    "masks",
    "batchNorm",
    "cacheBytes",
    "validation",
    "validationFrequency",
    "resume",
    "onEpoch",
    "onValidation",
  ],
];

/** @throws {OptionsError} E2001, E2002, E2004, E2103. */
export function trainSettings(options: TrainOptions): TrainSettings {
  rejectUnknownOptions("train", options, OPTION_KEYS);
  const settings = { ...TRAIN_DEFAULTS, ...options };
  requireNumber("epochs", settings.epochs, 1, true);
  requireNumber("batchSize", settings.batchSize, 1, true);
  requireNumber("warmupSteps", settings.warmupSteps, 0, true);
  if (settings.validationFrequency !== undefined) {
    requireNumber("validationFrequency", settings.validationFrequency, 1, true);
    if (!settings.validation) {
      throw new OptionsError("E2005", "train: validationFrequency without data to validate on", {
        hint: "give labelled samples as validation",
      });
    }
  }
  requireNumber("seed", settings.seed, 0, true);
  requireNumber("cacheBytes", settings.cacheBytes, 0, false);
  if (!(settings.rate > 0 && Number.isFinite(settings.rate))) {
    throw new OptionsError("E2002", `train: invalid rate ${settings.rate}, expected a positive number`, {
      actual: settings.rate,
    });
  }
  requireOneOf("train", "optimizer", settings.optimizer.type, ["sgd", "adam"]);
  requireOneOf("train", "loss", settings.loss.type, ["cross-entropy", "distillation", "mean-square"]);
  requireOneOf("train", "batchNorm", settings.batchNorm, ["running", "batch"]);
  const { type: _type, ...numbers } = settings.optimizer;
  for (const [key, value] of Object.entries(numbers))
    if (typeof value === "number") requireNumber(key, value, 0, false);
  if (settings.loss.type === "distillation" && !((settings.loss.temperature ?? 1) > 0)) {
    throw new OptionsError(
      "E2002",
      `train: invalid temperature ${settings.loss.temperature}, expected a positive number`,
    );
  }
  if (settings.loss.type === "distillation") {
    const { labels = 0 } = settings.loss;
    if (!(labels >= 0 && labels <= 1)) {
      throw new OptionsError("E2002", `train: invalid share of labels ${labels}, expected 0-1`, { actual: labels });
    }
  }
  checkSchedule(settings.schedule);
  return settings;
}

function requireNumber(name: string, value: number, least: number, integer: boolean): void {
  if (Number.isFinite(value) && value >= least && (!integer || Number.isInteger(value))) return;
  const expected = `${integer ? "an integer" : "a number"}, ${least} or more`;
  throw new OptionsError("E2002", `train: invalid ${name} ${value}, expected ${expected}`, { actual: value, expected });
}

/** Masks as given, after checks. @throws {OptionsError} E2103 a mask without a trained parameter, E2002 of another shape. */
export function checkMasks(
  masks: ReadonlyMap<string, Tensor>,
  dimsOf: ReadonlyMap<string, readonly number[]>,
): ReadonlyMap<string, Tensor> {
  for (const [name, mask] of masks) {
    const dims = dimsOf.get(name);
    if (!dims) {
      throw new OptionsError("E2103", `train: mask for "${name}", which is not among the trained parameters`, {
        tensor: name,
        expected: [...dimsOf.keys()],
      });
    }
    if (mask.dims.join() !== dims.join() || mask.dtype !== "float32") {
      const expected = `float32 [${dims.join(", ")}]`;
      const actual = `${mask.dtype} [${mask.dims.join(", ")}]`;
      throw new OptionsError("E2002", `train: mask for "${name}" is ${actual}, expected ${expected}`, { tensor: name });
    }
  }
  return masks;
}

/** What must be equal for a checkpoint to be of this training. */
export function signatureOf(settings: TrainSettings, parameters: readonly string[], samples: number): string {
  const { batchSize, rate, optimizer, schedule, warmupSteps, seed, loss, epochs, batchNorm } = settings;
  // Half a cosine depends on its length; the other schedules do not, so trainings may be prolonged.
  const length = schedule.type === "cosine" ? { epochs } : {};
  const masked = [...(settings.masks?.keys() ?? [])];
  const all = {
    batchSize,
    rate,
    optimizer,
    schedule,
    warmupSteps,
    seed,
    loss,
    batchNorm,
    ...length,
    masked,
    parameters,
    samples,
  };
  return JSON.stringify(all);
}
