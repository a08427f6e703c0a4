import {
  attributeOf,
  type Graph,
  type GraphIndex,
  indexGraph,
  isOp,
  type LinearLayer,
  labelOf,
  linearLayerOf,
  type Node,
  subgraphsOf,
} from "../graph/index.js";
import type { Skip } from "../runtime/index.js";
import type { TargetSpec } from "./targets.js";

/** Values that must have one encoding, and the values whose ranges decide it. */
export interface EncodingGroup {
  readonly values: readonly string[];
  readonly rangeFrom: readonly string[];
}

/** Where a target quantizes: which layers get integer weights, which values get an encoding, which of those share one. */
export interface Placement {
  readonly layers: readonly LinearLayer[];
  /** Every node that runs on integers, fused activations and movers included. */
  readonly nodes: ReadonlySet<Node>;
  /** In node order; the input of the network first. */
  readonly groups: readonly EncodingGroup[];
  readonly skipped: readonly Skip[];
}

/**
 * Decides placement by the target's table. A value gets an encoding when an integer operator makes or reads it;
 * between an operator and its fused activation there is none.
 */
export function planPlacement(graph: Graph, target: TargetSpec, excluded: ReadonlySet<Node> = new Set()): Placement {
  const planner = new Planner(graph, target, excluded);
  return planner.plan();
}

class Planner {
  readonly #index: GraphIndex;
  readonly #layers: LinearLayer[] = [];
  readonly #nodes = new Set<Node>();
  readonly #skipped: Skip[] = [];
  readonly #marked = new Set<string>();
  readonly #parent = new Map<string, string>();
  /** Values whose range does not count in their group: what a clamp cuts off. */
  readonly #clamped = new Set<string>();

  constructor(
    readonly graph: Graph,
    readonly target: TargetSpec,
    readonly excluded: ReadonlySet<Node>,
  ) {
    this.#index = indexGraph(graph);
  }

  plan(): Placement {
    for (const node of this.graph.nodes) this.#visit(node);
    this.#spreadOverMovers();
    return { layers: this.#layers, nodes: this.#nodes, groups: this.#groups(), skipped: this.#skipped };
  }

  #visit(node: Node): void {
    if (this.excluded.has(node)) {
      this.#skip(node, "excluded");
      return;
    }
    if (node.domain !== "" || subgraphsOf(node).length > 0) return;
    const layer = this.target.layers.has(node.opType) ? linearLayerOf(this.graph, node) : undefined;
    if (layer) {
      const reason = this.#layerRefusal(layer);
      if (reason) {
        this.#skip(node, reason);
        return;
      }
      this.#layers.push(layer);
      this.#nodes.add(node);
      this.#mark(node.inputs[0]!);
      this.#markOutput(node);
    } else if (this.target.operators.has(node.opType) && this.#dataInputs(node).length > 0) {
      this.#nodes.add(node);
      for (const input of this.#dataInputs(node)) this.#mark(input);
      this.#markOutput(node);
    }
  }

  #layerRefusal(layer: LinearLayer): string | undefined {
    if (layer.tensor.dtype !== "float32") return `weight is ${layer.tensor.dtype}, not float32`;
    const { node } = layer;
    if (layer.opType === "Gemm") {
      const alpha = attributeOf(node, "alpha", "float", 1);
      const beta = attributeOf(node, "beta", "float", 1);
      if (alpha !== 1 || (beta !== 1 && (node.inputs[2] ?? "") !== "")) return "Gemm with alpha or beta other than 1";
    }
    if ((node.inputs[2] ?? "") === "") return undefined;
    const bias = layer.bias === undefined ? undefined : this.graph.initializers.get(layer.bias);
    if (!bias) return "bias is computed, not constant";
    if (bias.dims.length !== 1 || bias.size !== layer.outChannels)
      return `bias has shape [${bias.dims.join(", ")}], not one value a channel`;
    return undefined;
  }

