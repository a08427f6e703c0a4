import { ModelError } from "../errors.js";
import {
  attributeOf,
  cloneModel,
  GraphBuilder,
  int,
  isOp,
  labelOf,
  type Model,
  type Node,
  removeDead,
  requiredInputs,
  sortNodes,
  Tensor,
  topologicalOrder,
} from "../graph/index.js";
import { factsOf } from "../operators/facts.js";
import { asFloat32 } from "../operators/float32-model.js";
import { LINEAR_RULES } from "./linear-rules.js";
import type { LayerFeed, ScaleRule } from "./scales.js";

/** Magnitudes of masks: −1e9, −3.4e38, −∞. */
const MASK = 1e8;

/** The linear network of a model's paths: every weight an input, one output. */
export interface LinearNetwork {
  readonly model: Model;
  /** The model's own first input; all of floats are fed with ones. */
  readonly input: string;
  readonly output: string;
  readonly rules: readonly ScaleRule[];
}

/**
 * Turns a model into the network that SynFlow scores (Tanaka et al. 2020): activations become identities,
 * BatchNormalization its positive factor |γ|/√(σ² + ε), constants their magnitudes; Conv, Gemm, Add, Concat, pools and
 * movement stay. Weights become inputs, fed as magnitudes; factors between branches become inputs too (see scale.ts).
 * @throws {ModelError} E4001 an operator without a rule on the way, naming the node.
 */
export function linearize(source: Model, ranks: ReadonlyMap<string, number>): LinearNetwork {
  const model = cloneModel(source);
  const { graph } = model;
  // Paths are positive float32 numbers from end to end: casts between float types are identities.
  graph.inputs = graph.inputs.map(asFloat32);
  graph.outputs = graph.outputs.map(asFloat32);
  // Integers do not flow: the first output of floats is scored, fed by the inputs of floats.
  const float = graph.outputs.find(({ dtype }) => dtype === undefined || dtype === "float32") ?? graph.outputs[0]!;
  graph.outputs = [float];
  removeDead(graph);
  const order = topologicalOrder(graph);
  const inputs = requiredInputs(graph).filter(({ dtype }) => dtype === undefined || dtype === "float32");
  const input = (inputs[0] ?? requiredInputs(graph)[0]!).name;
  const work = new Linearization(model, ranks, new Set([input, ...inputs.map(({ name }) => name)]));
  for (const [name, tensor] of graph.initializers) {
    // A mask shuts out: nothing flows through it.
    if (tensor.dtype !== "float32" || !tensor.numbers().some((value) => Math.abs(value) >= MASK)) continue;
    const open = Float32Array.from(tensor.array() as Float32Array, (value) => (Math.abs(value) >= MASK ? 0 : value));
    graph.initializers.set(name, Tensor.float32(tensor.dims, open));
  }
  graph.nodes = [];
  for (const node of order) work.add(node);
  const output = graph.outputs[0]!.name;
  graph.outputs = [];
  sortNodes(graph);
  return { model, input, output, rules: work.rules };
}

class Linearization {
  readonly rules: ScaleRule[] = [];
  readonly #builder: GraphBuilder;

  constructor(
    readonly model: Model,
    readonly ranks: ReadonlyMap<string, number>,
    /** Values that depend on the model's input. */
    readonly active: Set<string>,
  ) {
    this.#builder = new GraphBuilder(model.graph);
  }

  add(node: Node): void {
    const active = node.inputs.filter((value) => this.active.has(value));
    if (active.length === 0 || factsOf(node)?.readsShape) {
      this.model.graph.nodes.push(node);
      return;
    }
    const rule = node.domain === "" ? LINEAR_RULES.get(node.opType) : undefined;
    if (!rule) throw unsupported(node, "has no place in a network of positive paths");
    const outputs = node.outputs.filter((value) => value !== "");
    for (const value of outputs) this.active.add(value);
    switch (rule) {
      case "pass":
        this.#pass(node, active[0]!);
        break;
      case "keep":
        if (active[0] !== node.inputs[0] || active.length > 1)
          throw unsupported(node, "reads an activation as a position or size");
        this.model.graph.nodes.push(node);
        this.rules.push({ kind: "pass", input: active[0]!, outputs });
        break;
      case "normalize":
        this.#normalize(node);
        break;
      case "layer":
        this.#layer(node, active);
        break;
      case "divide":
      case "multiply":
        this.#product(node, active, rule);
        break;
      default:
        this.#join(node, active, rule);
    }
  }

