import {
  type Attribute,
  createNode,
  type Graph,
  GraphBuilder,
  type Model,
  type Node,
  removeDead,
  sortNodes,
  type Tensor,
} from "../graph/index.js";

/** Domain of ONNX Runtime's own operators. */
export const MICROSOFT = "com.microsoft";

/**
 * Replaces nodes of a graph by what computes the same from other constants. What several layers have in common (an input's integers, a
 * weight's) is written once.
 */
export class FormWriter {
  readonly #builder: GraphBuilder;
  readonly #model: Model;
  readonly #shared = new Map<string, unknown>();

  constructor(model: Model) {
    this.#model = model;
    this.#builder = new GraphBuilder(model.graph);
  }

  get graph(): Graph {
    return this.#builder.graph;
  }

  /** What `make` gives, made once for all callers that say the same key. */
  once<T>(key: string, make: () => T): T {
    if (!this.#shared.has(key)) this.#shared.set(key, make());
    return this.#shared.get(key) as T;
  }

  constant(value: Tensor | number, name: string): string {
    return this.#builder.constant(value, name);
  }

  /** Adds a node; returns the first of its outputs. */
  node(opType: string, inputs: readonly string[], attributes: Record<string, Attribute> = {}, domain = ""): string {
    return this.nodes(opType, inputs, attributes, 1, domain)[0]!;
  }

  nodes(
    opType: string,
    inputs: readonly string[],
    attributes: Record<string, Attribute>,
    outputs: number,
    domain = "",
  ): string[] {
    this.#needs(domain);
    return this.#builder.nodes(opType, inputs, attributes, { domain, outputs }).outputs;
  }

  /** Puts a node in the place of `node`: its name and its outputs stay. */
  replace(
    node: Node,
    opType: string,
    inputs: readonly string[],
    attributes: Record<string, Attribute> = {},
    domain = "",
  ) {
    this.#needs(domain);
    const { graph } = this;
    const successor = createNode({ opType, inputs, outputs: node.outputs, name: node.name, attributes, domain });
    graph.nodes[graph.nodes.indexOf(node)] = successor;
  }

  #needs(domain: string): void {
    if (domain !== "" && !this.#model.opsets.has(domain)) this.#model.opsets.set(domain, 1);
  }

  /** Restores the order of the nodes and drops what nobody reads any more. */
  finish(): void {
    sortNodes(this.graph);
    removeDead(this.graph);
  }
}
