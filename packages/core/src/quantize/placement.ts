import { scaledGateNodes } from "../channels/gates.js";
import {
  type Graph,
  type GraphIndex,
  indexGraph,
  isOp,
  labelOf,
  type Node,
  subgraphsOf,
  topologicalOrder,
} from "../graph/index.js";
import { fillsOutside, padsZeros, productFactors, resizeMode } from "../operators/attributes.js";
import { factsOf } from "../operators/facts.js";
import { type LinearLayer, linearLayerOf } from "../operators/index.js";
import { inferStaticTypes, type StaticTypes } from "../operators/static-types.js";
import type { Skip } from "../runtime/index.js";
import { type EncodingGroup, SharedEncodings } from "./shared-encodings.js";
import type { TargetSpec } from "./targets.js";

/** Where a target quantizes: which layers get integer weights, which values get an encoding, which of those share one. */
export interface Placement {
  readonly layers: readonly LinearLayer[];
  /** Every node that runs on integers, fused activations and movers included, in node order. */
  readonly nodes: ReadonlySet<Node>;
  /** In node order; the input of the network first. */
  readonly groups: readonly EncodingGroup[];
  readonly skipped: readonly Skip[];
}

/** Why a node is left alone that was not excluded by name: reported when it would have run on integers. */
export type FloatReasons = ReadonlyMap<Node, string>;

/**
 * Decides placement by the target's table. A value gets an encoding when an integer operator makes or reads it;
 * between an operator and its fused activation there is none. Constants that an integer operator reads beside activations
 * are values too. `float` names nodes that stay in float by a rule.
 */
export function planPlacement(
  graph: Graph,
  target: TargetSpec,
  excluded: ReadonlySet<Node> = new Set(),
  float: FloatReasons = new Map(),
): Placement {
  return new Planner(graph, target, excluded, float).plan();
}

class Planner {
  readonly #index: GraphIndex;
  readonly #layers: LinearLayer[] = [];
  readonly #nodes = new Set<Node>();
  readonly #skipped: Skip[] = [];
  readonly #marked = new Set<string>();
  readonly #shared = new SharedEncodings();
  /** Operators that integers would reach only to be made floats again. */
  readonly #floats = new Set<Node>();
  readonly #types: StaticTypes;
  readonly #gates: ReadonlySet<Node>;

  constructor(
    readonly graph: Graph,
    readonly target: TargetSpec,
    readonly excluded: ReadonlySet<Node>,
    readonly float: FloatReasons,
  ) {
    this.#index = indexGraph(graph);
    this.#types = inferStaticTypes(graph, (value) => graph.initializers.get(value));
    this.#gates = scaledGateNodes(topologicalOrder(graph), this.#index, (value) => graph.initializers.get(value));
  }

  plan(): Placement {
    for (const node of [...this.graph.nodes].reverse()) if (this.#staysBetweenFloats(node)) this.#floats.add(node);
    for (const node of this.graph.nodes) this.#visit(node);
    this.#spreadOverMovers();
    this.#shareInputs();
    const groups = this.#shared.groups(this.graph, this.#marked);
    const nodes = new Set(this.graph.nodes.filter((node) => this.#nodes.has(node)));
    return { layers: this.#layers, nodes, groups, skipped: this.#skipped };
  }

  #visit(node: Node): void {
    if (this.excluded.has(node)) {
      this.#skip(node, "excluded");
      return;
    }
    if (node.domain !== "" || subgraphsOf(node).length > 0 || this.#gates.has(node) || this.#floats.has(node)) return;
    const reason = this.float.get(node);
    if (reason !== undefined) {
      if (this.target.layers.has(node.opType) || this.target.operators.has(node.opType)) this.#skip(node, reason);
      return;
    }
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
    if (this.#isConstant(layer.input)) return "input is constant";
    if (layer.tensor.dtype !== "float32") return `weight is ${layer.tensor.dtype}, not float32`;
    const { node } = layer;
    if (layer.opType === "Gemm") {
      const { alpha, beta } = productFactors(node);
      if (alpha !== 1 || (beta !== 1 && (node.inputs[2] ?? "") !== "")) return "Gemm with alpha or beta other than 1";
    }
    if ((node.inputs[2] ?? "") === "") return undefined;
    const bias = layer.bias === undefined ? undefined : this.graph.initializers.get(layer.bias);
    if (!bias) return "bias is computed, not constant";
    if (bias.dims.length !== 1 || bias.size !== layer.outChannels)
      return `bias has shape [${bias.dims.join(", ")}], not one value a channel`;
    return undefined;
  }

  /**
   * Whether an operator beside layers only adds noise and conversions on integers. One whose operands each come from a layer that can put
   * out floats, and that floats read: the Add between the two products of a recurrence and its Tanh. And the activation whose output the
   * network puts out: on 256 steps from 0 to 1 scores of a detector that differ become equal, and weak ones nothing.
   */
  #staysBetweenFloats(node: Node): boolean {
    if (!this.target.operators.has(node.opType) || node.domain !== "" || node.outputs.length !== 1) return false;
    const isActivation = factsOf(node)?.kind === "activation" && this.target.floatOutput.size > 0;
    if (isActivation && !this.#reachesInteger(node.outputs[0]!)) return true;
    if (this.graph.outputs.some(({ name }) => name === node.outputs[0])) return false;
    const data = this.#dataInputs(node);
    const fromLayers = data.every((input) => {
      const layer = this.#index.producer(input);
      return layer && this.target.floatOutput.has(layer.opType) && this.#index.onlyConsumer(input) === node;
    });
    return data.length > 0 && fromLayers && !this.#reachesInteger(node.outputs[0]!);
  }

  /** Inputs that carry data, constants beside activations included; none when they are not float32. */
  #dataInputs(node: Node): string[] {
    const inputs = factsOf(node)?.data === "all" ? node.inputs : node.inputs.slice(0, 1);
    const data = inputs.filter((input) => input !== "");
    return data.every((input) => this.#isFloat(input)) && !data.every((input) => this.#isConstant(input)) ? data : [];
  }

  /** As far as the graph tells; shape arithmetic that was not folded is found to be integer here. */
  #isFloat(value: string): boolean {
    return (this.#types.dtype(value) ?? "float32") === "float32";
  }

  #isConstant(value: string): boolean {
    return this.graph.initializers.has(value);
  }

  /** Whether a node may run on integers as far as nobody said otherwise. */
  #isFree(node: Node): boolean {
    return !this.excluded.has(node) && !this.float.has(node) && !this.#gates.has(node);
  }

  #skip(node: Node, reason: string): void {
    this.#skipped.push({ node: labelOf(node), opType: node.opType, reason });
  }

  #mark(value: string): void {
    if (value !== "") this.#marked.add(value);
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
        this.#shared.unite(next.outputs[0]!, clamp.outputs[0]!);
        this.#shared.leaveOut(next.outputs[0]!);
        return;
      }
      this.#mark(next.outputs[0]!);
      return;
    }
    if (this.target.floatOutput.has(node.opType) && !this.#reachesInteger(output)) return;
    this.#mark(output);
  }

