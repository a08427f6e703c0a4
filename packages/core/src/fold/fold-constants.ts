import { RunError } from "../errors.js";
import { attributeOf, capturedValues, isOp, type Node, subgraphsOf, type Tensor } from "../graph/index.js";
import { factsOf } from "../operators/facts.js";
import { constantValue, predictedBytes, staticShapeValue } from "./constant-value.js";
import type { FoldScope } from "./fold-scope.js";
import { bypass } from "./rewire.js";
import { type ConstantPart, constantPart, runConstants } from "./run-constants.js";

/**
 * Replaces sub-graphs that depend on constants only by their values. Constant nodes, Shape of a static shape and Identity
 * need no runner; everything else is computed by running it.
 */
export async function foldConstants(scope: FoldScope, maxGrowthBytes: number): Promise<void> {
  for (const node of scope.graph.nodes) foldWithoutRunner(scope, node);
  for (const [node, reason] of await foldByRunning(scope, maxGrowthBytes)) {
    if (reason !== "") scope.skip(node, reason);
  }
}

function foldWithoutRunner(scope: FoldScope, node: Node): void {
  const [output = "", ...others] = node.outputs;
  // Damaged files have outputs where the operator has none.
  if (output === "" || others.length > 0) return;
  if (isOp(node, "Identity")) {
    if (scope.constant(node.inputs[0]!) && !scope.wiring.isOutput(output) && bypass(scope, node) === undefined) {
      scope.done(node);
    }
    return;
  }
  const isConstant = isOp(node, "Constant");
  if (!isConstant && !factsOf(node)?.readsShape) return;
  const value = isConstant ? constantValue(node) : staticShapeValue(scope, node);
  if (value === undefined) return;
  if (typeof value === "string") scope.skip(node, value);
  else if (scope.wiring.isOutput(output)) scope.skip(node, `its output "${output}" is a graph output`);
  else store(scope, node, new Map([[output, value]]));
}

function store(scope: FoldScope, node: Node, values: ReadonlyMap<string, Tensor>): void {
  for (const [name, value] of values) scope.graph.initializers.set(name, value);
  scope.wiring.remove(node);
  scope.done(node);
}

/** Computes until no part is left that can be computed; returns the constant nodes that stay, with the reason. */
async function foldByRunning(scope: FoldScope, maxGrowthBytes: number): Promise<Map<Node, string>> {
  for (;;) {
    const kept = new Map<Node, string>();
    const computable = findComputable(scope, maxGrowthBytes, kept);
    const frontier = findFrontier(scope, computable, kept);
    const { runner } = scope.context;
    if (!runner)
      for (const node of frontier.keys()) kept.set(node, "its value has to be computed, and there is no runner");
    if (!runner || frontier.size === 0) return kept;
    const folded = await computeFrontier(scope, computable, frontier, maxGrowthBytes);
    const spent = new Set(computable);
    for (const node of folded) spent.delete(node);
    // What only fed the folded nodes is dead now; the last ones first.
    for (const node of [...spent].reverse()) {
      if (kept.has(node) || node.outputs.some((output) => output !== "" && scope.wiring.reads(output) > 0)) continue;
      scope.wiring.remove(node);
      scope.done(node);
    }
  }
}

/** Nodes that depend on constants only, in graph order; those that must not be folded go to `kept`. */
function findComputable(scope: FoldScope, maxGrowthBytes: number, kept: Map<Node, string>): Node[] {
  const computed = new Set<string>();
  const computable: Node[] = [];
  for (const node of scope.graph.nodes) {
    if (scope.wiring.isRemoved(node) || node.domain !== "") continue;
    const values = [...node.inputs.filter((value) => value !== ""), ...capturedValues(node)];
    const known = (value: string) => computed.has(value) || scope.constant(value) !== undefined;
    if (isOp(node, "Constant")) {
      if (typeof constantValue(node) === "string") continue;
      // Only one that is a graph output is still here; it was reported, and serves other nodes as a known value.
      for (const output of node.outputs) computed.add(output);
      computable.push(node);
      kept.set(node, "");
      continue;
    }
    if (!values.every(known) || (values.length === 0 && factsOf(node)?.kind !== "random")) continue;
    const reason = scope.refused.get(node) ?? whyNotComputable(scope, node, maxGrowthBytes);
    if (reason !== undefined) {
      // A growing operator whose sizes are still to be computed has its turn in the next round.
      if (reason !== "") kept.set(node, reason);
      continue;
    }
    computable.push(node);
    for (const output of node.outputs) computed.add(output);
    const output = node.outputs.find((value) => scope.wiring.isOutput(value));
    if (output !== undefined) kept.set(node, `its output "${output}" is a graph output`);
  }
  return computable;
}

