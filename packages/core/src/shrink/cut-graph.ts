import type { ChannelFlow, NodeFlow, ObservedShapes } from "../channels/flow.js";
import { int, type Model, NameAllocator, Tensor } from "../graph/index.js";
import { axisOf } from "../operators/attributes.js";
import { factsOf } from "../operators/facts.js";
import { type LinearLayer, linearLayerOf } from "../operators/index.js";
import { cutAxis, cutWeight, type Kept } from "./cut-tensor.js";
import { isElementwise, slicePosition } from "./removal-obstacles.js";

/** Sizes of all values after channels were removed. */
export type CutShapes = Map<string, { dims: readonly number[]; dtype?: Tensor["dtype"] | undefined }>;

/** Removes channels from every constant, size and attribute that counts them. In place. */
export class GraphCutter {
  readonly #names: NameAllocator;
  /** New constants by what they were cut from and how, so that readers of one constant share the result. */
  readonly #made = new Map<string, string>();

  constructor(
    readonly model: Model,
    readonly flow: ChannelFlow,
    readonly shapes: ObservedShapes,
    readonly kept: ReadonlyMap<string, Int32Array>,
  ) {
    this.#names = new NameAllocator(model.graph);
  }

  /** @returns the sizes of all values afterwards. */
  run(): CutShapes {
    for (const node of this.flow.nodes) {
      if ([...node.inputs, ...node.outputs].some((value) => this.kept.has(value))) this.#cutNode(node);
    }
    return this.#updateShapes();
  }

  #cutNode(flowNode: NodeFlow): void {
    const { node, inputs, outputs, layer } = flowNode;
    if (layer) {
      this.#cutLayer(layer);
      return;
    }
    const input = this.kept.get(inputs[0]!);
    const output = this.kept.get(outputs[0]!);
    const axis = this.flow.space(inputs[0]!)!.axes[0]!;
    const parameters = factsOf(node)?.byChannel;
    if (parameters) {
      for (const position of parameters)
        this.#replace(flowNode, position, input, (tensor) => cutAxis(tensor, 0, input));
    } else if (isElementwise(node)) {
      this.#cutOperands(flowNode, output);
    } else if (node.opType === "Slice") {
      const at = slicePosition(this.flow, node, axis, this.#rank(inputs[0]!));
      if (at >= 0) this.#cutSlice(flowNode, at);
    } else if (node.opType === "Split") {
      this.#cutSplit(flowNode);
    } else if (node.opType === "Reshape" || node.opType === "Expand") {
      this.#cutSizes(flowNode, 1, output);
    } else if (node.opType === "Resize") {
      this.#cutSizes(flowNode, 3, output);
    } else if (node.opType === "Gather") {
      this.#cutGather(flowNode, input, output);
    }
  }