  #fusable(activation: Node): boolean {
    if (!this.#isFree(activation)) return false;
    // Clip with computed bounds cannot be shown to lie around the encoding's range.
    return (
      activation.opType !== "Clip" ||
      activation.inputs.slice(1).every((bound) => bound === "" || this.graph.initializers.has(bound))
    );
  }

  /** A Min with a constant vector that alone reads `value`: the upper bound of an equalized ReLU6. */
  #clampBehind(value: string): Node | undefined {
    const next = this.#index.onlyConsumer(value);
    if (!isOp(next, "Min") || next.inputs.length !== 2 || !this.#isFree(next)) return undefined;
    const other = next.inputs.find((input) => input !== value);
    return other !== undefined && this.graph.initializers.has(other) ? next : undefined;
  }

  /** Whether an integer operator reads the value, through movers. */
  #reachesInteger(value: string): boolean {
    return this.#index.uses(value).some(({ node, input }) => {
      if (!this.#isFree(node) || input < 0 || this.#floats.has(node)) return false;
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
    const movers = this.graph.nodes.filter((node) => isOp(node, ...this.target.movers) && this.#movesData(node));
    for (const node of [...movers].reverse()) {
      if (node.outputs.some((output) => this.#marked.has(output))) this.#joinMover(node);
    }
    for (const node of movers) {
      if (this.#marked.has(node.inputs[0]!) && node.outputs.some((output) => this.#reachesInteger(output))) {
        this.#joinMover(node);
      }
    }
    if (!this.target.sharedConcat) return;
    for (const node of this.#nodes) {
      if (node.opType !== "Concat") continue;
      for (const input of this.#dataInputs(node)) this.#shared.unite(input, node.outputs[0]!);
    }
  }

  /**
   * Layers that read one weight and one bias share the encoding of their inputs where copies of the bias would cost more than a quarter of
   * the weight: a bias is stored in steps of its input's scale, and an unrolled recurrence reads it at every step.
   */
  #shareInputs(): void {
    const readers = new Map<string, LinearLayer[]>();
    for (const layer of this.#layers) {
      if (layer.bias === undefined) continue;
      const key = JSON.stringify([layer.weight, layer.bias]);
      readers.set(key, [...(readers.get(key) ?? []), layer]);
    }
    for (const [first, ...others] of readers.values()) {
      const copies = 4 * others.length * first!.outChannels;
      if (copies <= first!.tensor.size / 4) continue;
      for (const { input } of others) this.#shared.unite(first!.input, input);
    }
  }

  /** Some movers make new values: Resize that interpolates, Pad with another value than 0, MaxPool that counts positions. */
  #movesData(node: Node): boolean {
    const input = node.inputs[0] ?? "";
    if (!this.#isFree(node) || this.#isConstant(input) || !this.#isFloat(input)) return false;
    if (node.opType === "MaxPool") return (node.outputs[1] ?? "") === "";
    if (node.opType === "Resize") return resizeMode(node) === "nearest" && !fillsOutside(node);
    if (node.opType === "Pad") return padsZeros(node, (value) => this.graph.initializers.get(value));
    return true;
  }

  #joinMover(node: Node): void {
    this.#nodes.add(node);
    this.#mark(node.inputs[0]!);
    for (const output of node.outputs) {
      if (output === "") continue;
      this.#mark(output);
      this.#shared.unite(node.inputs[0]!, output);
      this.#shared.leaveOut(output);
    }
  }
}
