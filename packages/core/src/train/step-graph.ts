import { PreconditionError } from "../errors.js";
import {
  crossEntropy,
  differentiate,
  gradientName,
  type KnownShapes,
  klDivergenceLoss,
  meanSquare,
} from "../gradient/index.js";
import { cloneModel, GraphBuilder, int, type Model, type Tensor, type ValueInfo } from "../graph/index.js";
import { appendModel } from "./merge.js";
import { appendUpdate, DECAY_FACTOR, type Optimizer, SCALARS, stateNames } from "./optimizer.js";

/** What is minimised. */
export type Loss =
  /** Mean cross-entropy of the output's softmax with the labels. */
  | { readonly type: "cross-entropy" }
  /**
   * KL divergence from the teacher's softmax, at a temperature (default 1): needs a teacher. `labels` is the share of the loss that the
   * labels' cross-entropy has, 0–1 (default 0: they are not read).
   */
  | { readonly type: "distillation"; readonly temperature?: number; readonly labels?: number }
  /** Mean square of the difference to the teacher's output: needs a teacher. */
  | { readonly type: "mean-square" };

/** What a training step is generated from. */
export interface StepPlan {
  readonly model: Model;
  /** Data input and the output that the loss reads. */
  readonly input: string;
  readonly output: string;
  readonly loss: Loss;
  readonly teacher?: Model | undefined;
  readonly optimizer: Optimizer;
  readonly parameters: readonly string[];
  readonly masks: ReadonlyMap<string, Tensor>;
  /** Initializers that a forward pass updates, and the values that replace them. */
  readonly statistics: ReadonlyMap<string, string>;
  readonly shapes: KnownShapes;
}

/** A training step as one graph, and the names to feed and fetch. */
export interface StepGraph {
  readonly model: Model;
  /** Scalar outputs: the loss, and the number of correct predictions where there are labels. */
  readonly loss: string;
  readonly hits: string | undefined;
  /** Int32 input [N], where the loss needs labels. */
  readonly labels: string | undefined;
  /** Parameters and states: input name (also the key in checkpoints) and the output that replaces it. */
  readonly parameters: ReadonlyMap<string, string>;
  readonly states: ReadonlyMap<string, string>;
  /** Scalar inputs that the optimizer reads. */
  readonly scalars: readonly string[];
}

/** Whether a loss reads labels. */
export function readsLabels(loss: Loss): boolean {
  return loss.type === "cross-entropy" || (loss.type === "distillation" && (loss.labels ?? 0) > 0);
}

/** Name of the state `kind` of a parameter. */
function stateName(kind: string, parameter: string): string {
  return `state/${kind}/${parameter}`;
}

/**
 * One optimizer step as one ONNX graph: forward, loss, backward, update. Parameters and states are inputs and outputs,
 * so a run's outputs are the next run's inputs. Masked weights get no gradient: at 0 they stay exactly 0.
 */
export function buildStepGraph(plan: StepPlan): StepGraph {
  const forward = cloneModel(plan.model);
  const graph = forward.graph;
  for (const name of [...plan.parameters, ...plan.statistics.keys()]) {
    const tensor = graph.initializers.get(name);
    if (!tensor) throw new PreconditionError("E4005", `train: "${name}" is no initializer`, { tensor: name });
    graph.initializers.delete(name);
    graph.inputs = [...graph.inputs.filter((info) => info.name !== name), infoOf(name, tensor)];
  }
  const builder = new GraphBuilder(graph);
  const { loss, hits, labels } = appendLoss(forward, builder, plan);
  const model = differentiate(forward, {
    loss,
    wrt: plan.parameters,
    outputs: [...(hits === undefined ? [] : [hits]), ...plan.statistics.values()],
    shapes: plan.shapes,
    // A rounding without gradient would cut off all that lies before it.
    straightThrough: true,
  });
  const step = new GraphBuilder(model.graph);
  const kinds = stateNames(plan.optimizer);
  const parameters = new Map<string, string>();
  const states = new Map<string, string>();
  const decoupled = plan.optimizer.type === "adam" && plan.optimizer.decoupled === true;
  const scalars = [
    SCALARS.rate,
    ...(plan.optimizer.type === "adam" ? [SCALARS.correction] : []),
    ...(decoupled ? [DECAY_FACTOR] : []),
  ];
  for (const name of scalars) step.input(name, []);
  model.graph.outputs = [];
  step.output(loss, "float32", []);
  if (hits !== undefined) step.output(hits, "float32", []);
  for (const name of plan.parameters) {
    const dims = plan.model.graph.initializers.get(name)!.dims;
    let gradient = gradientName(name);
    const mask = plan.masks.get(name);
    if (mask)
      gradient = step.node("Mul", [gradient, step.constant(mask, `mask/${name}`)], {}, { name: `mask/${name}` });
    const inputs = kinds.map((kind) => step.input(stateName(kind, name), dims));
    const next = appendUpdate(step, plan.optimizer, name, gradient, inputs);
    parameters.set(name, next.parameter);
    step.output(next.parameter, "float32", dims);
    inputs.forEach((from, i) => {
      states.set(from, next.states[i]!);
      step.output(next.states[i]!, "float32", dims);
    });
  }
  for (const [name, next] of plan.statistics) {
    parameters.set(name, next);
    step.output(next, "float32", plan.model.graph.initializers.get(name)!.dims);
  }
  return { model, loss, hits, labels, parameters, states, scalars };
}

