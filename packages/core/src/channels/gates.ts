import { attributeOf, type GraphIndex, isOp, type Node, type Tensor, type Use } from "../graph/index.js";
import { GATE_OPERATORS, GATE_PARTS } from "./rules.js";

/**
 * A value times a function of itself, which no factor passes: y = x·g(x). HardSwish, SiLU, GELU and Mish, as one operator or written
 * out in several: x·clip(x + 3, 0, 6)/6, x·½(1 + erf(x/√2)). Any function of each element on its own with a product in it counts.
 */
export interface Gate {
  readonly input: string;
  readonly output: string;
  /** In topological order; nothing outside reads what they make between `input` and `output`. */
  readonly nodes: readonly Node[];
  /** Where they read `input`. */
  readonly reads: readonly Use[];
}

/** More nodes than any way of writing a gate out needs. */
const MOST_NODES = 12;

/** All gates of a graph, `nodes` being its nodes in topological order; of gates inside each other the outermost. */
export function findGates(
  nodes: readonly Node[],
  index: GraphIndex,
  isConstant: (value: string) => boolean,
): readonly Gate[] {
  const order = new Map(nodes.map((node, at) => [node, at]));
  const activations = (node: Node) => [...new Set(node.inputs.filter((value) => value !== "" && !isConstant(value)))];
  const elementwise = (node: Node | undefined): node is Node =>
    node !== undefined && (GATE_OPERATORS.has(node.opType) || (node.domain === "" && GATE_PARTS.has(node.opType)));
  const found = new Map<Node, Gate>();
  for (const last of nodes) {
    if (!elementwise(last)) continue;
    const inside = new Set([last]);
    const open = new Set(activations(last));
    while (open.size > 1 && inside.size < MOST_NODES) {
      const makers = [...open].map((value) => index.producer(value));
      const latest = makers.reduce((a, b) => (((a && order.get(a)!) ?? -1) >= ((b && order.get(b)!) ?? -1) ? a : b));
      if (!elementwise(latest)) break;
      open.delete(latest.outputs[0]!);
      inside.add(latest);
      for (const value of activations(latest)) open.add(value);
    }
    const [input] = open;
    if (open.size !== 1 || !hasGate([...inside], activations) || !isClosed(index, inside, last)) continue;
    for (const node of inside) found.delete(node);
    const ordered = [...inside].sort((a, b) => order.get(a)! - order.get(b)!);
    const reads = index.uses(input!).filter(({ node }) => inside.has(node));
    found.set(last, { input: input!, output: last.outputs[0]!, nodes: ordered, reads });
  }
  return [...found.values()].map((gate) => withTrailingConstant(gate, index, isConstant));
}

/** An operator that is a gate, or a product of different values. */
function hasGate(nodes: readonly Node[], activations: (node: Node) => readonly string[]): boolean {
  return nodes.some((node) => GATE_OPERATORS.has(node.opType) || (isOp(node, "Mul") && activations(node).length > 1));
}

/** Whether nothing outside reads a value between the first node and the last. */
function isClosed(index: GraphIndex, inside: ReadonlySet<Node>, last: Node): boolean {
  for (const node of inside) {
    if (node === last) continue;
    const [output] = node.outputs;
    const escapes = index.uses(output!).some((use) => use.input < 0 || !inside.has(use.node));
    if (escapes || index.isOutput(output!) || node.outputs.length > 1) return false;
  }
  return true;
}

/** Takes in a Mul or Div by a constant that alone reads the output: it can take the output's factors. */
function withTrailingConstant(gate: Gate, index: GraphIndex, isConstant: (value: string) => boolean): Gate {
  const last = gate.nodes.at(-1)!;
  if (scalingInput(last, isConstant) !== undefined) return gate;
  const next = index.onlyConsumer(gate.output);
  if (!next || scalingInput(next, isConstant) === undefined) return gate;
  return { ...gate, output: next.outputs[0]!, nodes: [...gate.nodes, next] };
}

/** Position of the constant that multiplies or divides what a node makes; undefined where there is none. */
export function scalingInput(node: Node, isConstant: (value: string) => boolean): number | undefined {
  if (isOp(node, "Div")) return isConstant(node.inputs[1] ?? "") ? 1 : undefined;
  if (!isOp(node, "Mul")) return undefined;
  const at = node.inputs.findIndex((value) => isConstant(value));
  return at >= 0 ? at : undefined;
}