  #cutLayer(layer: LinearLayer): void {
    const { node } = layer;
    const inputs = this.kept.get(layer.input);
    const outputs = this.kept.get(layer.output);
    const current = linearLayerOf(this.model.graph, node) ?? layer;
    const { weight, group } = cutWeight(current, inputs, outputs);
    this.#set(
      node,
      1,
      weight,
      `${signature(inputs)}/${signature(outputs)}/${layer.opType}${layer.group}${layer.outAxis}`,
    );
    if (group !== layer.group) node.attributes.set("group", int(group));
    const bias = layer.opType === "MatMul" ? undefined : this.#constant(node.inputs[2] ?? "");
    if (!bias || !outputs || bias.dims.at(-1) !== layer.outChannels) return;
    this.#set(node, 2, cutAxis(bias, bias.dims.length - 1, outputs), signature(outputs));
  }

  /** Constants of an elementwise operator: those that have the channel axis lose the channels of the output. */
  #cutOperands(flowNode: NodeFlow, output: Kept): void {
    const axis = this.flow.space(flowNode.outputs[0]!)!.axes[0]!;
    const rank = this.#rank(flowNode.outputs[0]!);
    flowNode.node.inputs.forEach((_, position) => {
      this.#replace(flowNode, position, output, (tensor) => {
        const own = axis - (rank - tensor.dims.length);
        return own < 0 || tensor.dims[own] === 1 ? tensor : cutAxis(tensor, own, output);
      });
    });
  }

  #cutSlice({ node, inputs, outputs, links }: NodeFlow, at: number): void {
    const before = this.kept.get(inputs[0]!);
    const count = this.#count(outputs[0]!);
    // The first channel that stays on both sides tells where the part begins now.
    const link = links[0]!;
    const sources = new Map(Array.from(link.to, (to, k) => [to, link.from[k]!]));
    const first = sources.get(this.kept.get(outputs[0]!)?.[0] ?? 0)!;
    const start = before ? before.indexOf(first) : first;
    this.#set(node, 1, withEntry(this.#constant(node.inputs[1]!)!, at, start), `${at}=${start}`);
    this.#set(node, 2, withEntry(this.#constant(node.inputs[2]!)!, at, start + count), `${at}=${start + count}`);
  }

  #cutSplit({ node, inputs, outputs }: NodeFlow): void {
    const axis = this.flow.space(inputs[0]!)!.axes[0]!;
    const dims = this.shapes.get(inputs[0]!)!.dims;
    // Only a Split along channels changes its sizes.
    if (node.outputs.every((value) => value === "" || this.shapes.get(value)!.dims[axis] === dims[axis])) return;
    const sizes = node.outputs.map((value) => (outputs.includes(value) ? this.#count(value) : 0));
    node.attributes.delete("num_outputs");
    const name = this.#names.allocate(`${node.name || node.outputs[0]}_sizes`);
    this.model.graph.initializers.set(name, Tensor.int64([sizes.length], sizes));
    node.inputs = [node.inputs[0]!, name];
  }

  /** A constant list of sizes that says how many channels the output has. 0 and −1 follow by themselves. */
  #cutSizes({ node, outputs }: NodeFlow, position: number, output: Kept): void {
    const tensor = this.#constant(node.inputs[position] ?? "");
    if (!output || !tensor || tensor.size === 0) return;
    const at = this.flow.space(outputs[0]!)!.axes[0]! - (this.#rank(outputs[0]!) - tensor.size);
    const old = tensor.numbers()[at];
    if (at < 0 || old === undefined || old === -1 || (old === 1 && output.length !== 1)) return;
    if (old === 0 && node.opType === "Reshape" && this.#copiesChannels(node.inputs[0]!, at)) return;
    this.#set(node, position, withEntry(tensor, at, output.length), `${at}=${output.length}`);
  }

  /** Whether the input counts channels along this axis too, so that copying its size is right. */
  #copiesChannels(input: string, axis: number): boolean {
    return this.flow.space(input)?.axes[0] === axis;
  }

  #cutGather({ node, inputs, outputs, links }: NodeFlow, input: Kept, output: Kept): void {
    const axis = this.flow.space(inputs[0]!)!.axes[0]!;
    const dims = this.shapes.get(inputs[0]!)!.dims;
    if (axisOf(node, dims.length, 0) !== axis) return;
    const link = links[0]!;
    const sources = new Map(Array.from(link.to, (to, k) => [to, link.from[k]!]));
    const rows = output ?? Int32Array.from({ length: this.#count(outputs[0]!) }, (_, k) => k);
    const picked = Array.from(rows, (to) => (input ? input.indexOf(sources.get(to)!) : sources.get(to)!));
    this.#set(node, 1, Tensor.int64([picked.length], picked), picked.join(","));
  }

  #updateShapes(): CutShapes {
    const result: CutShapes = new Map(this.shapes);
    const { valueInfos } = this.model.graph;
    for (const [value, kept] of this.kept) {
      const axis = this.flow.space(value)!.axes[0]!;
      const cut = <T>(dims: readonly T[]) =>
        dims.map((dim, k) => (k === axis && typeof dim === "number" ? kept.length : dim));
      const known = result.get(value)!;
      result.set(value, { ...known, dims: cut(known.dims) });
      const info = valueInfos.get(value);
      if (info?.shape) valueInfos.set(value, { ...info, shape: cut(info.shape) });
    }
    for (const [name, { dims, dtype }] of this.model.graph.initializers) result.set(name, { dims, dtype });
    return result;
  }

  #replace({ node }: NodeFlow, position: number, kept: Kept, cut: (tensor: Tensor) => Tensor): void {
    const tensor = this.#constant(node.inputs[position] ?? "");
    if (!tensor || !kept) return;
    const result = cut(tensor);
    if (result !== tensor) this.#set(node, position, result, signature(kept));
  }

  /** Gives an input a new constant: under its old name where nobody else reads that, else under a new one. */
  #set(node: NodeFlow["node"], position: number, tensor: Tensor, how: string): void {
    const { initializers } = this.model.graph;
    const old = node.inputs[position]!;
    const { index } = this.flow;
    if (initializers.has(old) && index.uses(old).length === 1 && !index.isOutput(old) && !index.isInput(old)) {
      initializers.set(old, tensor);
      return;
    }
    const key = `${old}|${how}|${tensor.dims.join(",")}`;
    let name = this.#made.get(key);
    if (name === undefined) {
      name = this.#names.allocate(old);
      initializers.set(name, tensor);
      this.#made.set(key, name);
    }
    node.inputs[position] = name;
  }

  #constant(value: string): Tensor | undefined {
    return this.model.graph.initializers.get(value) ?? this.flow.constant(value);
  }

  #rank(value: string): number {
    return this.shapes.get(value)?.dims.length ?? 0;
  }

  /** Channels of a value afterwards. */
  #count(value: string): number {
    return this.kept.get(value)?.length ?? this.flow.space(value)!.count;
  }
}

function signature(kept: Kept): string {
  return kept ? kept.join(",") : "all";
}

/** A list of whole numbers with one entry changed; the others keep every bit. */
function withEntry(tensor: Tensor, at: number, value: number): Tensor {
  const data = tensor.array().slice();
  if (data instanceof BigInt64Array) data[at] = BigInt(value);
  else data[at] = value as never;
  return Tensor.of(tensor.dtype, tensor.dims, data);
}