function infoOf(name: string, tensor: Tensor): ValueInfo {
  return { name, dtype: tensor.dtype, shape: tensor.dims };
}

function appendLoss(forward: Model, builder: GraphBuilder, plan: StepPlan) {
  const { loss } = plan;
  if (loss.type === "cross-entropy") return appendLabels(builder, plan);
  const value = appendTeacher(forward, builder, plan);
  if (!readsLabels(loss)) return { loss: value, hits: undefined, labels: undefined };
  const own = appendLabels(builder, plan);
  const share = (loss as { labels: number }).labels;
  const weighted = (part: string, factor: number) =>
    builder.node("Mul", [part, builder.constant(factor, "loss/share")], {}, { name: "loss/weighted" });
  const sum = builder.node("Add", [weighted(value, 1 - share), weighted(own.loss, share)], {}, { name: "loss/both" });
  return { ...own, loss: sum };
}

/** Cross-entropy with labels, and how many predictions are right. */
function appendLabels(builder: GraphBuilder, { output, shapes }: StepPlan) {
  const dims = shapes.get(output)?.dims ?? [];
  const classes = dims.at(-1) ?? -1;
  if (dims.length !== 2 || classes < 2) {
    throw new PreconditionError(
      "E4005",
      `train: output "${output}" has shape [${dims.join(", ")}], expected [N, classes]`,
      {
        tensor: output,
        expected: ["N", "classes"],
        actual: [...dims],
      },
    );
  }
  const labels = builder.input("train/labels", ["N"], "int32");
  const wide = builder.node("Cast", [labels], { to: int(7) }, { name: "loss/labels" });
  const value = crossEntropy(builder, output, wide, classes);
  const best = builder.node("ArgMax", [output], { axis: int(-1), keepdims: int(0) }, { name: "hits/best" });
  const right = builder.node("Equal", [best, wide], {}, { name: "hits/right" });
  const ones = builder.node("Cast", [right], { to: int(1) }, { name: "hits/ones" });
  const hits = builder.node("ReduceSum", [ones], { keepdims: int(0) }, { name: "hits" });
  return { loss: value, hits, labels };
}

/** Distance to the teacher's output; the teacher runs on the same input inside the step. */
function appendTeacher(forward: Model, builder: GraphBuilder, { teacher, loss, input, output }: StepPlan): string {
  if (!teacher) throw new PreconditionError("E4005", `train: loss '${loss.type}' needs a teacher`, {});
  const teacherInput = teacher.graph.inputs.find(({ name }) => !teacher.graph.initializers.has(name))?.name ?? "";
  const rename = appendModel(forward, teacher, "teacher/", new Map([[teacherInput, input]]));
  const target = rename(teacher.graph.outputs[0]!.name);
  if (loss.type === "mean-square") return meanSquare(builder, output, target);
  return klDivergenceLoss(builder, output, target, (loss as { temperature?: number }).temperature ?? 1);
}