  #pass(node: Node, input: string): void {
    this.#push("Identity", [input], node);
    this.rules.push({ kind: "pass", input, outputs: [node.outputs[0]!] });
  }

  #push(opType: string, inputs: readonly string[], node: Node): void {
    const made = this.#builder.nodes(opType, inputs, {}, { name: labelOf(node) });
    made.outputs[0] = node.outputs[0]!;
  }

  #magnitude(value: string): string {
    return this.#builder.node("Abs", [value], {}, { name: `${value}/magnitude` });
  }

  /** BatchNormalization's factor |γ|/√(σ² + ε) a channel; other normalizations divide by what they read, so |γ| alone. */
  #normalize(node: Node): void {
    const [data = "", gamma = "", , , variance = ""] = node.inputs;
    const floats = (name: string) => this.model.graph.initializers.get(name)?.array() as Float32Array | undefined;
    const scale = floats(gamma);
    const rank = this.ranks.get(data) ?? 4;
    if (!scale) throw unsupported(node, "has a computed scale");
    const spread = isOp(node, "BatchNormalization") ? floats(variance) : undefined;
    if (isOp(node, "BatchNormalization") && !spread) throw unsupported(node, "has no constant running variance");
    const epsilon = attributeOf(node, "epsilon", "float", 1e-5);
    const factor = scale.map((value, i) => Math.abs(value) / (spread ? Math.sqrt(spread[i]! + epsilon) : 1));
    const dims = isOp(node, "LayerNormalization")
      ? this.model.graph.initializers.get(gamma)!.dims
      : [factor.length, ...Array.from({ length: Math.max(0, rank - 2) }, () => 1)];
    this.#push("Mul", [data, this.#builder.constant(Tensor.float32(dims, factor), `${gamma}/factor`)], node);
    const gain = Math.log2(factor.reduce((top, value) => Math.max(top, value), 0));
    this.rules.push({ kind: "pass", input: data, outputs: [node.outputs[0]!], gain });
  }

  #layer(node: Node, active: readonly string[]): void {
    const { graph } = this.model;
    if (active.length > 1) {
      this.#product(node, active, "multiply");
      return;
    }
    const position = node.inputs.indexOf(active[0]!);
    const feeds: LayerFeed[] = [];
    node.inputs = node.inputs.map((name, at) => {
      const tensor = graph.initializers.get(name);
      if (at === position || name === "") return name;
      if (tensor?.dtype !== "float32") return this.#magnitude(name);
      const fed = this.#builder.input(`${labelOf(node)}/${name}`, tensor.dims);
      feeds.push({ input: fed, parameter: name, kind: at === 2 ? "bias" : "weight" });
      return fed;
    });
    graph.nodes.push(node);
    const output = node.outputs[0]!;
    // A scalar that says how large the layer's outputs became, to choose scales by.
    const peak = this.#builder.node("ReduceMax", [output], { keepdims: int(0) }, { name: `${labelOf(node)}/peak` });
    this.rules.push({ kind: "layer", input: active[0]!, output, feeds, peak });
  }

  #product(node: Node, active: readonly string[], rule: "multiply" | "divide"): void {
    const outputs = [node.outputs[0]!];
    if (active.length > 1) {
      if (rule === "divide") throw unsupported(node, "divides by an activation");
      this.model.graph.nodes.push(node);
      const inputs = [node.inputs[0]!, node.inputs[1]!] as const;
      this.rules.push({ kind: "product", inputs, outputs });
      return;
    }
    if (rule === "divide" && node.inputs[0] !== active[0]) throw unsupported(node, "divides by an activation");
    node.inputs = node.inputs.map((value) => (value === active[0] ? value : this.#magnitude(value)));
    this.model.graph.nodes.push(node);
    this.rules.push({ kind: "pass", input: active[0]!, outputs });
  }

  #join(node: Node, active: readonly string[], rule: "add" | "join"): void {
    const comparing = rule === "join" && !isOp(node, "Concat");
    // Max(x, 0), Min(x, 6): an activation written by hand.
    if (comparing && new Set(active).size === 1) {
      this.#pass(node, active[0]!);
      return;
    }
    const factors = new Map<string, string>();
    const constants: string[] = [];
    const scaled = node.inputs.map((value, at) => {
      if (value === "" || (isOp(node, "Where") && at === 0)) return value;
      const factor = this.#builder.input(`${labelOf(node)}/scale_${at}`, []);
      if (this.active.has(value)) factors.set(factor, value);
      else constants.push(factor);
      const own = this.active.has(value) ? value : this.#magnitude(value);
      return this.#builder.node("Mul", [own, factor], {}, { name: `${labelOf(node)}/scaled_${at}` });
    });
    if (rule === "add" && isOp(node, "Sub")) this.#push("Add", scaled, node);
    else {
      node.inputs = scaled;
      this.model.graph.nodes.push(node);
    }
    const inputs = [...factors].map(([factor, value]) => ({ factor, value }));
    this.rules.push({ kind: "join", inputs, constants, outputs: [node.outputs[0]!] });
  }
}

function unsupported(node: Node, why: string): ModelError {
  return new ModelError("E4001", `synflow: ${node.opType} "${labelOf(node)}" ${why}`, {
    node: labelOf(node),
    opType: node.opType,
    hint: "choose method magnitude or taylor for this network",
  });
}
