import { PreconditionError } from "../errors.js";
import { cloneModel, type Model, Tensor } from "../graph/index.js";
import type { HostTensor } from "../runtime/index.js";
import type { Checkpoint, EpochRow } from "./checkpoint.js";
import { DECAY_FACTOR, type Optimizer, SCALARS, scalarsOf } from "./optimizer.js";
import type { StepGraph } from "./step-graph.js";

/** Tensors by the input they are fed to: data, parameters, states, scalars. */
export type Feeds = Record<string, HostTensor>;

/** The numbers that change at every step. */
export function scalarFeeds(step: StepGraph, optimizer: Optimizer, rate: number, index: number): Feeds {
  const { rate: scaled, correction } = scalarsOf(optimizer, rate, index);
  const values: Record<string, number> = {
    [SCALARS.rate]: scaled,
    [SCALARS.correction]: correction,
    [DECAY_FACTOR]: 1 - rate * (optimizer.weightDecay ?? 0),
  };
  return Object.fromEntries(
    step.scalars.map((name) => [name, { dtype: "float32", dims: [], data: Float32Array.of(values[name]!) }]),
  );
}

/** First feeds of a training: the model's weights, masked, and states of zeros. */
export function fresh(model: Model, step: StepGraph, masks: ReadonlyMap<string, Tensor>): Feeds {
  const feeds: Feeds = {};
  for (const name of step.parameters.keys()) {
    const { dims } = model.graph.initializers.get(name)!;
    const data = (model.graph.initializers.get(name)!.array() as Float32Array).slice();
    const mask = masks.get(name)?.array();
    // An assignment, not a product: −0 and 0·Infinity have no place among weights that «are 0».
    if (mask) for (let i = 0; i < data.length; i++) if (Number(mask[i]) === 0) data[i] = 0;
    feeds[name] = { dtype: "float32", dims, data };
  }
  for (const info of step.model.graph.inputs) {
    if (!step.states.has(info.name)) continue;
    const dims = info.shape as readonly number[];
    const size = dims.reduce((product, dim) => product * dim, 1);
    feeds[info.name] = { dtype: "float32", dims, data: new Float32Array(size) };
  }
  return feeds;
}

/** Feeds to go on with. @throws {PreconditionError} E4005 the checkpoint is of another training. */
export function resumed(checkpoint: Checkpoint, signature: string, step: StepGraph): Feeds {
  if (checkpoint.settings !== signature) {
    throw new PreconditionError("E4005", "train: the checkpoint belongs to another training", {
      expected: JSON.parse(signature),
      actual: JSON.parse(checkpoint.settings),
      hint: "resume with the same data, seed and options, or start anew",
    });
  }
  const feeds: Feeds = {};
  for (const name of step.parameters.keys()) feeds[name] = hostTensor(checkpoint.parameters.get(name)!);
  for (const name of step.states.keys()) feeds[name] = hostTensor(checkpoint.states.get(name)!);
  return feeds;
}

const hostTensor = (tensor: Tensor): HostTensor => ({ dtype: tensor.dtype, dims: tensor.dims, data: tensor.array() });

/** What a run's feeds hold, as a checkpoint. */
export function snapshot(feeds: Feeds, step: StepGraph, epoch: number, settings: string, history: readonly EpochRow[]) {
  const tensors = (names: Iterable<string>) =>
    new Map(Array.from(names, (name) => [name, Tensor.of("float32", feeds[name]!.dims, feeds[name]!.data)]));
  const parameters = tensors(step.parameters.keys());
  const states = tensors(step.states.keys());
  return { epoch, settings, parameters, states, history: [...history] } satisfies Checkpoint;
}

/** The model with other weights. */
export function withParameters(model: Model, parameters: ReadonlyMap<string, Tensor>): Model {
  const copy = cloneModel(model);
  for (const [name, tensor] of parameters) copy.graph.initializers.set(name, tensor);
  return copy;
}
