import {
  attributeOf,
  createNode,
  GraphBuilder,
  int,
  ints,
  isOp,
  type Model,
  type Node,
  sortNodes,
  Tensor,
} from "../graph/index.js";
import type { ObservedType } from "../runtime/index.js";
import { unsupported } from "./context.js";
import { declaredShapes, type KnownShapes } from "./known-shapes.js";

/**
 * Rewrites operators that are differentiated through their parts: BatchNormalization with batch statistics, which
 * inference builds of ONNX Runtime do not run either, and the loss operators. In place.
 * @returns The shapes, with those of new values.
 */
export function lowerForGradients(model: Model, shapes: KnownShapes | undefined): Map<string, ObservedType> {
  const known = new Map([...declaredShapes(model.graph), ...(shapes ?? [])]);
  const graph = model.graph;
  const lowered = new Set<Node>();
  const builder = new GraphBuilder(graph);
  for (const node of [...graph.nodes]) {
    const lower = new Lowering(builder, node, known, model.opsets.get("") ?? 0);
    if (isOp(node, "BatchNormalization") && attributeOf(node, "training_mode", "int", 0) !== 0) lower.batchNorm();
    else if (isOp(node, "SoftmaxCrossEntropyLoss", "NegativeLogLikelihoodLoss")) lower.labelLoss();
    else continue;
    lowered.add(node);
  }
  if (lowered.size > 0) {
    graph.nodes = graph.nodes.filter((node) => !lowered.has(node));
    sortNodes(graph);
  }
  return known;
}

/** Builds the parts of one node under its name. */
class Lowering {
  readonly builder: GraphBuilder;
  readonly node: Node;
  readonly known: Map<string, ObservedType>;
  readonly opset: number;

  constructor(builder: GraphBuilder, node: Node, known: Map<string, ObservedType>, opset: number) {
    this.builder = builder;
    this.node = node;
    this.known = known;
    this.opset = opset;
  }

  /** y = (x − μ)/√(σ² + ε)·scale + shift, μ and σ² of the batch (σ² divided by the count, as ONNX defines it). */
  batchNorm(): void {
    const [x, scale, shift, mean, variance] = this.node.inputs as [string, string, string, string, string];
    const [y, nextMean = "", nextVariance = ""] = this.node.outputs as [string, string?, string?];
    const dims = this.known.get(x)?.dims;
    if (!dims)
      unsupported(this.node, `the rank of "${x}" is unknown`, "pass shapes: observeBatchShapes(runner, model)");
    const channels = dims[1]!;
    const axes = dims.map((_, axis) => axis).filter((axis) => axis !== 1);
    const perChannel = dims.map((_, axis) => (axis === 1 ? channels : 1));
    const row = (value: string) =>
      this.op("Reshape", [value, this.int64([-1, ...Array<number>(dims.length - 2).fill(1)])], perChannel.slice(1));
    const average = (value: string) =>
      this.opset >= 18
        ? this.op("ReduceMean", [value, this.int64(axes)], perChannel, { keepdims: int(1) })
        : this.op("ReduceMean", [value], perChannel, { keepdims: int(1), axes: ints(axes) });
    const mu = average(x);
    const centred = this.op("Sub", [x, mu], dims);
    const sigma = average(this.op("Mul", [centred, centred], dims));
    const epsilon = this.builder.constant(attributeOf(this.node, "epsilon", "float", 1e-5), "epsilon");
    const root = this.op("Sqrt", [this.op("Add", [sigma, epsilon], perChannel)], perChannel);
    const scaled = this.op("Mul", [this.op("Div", [centred, root], dims), row(scale)], dims);
    this.into(y, "Add", [scaled, row(shift)], dims);
    const momentum = attributeOf(this.node, "momentum", "float", 0.9);
    const running = (old: string, batch: string, output: string) => {
      if (output === "") return;
      const flat = this.op("Reshape", [batch, this.int64([-1])], [channels]);
      const kept = this.op("Mul", [old, this.builder.constant(momentum, "momentum")], [channels]);
      const moved = this.op("Mul", [flat, this.builder.constant(1 - momentum, "momentum")], [channels]);
      this.into(output, "Add", [kept, moved], [channels]);
    };
    running(mean, mu, nextMean);
    running(variance, sigma, nextVariance);
  }

  /** −Σ log p[label] over classes (axis 1), averaged, summed, or one a sample. */
  labelLoss(): void {
    const [scores, labels, weights = ""] = this.node.inputs as [string, string, string?];
    const [loss, logits = ""] = this.node.outputs as [string, string?];
    if (weights !== "") unsupported(this.node, "class weights");
    if (this.node.attributes.has("ignore_index")) unsupported(this.node, "ignore_index");
    const dims = this.known.get(scores)?.dims;
    const classes = dims?.[1] ?? -1;
    if (!dims || classes < 1) {
      unsupported(
        this.node,
        `the classes of "${scores}" are unknown`,
        "pass shapes: observeBatchShapes(runner, model)",
      );
    }
    const logs = isOp(this.node, "SoftmaxCrossEntropyLoss")
      ? this.op("LogSoftmax", [scores], dims, { axis: int(1) })
      : scores;
    if (logits !== "") this.into(logits, "Identity", [logs], dims);
    const values = this.builder.constant(Tensor.float32([2], [0, 1]), "off_on");
    const hot = this.op("OneHot", [labels, this.int64([classes]), values], dims, { axis: int(1) });
    const picked = this.op("Mul", [hot, logs], dims);
    const rest = dims.filter((_, axis) => axis !== 1);
    const perSample = this.op(
      "Neg",
      [this.op("ReduceSum", [picked, this.int64([1])], rest, { keepdims: int(0) })],
      rest,
    );
    const reduction = attributeOf(this.node, "reduction", "string", "mean");
    if (reduction === "none") this.into(loss, "Identity", [perSample], rest);
    else this.into(loss, reduction === "sum" ? "ReduceSum" : "ReduceMean", [perSample], [], { keepdims: int(0) });
  }

  private int64(values: readonly number[]): string {
    return this.builder.constant(Tensor.int64([values.length], values), "int64");
  }

  private op(opType: string, inputs: string[], dims: readonly number[], attributes = {}): string {
    const output = this.builder.node(opType, inputs, attributes, {
      name: `${this.node.name || this.node.opType}/${opType}`,
    });
    this.known.set(output, { dtype: "float32", dims });
    return output;
  }

  private into(output: string, opType: string, inputs: string[], dims: readonly number[], attributes = {}): void {
    const name = this.builder.names.allocate(`${this.node.name || this.node.opType}/${opType}`);
    this.builder.graph.nodes.push(createNode({ opType, inputs, outputs: [output], name, attributes }));
    this.known.set(output, { dtype: "float32", dims });
  }
}