function whyNotComputable(scope: FoldScope, node: Node, maxGrowthBytes: number): string | undefined {
  if (isRandom(scope, node)) return "its result is random";
  const facts = factsOf(node);
  // Folding would store a quantized parameter as float again.
  if (facts?.kind === "quantize") return "quantized parameters stay quantized";
  if (facts?.kind === "loop") return "it may run without end";
  // The result can be far larger than the file, so its size is computed before it is made.
  if (!facts?.grows) return undefined;
  if (!node.inputs.every((value) => value === "" || scope.constant(value))) return "";
  const bytes = predictedBytes(scope, node) ?? 0;
  const inputBytes = node.inputs.reduce((sum, value) => sum + (scope.constant(value)?.byteLength ?? 0), 0);
  return tooLarge(bytes, inputBytes, maxGrowthBytes);
}

function tooLarge(bytes: number, inputBytes: number, maxGrowthBytes: number): string | undefined {
  if (bytes - inputBytes <= maxGrowthBytes) return undefined;
  return `its value takes ${bytes} bytes, more than ${maxGrowthBytes} above the ${inputBytes} it is computed from`;
}

function isRandom(scope: FoldScope, node: Node): boolean {
  if (factsOf(node)?.kind === "random") return true;
  if (isOp(node, "Dropout") && isTrainingDropout(scope, node)) return true;
  return subgraphsOf(node).some((graph) => graph.nodes.some((inner) => isRandom(scope, inner)));
}

/** Training mode is the third input from opset 12 on; before, Dropout always passes its input on. */
export function isTrainingDropout(scope: FoldScope, node: Node): boolean {
  if (attributeOf(node, "is_test", "int", 1) === 0) return true;
  const mode = node.inputs[2] ?? "";
  if (mode === "") return false;
  const value = scope.constant(mode);
  return !value || value.numbers().some((flag) => flag !== 0);
}

/** Values of computable nodes that something else reads: what has to become an initializer. */
function findFrontier(
  scope: FoldScope,
  computable: readonly Node[],
  kept: ReadonlyMap<Node, string>,
): Map<Node, string[]> {
  const inside = new Set(computable.filter((node) => !kept.has(node)));
  const frontier = new Map<Node, string[]>();
  for (const node of inside) {
    const values = node.outputs.filter(
      (value) =>
        value !== "" &&
        (scope.wiring.isCaptured(value) || scope.wiring.readers(value).some((reader) => !inside.has(reader))),
    );
    if (values.length > 0) frontier.set(node, values);
  }
  return frontier;
}

/** Returns the nodes whose values became initializers; the others are refused from now on. */
async function computeFrontier(
  scope: FoldScope,
  computable: readonly Node[],
  frontier: ReadonlyMap<Node, string[]>,
  maxGrowthBytes: number,
): Promise<Node[]> {
  const whole = await tryRun(scope, constantPart(scope, computable, [...frontier.values()].flat()));
  const folded: Node[] = [];
  for (const [node, values] of frontier) {
    const part = constantPart(scope, computable, values);
    // One operator that ONNX Runtime cannot run must not keep the others from being folded.
    const results = typeof whole === "string" ? await tryRun(scope, part) : whole;
    const reason = typeof results === "string" ? results : whyNotStored(scope, part, results, maxGrowthBytes);
    if (reason !== undefined) {
      scope.refused.set(node, reason);
      continue;
    }
    const found = results as Map<string, Tensor>;
    store(scope, node, new Map(values.map((value) => [value, found.get(value)!])));
    folded.push(node);
  }
  return folded;
}

async function tryRun(scope: FoldScope, part: ConstantPart): Promise<Map<string, Tensor | undefined> | string> {
  const { runner, signal } = scope.context;
  try {
    return await runConstants(runner!, scope.model, part, signal);
  } catch (error) {
    if (!(error instanceof RunError) || error.code === "E6005") throw error;
    return `ONNX Runtime cannot compute it (${error.message})`;
  }
}

function whyNotStored(
  scope: FoldScope,
  part: ConstantPart,
  results: ReadonlyMap<string, Tensor | undefined>,
  maxGrowthBytes: number,
): string | undefined {
  let bytes = 0;
  for (const value of part.values) {
    const tensor = results.get(value);
    if (tensor?.byteLength === undefined) return "its value is no tensor of numbers";
    // ONNX Runtime takes one element of any shape while it runs, and of an initializer only a scalar.
    if (tensor.dims.length > 0 && scope.wiring.readers(value).some((reader) => isOp(reader, "Range"))) {
      return "Range takes constants only as scalars, and this one has an axis";
    }
    bytes += tensor.byteLength;
  }
  let inputBytes = 0;
  for (const tensor of part.constants.values()) inputBytes += tensor.byteLength ?? 0;
  return tooLarge(bytes, inputBytes, maxGrowthBytes);
}