  /** Inputs that carry activations: no constants, and float as far as the graph says. */
  #dataInputs(node: Node): string[] {
    const candidates =
      node.opType === "Concat" || node.opType === "Add" || node.opType === "Mul" || node.opType === "MatMul";
    const inputs = candidates ? node.inputs : node.inputs.slice(0, 1);
    const data = inputs.filter((input) => input !== "" && !this.graph.initializers.has(input));
    const integers = data.some((input) => {
      const dtype = this.#dtype(input);
      return dtype !== undefined && dtype !== "float32";
    });
    return integers ? [] : data;
  }

  /** Element type as far as the graph tells; shape arithmetic that was not folded is found to be integer here. */
  #dtype(value: string, depth = 16): string | undefined {
    const known = this.graph.valueInfos.get(value) ?? this.graph.inputs.find(({ name }) => name === value);
    if (known?.dtype) return known.dtype;
    const constant = this.graph.initializers.get(value);
    if (constant) return constant.dtype;
    const producer = this.#index.producer(value);
    if (!producer || depth === 0) return undefined;
    if (isOp(producer, "Shape", "Size", "ArgMax", "NonZero")) return "int64";
    if (isOp(producer, "Constant", "ConstantOfShape")) {
      const tensor = producer.attributes.get("value");
      return tensor?.type === "tensor" ? tensor.value.dtype : undefined;
    }
    if (isOp(producer, "Cast")) return attributeOf(producer, "to", "int", 1) === 1 ? "float32" : "other";
    return isOp(producer, "Concat", ...this.target.movers) ? this.#dtype(producer.inputs[0]!, depth - 1) : undefined;
  }

  #skip(node: Node, reason: string): void {
    this.#skipped.push({ node: labelOf(node), opType: node.opType, reason });
  }

  #mark(value: string): void {
    if (value !== "" && !this.graph.initializers.has(value)) this.#marked.add(value);
  }

  /** Marks what leaves the operator, behind the activation that fuses with it. */
  #markOutput(node: Node): void {
    const output = node.outputs[0]!;
    const next = this.#index.onlyConsumer(output);
    if (next && isOp(next, ...this.target.fused) && next.inputs[0] === output && this.#fusable(next)) {
      this.#nodes.add(next);
      const clamp = this.#clampBehind(next.outputs[0]!);
      if (clamp) {
        // One bound a channel: the clamp runs between two encodings on the same grid, its output's.
        this.#nodes.add(clamp);
        this.#mark(next.outputs[0]!);
        this.#mark(clamp.outputs[0]!);
        this.#unite(next.outputs[0]!, clamp.outputs[0]!);
        this.#clamped.add(next.outputs[0]!);
        return;
      }
      this.#mark(next.outputs[0]!);
      return;
    }
    if (this.target.floatOutput.has(node.opType) && !this.#reachesInteger(output)) return;
    this.#mark(output);
  }

  #fusable(activation: Node): boolean {
    if (this.excluded.has(activation)) return false;
    // Clip with computed bounds cannot be shown to lie around the encoding's range.
    return (
      activation.opType !== "Clip" ||
      activation.inputs.slice(1).every((bound) => bound === "" || this.graph.initializers.has(bound))
    );
  }

  /** A Min with a constant vector that alone reads `value`: the upper bound of an equalized ReLU6. */
  #clampBehind(value: string): Node | undefined {
    const next = this.#index.onlyConsumer(value);
    if (!isOp(next, "Min") || next.inputs.length !== 2 || this.excluded.has(next)) return undefined;
    const other = next.inputs.find((input) => input !== value);
    return other !== undefined && this.graph.initializers.has(other) ? next : undefined;
  }

  /** Whether an integer operator reads the value, through movers. */
  #reachesInteger(value: string): boolean {
    return this.#index.uses(value).some(({ node, input }) => {
      if (this.excluded.has(node) || input < 0) return false;
      if (isOp(node, ...this.target.movers))
        return input === 0 && node.outputs.some((output) => this.#reachesInteger(output));
      if (isOp(node, ...this.target.layers)) return input === 0 && linearLayerOf(this.graph, node) !== undefined;
      return isOp(node, ...this.target.operators);
    });
  }

  /**
   * A mover between integer operators runs on integers too. Backward: what an integer operator reads through a mover is
   * quantized before it. Forward: a quantized value keeps its encoding through a mover that leads to an integer operator.
   */
  #spreadOverMovers(): void {
    const movers = this.graph.nodes.filter((node) => isOp(node, ...this.target.movers) && !this.excluded.has(node));
    for (const node of [...movers].reverse()) {
      if (this.#movesData(node) && node.outputs.some((output) => this.#marked.has(output))) this.#joinMover(node);
    }
    for (const node of movers) {
      if (!this.#movesData(node) || !this.#marked.has(node.inputs[0]!)) continue;
      if (node.outputs.some((output) => this.#reachesInteger(output))) this.#joinMover(node);
    }
    if (!this.target.sharedConcat) return;
    for (const node of this.#nodes) {
      if (node.opType === "Concat") for (const input of this.#dataInputs(node)) this.#unite(input, node.outputs[0]!);
    }
  }

  /** Resize that interpolates and Pad with another value than 0 make new values and do not share an encoding. */
  #movesData(node: Node): boolean {
    if (node.opType === "Resize") return attributeOf(node, "mode", "string", "nearest") === "nearest";
    if (node.opType === "Pad") {
      const constant = attributeOf(node, "mode", "string", "constant") === "constant";
      const value = this.graph.initializers.get(node.inputs[2] ?? "");
      return !constant || (node.inputs[2] ?? "") === "" || value?.numbers()[0] === 0;
    }
    return this.#dtype(node.inputs[0]!) === undefined || this.#dtype(node.inputs[0]!) === "float32";
  }

  #joinMover(node: Node): void {
    this.#nodes.add(node);
    this.#mark(node.inputs[0]!);
    for (const output of node.outputs) {
      if (output === "") continue;
      this.#mark(output);
      this.#unite(node.inputs[0]!, output);
    }
  }

  #find(value: string): string {
    let root = value;
    for (let next = this.#parent.get(root); next !== undefined && next !== root; next = this.#parent.get(root))
      root = next;
    return root;
  }

  #unite(a: string, b: string): void {
    const rootA = this.#find(a);
    const rootB = this.#find(b);
    if (rootA !== rootB) this.#parent.set(rootB, rootA);
  }

  #groups(): EncodingGroup[] {
    const groups = new Map<string, string[]>();
    const order = [...this.graph.inputs.map(({ name }) => name), ...this.graph.nodes.flatMap((node) => node.outputs)];
    for (const value of order) {
      if (!this.#marked.has(value)) continue;
      const root = this.#find(value);
      const group = groups.get(root);
      if (group) group.push(value);
      else groups.set(root, [value]);
    }
    return [...groups.values()].map((values) => {
      const rangeFrom = values.filter((value) => !this.#clamped.has(value));
      return { values, rangeFrom: rangeFrom.length > 0 ? rangeFrom : values };
    });
  }
}
