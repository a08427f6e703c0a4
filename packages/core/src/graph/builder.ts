import { type Attribute, createModel, createNode, type Dim, type Graph, type Model, type Node } from "./document.js";
import type { DType } from "./dtype.js";
import { NameAllocator } from "./edit.js";
import { Tensor } from "./tensor.js";

/** Options for {@link GraphBuilder.node}. */
export interface BuilderNodeOptions {
  /** Node name and stem of its outputs' names. Default: the operator's name. */
  name?: string;
  /** Number of outputs. Default: 1. */
  outputs?: number;
  domain?: string;
}

/**
 * Appends nodes to a graph and hands out fresh value names. Used by everything that generates graphs:
 * statistics, emulation, gradients, tests.
 */
export class GraphBuilder {
  readonly graph: Graph;
  readonly names: NameAllocator;

  constructor(graph: Graph) {
    this.graph = graph;
    this.names = new NameAllocator(graph);
  }

  /** A builder over a new, empty model. */
  static model(name: string, opset = 17): { model: Model; builder: GraphBuilder } {
    const model = createModel(name, opset);
    return { model, builder: new GraphBuilder(model.graph) };
  }

  input(name: string, shape: readonly Dim[], dtype: DType = "float32"): string {
    const allocated = this.names.allocate(name);
    this.graph.inputs.push({ name: allocated, dtype, shape });
    return allocated;
  }

  /** Adds an initializer and returns its name. */
  constant(value: Tensor | number, name = "constant"): string {
    const allocated = this.names.allocate(name);
    this.graph.initializers.set(allocated, typeof value === "number" ? Tensor.scalar(value) : value);
    return allocated;
  }

  /** Adds a node with one output (or several, see {@link nodes}) and returns the first output's name. */
  node(
    opType: string,
    inputs: readonly string[],
    attributes: Record<string, Attribute> = {},
    options: BuilderNodeOptions = {},
  ): string {
    return this.nodes(opType, inputs, attributes, options).outputs[0]!;
  }

  /** As {@link node}, but returns the node, for operators with several outputs. */
  nodes(
    opType: string,
    inputs: readonly string[],
    attributes: Record<string, Attribute> = {},
    options: BuilderNodeOptions = {},
  ): Node {
    const name = this.names.allocate(options.name ?? opType);
    const count = options.outputs ?? 1;
    const outputs = Array.from({ length: count }, (_, index) =>
      this.names.allocate(count === 1 ? `${name}_output` : `${name}_output_${index}`),
    );
    const node = createNode({ opType, inputs, outputs, name, attributes, domain: options.domain ?? "" });
    this.graph.nodes.push(node);
    return node;
  }

  /** Declares an existing value as graph output. */
  output(value: string, dtype: DType = "float32", shape?: readonly Dim[]): void {
    this.graph.outputs.push({ name: value, dtype, shape });
  }
}
