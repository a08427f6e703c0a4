import { type Graph, type GraphIndex, indexGraph, type Node } from "../graph/index.js";
import { factsOf, isSaturation } from "../operators/facts.js";
import type { LayerPair } from "./match-layers.js";

/** Makes what it reads: tools add and remove such nodes. */
const copies = (node: Node) => factsOf(node)?.kind === "copy";

/**
 * Which value of the float network each value of a skeleton stands for. Starts from the inputs and the paired layers and walks
 * both graphs: a node corresponds to one of the same name of output and operator, else to an unused one of the same operator
 * that reads corresponding values. Where the file has no Relu or Clip behind an encoded value and the float network has, the
 * encoding saturates for it (onnxruntime removes them), and the value stands for what is behind it.
 */
export function matchValues(
  skeleton: Graph,
  float: Graph,
  pairs: readonly LayerPair[],
  encoded: ReadonlySet<string>,
): Map<string, string> {
  return new ValueMatcher(skeleton, float, pairs, encoded).match();
}

class ValueMatcher {
  readonly #values = new Map<string, string>();
  readonly #own: GraphIndex;
  readonly #theirs: GraphIndex;
  readonly #used = new Set<Node>();
  readonly #byNode: ReadonlyMap<Node, Node>;

  constructor(
    readonly skeleton: Graph,
    readonly float: Graph,
    pairs: readonly LayerPair[],
    readonly encoded: ReadonlySet<string>,
  ) {
    this.#own = indexGraph(skeleton);
    this.#theirs = indexGraph(float);
    this.#byNode = new Map(pairs.map((pair) => [pair.file.node, pair.float.node]));
    for (const node of this.#byNode.values()) this.#used.add(node);
  }

  match(): Map<string, string> {
    const inputs = (graph: Graph) => graph.inputs.filter(({ name }) => !graph.initializers.has(name));
    const theirs = inputs(this.float);
    inputs(this.skeleton).forEach(({ name }, at) => {
      const other = theirs.find((info) => info.name === name) ?? theirs[at];
      if (other) this.#values.set(name, other.name);
    });
    for (const node of this.skeleton.nodes) this.#node(node);
    return this.#values;
  }

  #node(node: Node): void {
    const other = this.#byNode.get(node) ?? this.#counterpart(node);
    if (!other) {
      const input = this.#values.get(node.inputs[0] ?? "");
      if (input !== undefined && copies(node)) this.#values.set(node.outputs[0]!, input);
      return;
    }
    this.#used.add(other);
    node.outputs.forEach((output, at) => {
      const value = other.outputs[at];
      if (output !== "" && value) this.#values.set(output, this.#pastActivations(output, value));
    });
  }

  #counterpart(node: Node): Node | undefined {
    const named = this.#theirs.producer(node.outputs[0] ?? "");
    if (named && this.#fits(node, named)) return named;
    const known = node.inputs.find((input) => this.#values.has(input));
    if (known === undefined) return undefined;
    const reached = this.#throughCopies(this.#values.get(known)!);
    const readers = reached.flatMap((value) => this.#theirs.uses(value).map((use) => use.node));
    return readers.find((reader) => this.#fits(node, reader) && this.#readsAlike(node, reader));
  }

  /** A value and what copies of it are called. */
  #throughCopies(value: string): string[] {
    const reached = this.#theirs.uses(value).filter(({ node }) => copies(node));
    return [value, ...reached.flatMap(({ node }) => this.#throughCopies(node.outputs[0]!))];
  }

  #fits(node: Node, other: Node): boolean {
    return node.opType === other.opType && node.domain === other.domain && !this.#used.has(other);
  }

  /** Every input that corresponds to something is among the other's inputs; constants are not compared. */
  #readsAlike(node: Node, other: Node): boolean {
    return node.inputs.every((input) => {
      const value = this.#values.get(input);
      return value === undefined || this.#throughCopies(value).some((name) => other.inputs.includes(name));
    });
  }

  #pastActivations(output: string, value: string): string {
    const followed = this.#own.uses(output).some(({ node }) => isSaturation(node));
    if (followed || !this.encoded.has(output)) return value;
    const next = this.#theirs.onlyConsumer(value);
    if (!isSaturation(next) || next.inputs[0] !== value || this.#used.has(next)) return value;
    this.#used.add(next);
    return this.#pastActivations(output, next.outputs[0]!);
  }
}