/** How a gate multiplies: `product` = x·g(x), up to constants, where one operand is x itself or x times constants. */
export interface GateProduct {
  readonly product: Node;
  /** Where the gate reads x for that operand. */
  readonly carried: Use;
}

/** The product that a written-out gate ends in; undefined where it ends otherwise. */
export function gateProduct(
  { nodes, input, reads }: Gate,
  isConstant: (value: string) => boolean,
): GateProduct | undefined {
  const maker = new Map(nodes.map((node) => [node.outputs[0]!, node]));
  let product = nodes.at(-1);
  while (product && scalingInput(product, isConstant) !== undefined) {
    product = maker.get(product.inputs[1 - scalingInput(product, isConstant)!]!);
  }
  if (!product || !isOp(product, "Mul")) return undefined;
  for (let [at, operand] of product.inputs.entries()) {
    let node = product;
    while (operand !== input) {
      const before = maker.get(operand);
      const constant = before && scalingInput(before, isConstant);
      if (!before || constant === undefined) break;
      [node, at] = [before, 1 - constant];
      operand = before.inputs[at]!;
    }
    const carried = reads.find((read) => operand === input && read.node === node && read.input === at);
    if (carried) return { product, carried };
  }
  return undefined;
}

/** A gate whose g is a line between two bounds: y = x·clip(slope·x + offset, low, high), times constants behind `product`. */
export interface HardGate {
  readonly slope: number;
  readonly offset: number;
  readonly low: number;
  readonly high: number;
  /** Nodes up to the product; the last one makes it. */
  readonly nodes: readonly Node[];
}

/** HardSwish, as operator or written out with Add and Clip or with HardSigmoid; undefined for other gates. */
export function hardGate(gate: Gate, constant: (value: string) => Tensor | undefined): HardGate | undefined {
  const [first] = gate.nodes;
  if (isOp(first, "HardSwish")) return { slope: 1 / 6, offset: 0.5, low: 0, high: 1, nodes: [first] };
  const found = gateProduct(gate, (value) => constant(value) !== undefined);
  if (!found || found.carried.node !== found.product) return undefined;
  const nodes = gate.nodes.slice(0, gate.nodes.indexOf(found.product) + 1);
  const feeds = (node: Node | undefined, next: Node | undefined) => next?.inputs.includes(node?.outputs[0] ?? "");
  if (nodes.length === 2 && isOp(first, "HardSigmoid")) {
    const slope = attributeOf(first, "alpha", "float", 0.2);
    return { slope, offset: attributeOf(first, "beta", "float", 0.5), low: 0, high: 1, nodes };
  }
  const [add, clip, product] = nodes;
  if (nodes.length !== 3 || !isOp(add, "Add") || !isOp(clip, "Clip") || !feeds(add, clip) || !feeds(clip, product)) {
    return undefined;
  }
  const number = (value: string | undefined) => {
    const tensor = constant(value ?? "");
    return tensor?.size === 1 ? tensor.numbers()[0]! : Number.NaN;
  };
  const offset = number(add.inputs.find((value) => constant(value)));
  const [low, high] = [number(clip.inputs[1]), number(clip.inputs[2])];
  return [offset, low, high].every(Number.isFinite) ? { slope: 1, offset, low, high, nodes } : undefined;
}

/**
 * Nodes that equalization made vectors of or put vectors in front of, with the rest of their gates: folded into a layer the vectors
 * would undo what equalization did, and integer kernels would round each of them.
 */
export function scaledGateNodes(
  nodes: readonly Node[],
  index: GraphIndex,
  constant: (value: string) => Tensor | undefined,
): ReadonlySet<Node> {
  const isConstant = (value: string) => constant(value) !== undefined;
  const isVector = (node: Node) => {
    const at = scalingInput(node, isConstant);
    return at !== undefined && constant(node.inputs[at]!)!.size > 1;
  };
  return new Set(
    findGates(nodes, index, isConstant).flatMap((gate) => {
      const before = index.producer(gate.input);
      const alone = !index.isOutput(gate.input) && index.uses(gate.input).length === gate.reads.length;
      const all = before && alone && isVector(before) ? [before, ...gate.nodes] : gate.nodes;
      return all.some(isVector) ? all : [];
    }),
  );
}
