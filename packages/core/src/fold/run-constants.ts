import { capturedValues, createModel, type Model, type Node, Tensor } from "../graph/index.js";
import type { HostTensor, Runner } from "../runtime/index.js";
import type { FoldScope } from "./fold-scope.js";

/** A part of a graph that depends on constants only. */
export interface ConstantPart {
  readonly nodes: readonly Node[];
  readonly constants: ReadonlyMap<string, Tensor>;
  /** Values to compute. */
  readonly values: readonly string[];
}

/** The nodes among `candidates` (in graph order) that the values depend on, and the constants these read. */
export function constantPart(scope: FoldScope, candidates: readonly Node[], values: readonly string[]): ConstantPart {
  const needed = new Set(values);
  const nodes: Node[] = [];
  for (const node of [...candidates].reverse()) {
    if (!node.outputs.some((output) => needed.has(output))) continue;
    nodes.push(node);
    for (const value of [...node.inputs, ...capturedValues(node)]) if (value !== "") needed.add(value);
  }
  const made = new Set(nodes.flatMap((node) => node.outputs));
  const constants = new Map<string, Tensor>();
  for (const value of needed) {
    const tensor = made.has(value) ? undefined : scope.constant(value);
    if (tensor) constants.set(value, tensor);
  }
  return { nodes: nodes.reverse(), constants, values };
}

/**
 * Computes a constant part by running it in ONNX Runtime, literally (optimizations off): the one executor, so a folded
 * constant is what the model itself would have computed.
 * @throws {RunError} E6003 or E6004 when ONNX Runtime cannot run it.
 */
export async function runConstants(
  runner: Runner,
  model: Model,
  part: ConstantPart,
  signal: AbortSignal | undefined,
): Promise<Map<string, Tensor | undefined>> {
  const standard = model.opsets.get("") ?? 0;
  const generated = createModel("constants", standard);
  generated.irVersion = Math.max(4, model.irVersion);
  generated.graph.nodes = [...part.nodes];
  generated.graph.initializers = new Map(part.constants);
  generated.graph.outputs = part.values.map((name) => ({ name }));
  const results = await runner.using(generated, (session) => session.run({}, { signal }), {
    optimization: "disabled",
    purpose: "fold",
  });
  return new Map(part.values.map((name) => [name, toTensor(results[name])]));
}

/** Undefined for what is no numeric tensor. The bytes are copied: the session that made them is gone. */
function toTensor(value: HostTensor | undefined): Tensor | undefined {
  if (!value || !ArrayBuffer.isView(value.data)) return undefined;
  const { buffer, byteOffset, byteLength } = value.data;
  return new Tensor(
    value.dtype,
    [...value.dims],
    new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength).slice(),
  );
}
