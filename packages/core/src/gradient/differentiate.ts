import { ModelError, OptionsError, PreconditionError, rejectUnknownOptions } from "../errors.js";
import {
  cloneModel,
  type Graph,
  labelOf,
  type Model,
  type Node,
  removeDead,
  subgraphsOf,
  topologicalOrder,
} from "../graph/index.js";
import { GradientContext } from "./context.js";
import type { KnownShapes } from "./known-shapes.js";
import { lowerForGradients } from "./lower.js";
import { GRADIENT_RULES } from "./rules/index.js";

/** Options for {@link differentiate}. */
export interface DifferentiateOptions {
  /** Value to differentiate: a scalar, or any tensor, of which the sum over all elements is meant. */
  loss: string;
  /** Values to differentiate by: weights, inputs, or values in between. */
  wrt: readonly string[];
  /** Other values to keep as outputs, after the gradients. Default: none. */
  outputs?: readonly string[];
  /** Shapes of the values, from {@link observeBatchShapes} (any batch size) or `observeShapes` (the one observed). */
  shapes?: KnownShapes;
  /** Round, Floor and Ceil pass the gradient as if they did nothing, as emulated quantization needs it. Default: false, they are flat. */
  straightThrough?: boolean;
}

/** Name of the output that holds the gradient with respect to `value`. */
export function gradientName(value: string): string {
  return `grad.${value}`;
}

/**
 * The model with its backward pass: standard ONNX operators, so that any ONNX Runtime runs it. Outputs, in this order:
 * the loss, d loss / d value for each value of `wrt` (named by {@link gradientName}, shaped like the value), then `outputs`.
 *
 * Reverse accumulation: nodes in reverse topological order, one rule an operator (rules/*.ts), gradients of a value with
 * several readers summed. Only what lies between `wrt` and the loss is differentiated. The given model is not changed.
 *
 * Conventions at corners are PyTorch's: Relu 0 at 0, Clip 1 at its bounds, MaxPool the first maximum, Max and Min
 * share a tie, Abs 0 at 0; rounding in QuantizeLinear passes the gradient inside its range and stops it outside.
 *
 * @throws {OptionsError} E2001 unknown option, E2005 `wrt` empty, E2103 a value that the graph does not have.
 * @throws {PreconditionError} E4005 the loss does not depend on a value of `wrt`.
 * @throws {ModelError} E4001 an operator on the way has no rule; E4002 opset below 13.
 * @example const model = differentiate(lossModel, { loss: "loss", wrt: ["conv1.weight"], shapes });
 */
export function differentiate(model: Model, options: DifferentiateOptions): Model {
  rejectUnknownOptions("differentiate", options, ["loss", "wrt", "outputs", "shapes", "straightThrough"]);
  const { loss, wrt, outputs = [], shapes, straightThrough = false } = options;
  if (wrt.length === 0) throw new OptionsError("E2005", "differentiate: wrt names no value", {});
  const opset = model.opsets.get("") ?? 0;
  if (opset < 13) {
    throw new ModelError("E4002", `differentiate: opset ${opset}, expected 13 or later`, {
      actual: opset,
      hint: "upgrade the model first",
    });
  }
  const copy = cloneModel(model);
  requireValues(copy.graph, [loss, ...wrt, ...outputs]);
  // What nobody asked for is not differentiated, and not computed either.
  copy.graph.outputs = [loss, ...wrt, ...outputs].map((name) => ({ name }));
  removeDead(copy.graph);
  const known = lowerForGradients(copy, shapes);
  const order = topologicalOrder(copy.graph);
  const dependent = dependentValues(order, wrt);
  for (const name of wrt) {
    if (!feeds(order, name, loss)) {
      throw new PreconditionError("E4005", `differentiate: "${loss}" does not depend on "${name}"`, { tensor: name });
    }
  }
  const context = new GradientContext(copy, dependent, known, { observed: shapes !== undefined, straightThrough });
  const gradients = backward(order, loss, context);
  context.startNode(undefined);
  const results = wrt.map((name) => {
    const parts = gradients.get(name);
    // Reached only through operators whose derivative is zero everywhere, as Round and Shape.
    const value = parts ? context.sum(parts) : context.fill(0, name);
    return {
      name: context.rename(value, gradientName(name)),
      dtype: context.dtype(name),
      shape: context.outputShape(name),
    };
  });
  const declared = new Map([...model.graph.outputs, ...model.graph.inputs].map((info) => [info.name, info]));
  const infoOf = (name: string) => declared.get(name) ?? model.graph.valueInfos.get(name) ?? { name };
  copy.graph.outputs = [infoOf(loss), ...results, ...outputs.filter((name) => name !== loss).map(infoOf)];
  removeDead(copy.graph);
  return copy;
}

/** Runs the rules in reverse order; returns the contributions to the gradient of every value that was reached. */
function backward(order: readonly Node[], loss: string, context: GradientContext): Map<string, string[]> {
  const gradients = new Map<string, string[]>();
  context.startNode(undefined);
  gradients.set(loss, [context.fill(1, loss)]);
  for (const node of [...order].reverse()) {
    if (!node.inputs.some((value) => context.needs(value))) continue;
    const incoming = node.outputs.map((output) => gradients.get(output));
    if (!incoming.some((parts) => parts !== undefined)) continue;
    const rule = node.domain === "" ? GRADIENT_RULES.get(node.opType) : undefined;
    if (!rule || subgraphsOf(node).length > 0) {
      const operator = node.domain === "" ? node.opType : `${node.domain}.${node.opType}`;
      throw new ModelError("E4001", `differentiate: no gradient for ${operator}, node "${labelOf(node)}"`, {
        node: labelOf(node),
        opType: node.opType,
        hint: "choose a loss before this node, or leave the weights in front of it out of wrt",
      });
    }
    context.startNode(node);
    const sums = incoming.map((parts, index) => {
      if (!parts) return undefined;
      const total = context.sum(parts);
      gradients.set(node.outputs[index]!, [total]);
      return context.describeAs(total, node.outputs[index]!);
    });
    rule(node, sums, context).forEach((gradient, index) => {
      const input = node.inputs[index];
      if (gradient === undefined || !context.needs(input)) return;
      const parts = gradients.get(input);
      if (parts) parts.push(gradient);
      else gradients.set(input, [gradient]);
    });
  }
  return gradients;
}

/** The values of `wrt` and every value computed from one of them. */
function dependentValues(order: readonly Node[], wrt: readonly string[]): Set<string> {
  const dependent = new Set(wrt);
  for (const node of order) {
    if (!node.inputs.some((value) => dependent.has(value))) continue;
    for (const output of node.outputs) if (output !== "") dependent.add(output);
  }
  return dependent;
}

function feeds(order: readonly Node[], value: string, loss: string): boolean {
  return value === loss || dependentValues(order, [value]).has(loss);
}

function requireValues(graph: Graph, names: readonly string[]): void {
  const values = new Set([...graph.inputs.map(({ name }) => name), ...graph.initializers.keys()]);
  for (const node of graph.nodes) for (const output of node.outputs) values.add(output);
  for (const name of names) {
    if (!values.has(name)) {
      throw new OptionsError("E2103", `differentiate: the graph has no value "${name}"`, { tensor: name });
    }
  }
}
