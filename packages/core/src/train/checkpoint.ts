import { DataError } from "../errors.js";
import { createModel, parseModel, serializeModel, Tensor } from "../graph/index.js";

/** Everything to go on from: the state between two epochs. Resuming gives the same bits as not having stopped. */
export interface Checkpoint {
  /** Epochs finished. */
  readonly epoch: number;
  /** Settings that must be the same to resume, as canonical JSON. */
  readonly settings: string;
  readonly parameters: ReadonlyMap<string, Tensor>;
  readonly states: ReadonlyMap<string, Tensor>;
  /** The finished epochs' figures. */
  readonly history: readonly EpochRow[];
}

/** Figures of one epoch; no times, so that equal runs have equal rows. */
export interface EpochRow {
  /** From 1. */
  readonly epoch: number;
  /** Learning rate of the epoch's last step. */
  readonly rate: number;
  /** Mean loss over the epoch's samples, each at the time of its step. */
  readonly loss: number;
  /** Share of correct predictions during the epoch, where there are labels. */
  readonly top1?: number;
  /** Share of correct predictions on the validation data after the epoch. */
  readonly validationTop1?: number;
  /** The same between steps of the epoch, as often as was asked for. */
  readonly validations?: readonly StepValidation[];
}

/** Share of correct predictions on the validation data after a step. */
export interface StepValidation {
  /** Steps taken in the whole training, from 1. */
  readonly step: number;
  /** When that was, in epochs: 1.5 is the middle of the second. */
  readonly epoch: number;
  readonly top1: number;
}

const KEY = "equant.checkpoint";

/**
 * A checkpoint as bytes: an ONNX file without nodes, parameters and states as its tensors, the rest as metadata,
 * so that any ONNX viewer opens it.
 */
export function serializeCheckpoint(checkpoint: Checkpoint): Uint8Array {
  const model = createModel("checkpoint");
  for (const [name, tensor] of checkpoint.parameters) model.graph.initializers.set(`parameter/${name}`, tensor);
  for (const [name, tensor] of checkpoint.states) model.graph.initializers.set(`state/${name}`, tensor);
  const { epoch, settings, history } = checkpoint;
  model.metadata.set(KEY, JSON.stringify({ version: 1, epoch, settings, history }));
  return serializeModel(model);
}

/** @throws {DataError} E5002 the bytes are no checkpoint of equant. */
export function parseCheckpoint(bytes: Uint8Array): Checkpoint {
  const hint = "give the file that --checkpoint wrote, or start anew without --resume";
  const fail = (why: string, cause?: unknown) =>
    new DataError("E5002", `checkpoint: not a checkpoint of equant (${why})`, { hint }, cause);
  let model: ReturnType<typeof parseModel>;
  let meta: { version: number; epoch: number; settings: string; history: EpochRow[] };
  try {
    model = parseModel(bytes);
    meta = JSON.parse(model.metadata.get(KEY) ?? "null");
  } catch (error) {
    throw fail(error instanceof Error ? error.message : String(error), error);
  }
  if (meta?.version !== 1) throw fail("no header of version 1");
  const parameters = new Map<string, Tensor>();
  const states = new Map<string, Tensor>();
  for (const [name, tensor] of model.graph.initializers) {
    // A copy: the file's buffer need not live as long as the training.
    const own = new Tensor(tensor.dtype, tensor.dims, tensor.bytes().slice());
    if (name.startsWith("parameter/")) parameters.set(name.slice("parameter/".length), own);
    else if (name.startsWith("state/")) states.set(name.slice("state/".length), own);
  }
  return { epoch: meta.epoch, settings: meta.settings, parameters, states, history: meta.history };
}
