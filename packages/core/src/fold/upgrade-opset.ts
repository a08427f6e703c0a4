import { ModelError, OptionsError, rejectUnknownOptions } from "../errors.js";
import {
  capturedValues,
  cloneModel,
  type Graph,
  isOp,
  labelOf,
  type Model,
  NameAllocator,
  type Node,
  subgraphsOf,
  type Tensor,
  validateModel,
} from "../graph/index.js";
import { inferStaticTypes, type StaticTypes } from "../operators/static-types.js";
import type { Transform, TransformReport } from "../runtime/index.js";
import { fold } from "./fold.js";
import { dropInputDefaults } from "./fold-scope.js";
import { UPGRADE_RULES, type UpgradeContext, WITHDRAWN_OPERATORS } from "./upgrade-rules.js";

/** Options for {@link upgradeOpset}. */
export interface UpgradeOptions {
  /** Opset that models below 13 are raised to, 13–17. Default: 17, the one equant itself generates. */
  target?: number;
}

const UPGRADE_DEFAULTS = { target: 17 } as const satisfies Required<UpgradeOptions>;

/** What {@link upgradeOpset} did. */
export interface UpgradeReport extends TransformReport {
  readonly transform: "upgradeOpset";
  readonly from: number;
  readonly to: number;
  /** Nodes that had to be rewritten, by their old operator. */
  readonly changed: Readonly<Record<string, number>>;
}

/** Every later step reads the operators as they are from this opset on. */
const LEAST_OPSET = 13;
/** Opset 7 introduced today's broadcasting; what came before means something else under the same names. */
const OLDEST_OPSET = 7;
/** The file format that goes with opset 17. */
const IR_VERSION = 8;

/**
 * Raises a model of opset 7 to 12 to `target`, in subgraphs too; the function is unchanged. A model of opset 13 or newer is
 * left as it is. Initializers that are graph inputs stay defaults, except before IR version 4, where they become constants.
 * @throws {OptionsError} E2001 unknown key, E2002 `target` outside 13–17.
 * @throws {ModelError} E4002 the opset is below 7, or a node that cannot be upgraded.
 * @example await transform(model, [upgradeOpset(), fold()], { runner });
 */
export function upgradeOpset(options: UpgradeOptions = {}): Transform<UpgradeReport> {
  rejectUnknownOptions("upgradeOpset", options, Object.keys(UPGRADE_DEFAULTS));
  const target = options.target ?? UPGRADE_DEFAULTS.target;
  if (!(Number.isInteger(target) && target >= LEAST_OPSET && target <= 17)) {
    throw new OptionsError("E2002", `upgradeOpset: invalid target ${target}, expected 13-17`, {
      actual: target,
      expected: "13-17",
    });
  }
  return async (model, context) => {
    const from = model.opsets.get("") ?? 0;
    if (from >= LEAST_OPSET) {
      return { transform: "upgradeOpset", modified: false, skipped: [], from, to: from, changed: {} };
    }
    if (from < OLDEST_OPSET) throw tooOld(from);
    const work = cloneModel(model);
    dropInputDefaults(work, false);
    // The rounding of Resize depends on its scales, which exporters of that time computed from constants.
    if (from < 11 && hasComputedScales(work.graph)) await fold({ kinds: ["constants"] })(work, context);
    const changed: Record<string, number> = {};
    const run = { from, target, names: new NameAllocator(work.graph), changed };
    upgradeGraph(work.graph, run, undefined);
    requireStillValid(model, work, run);
    work.opsets.set("", target);
    Object.assign(model.graph, work.graph);
    model.opsets = work.opsets;
    model.irVersion = Math.max(work.irVersion, IR_VERSION);
    return { transform: "upgradeOpset", modified: true, skipped: [], from, to: target, changed };
  };
}

function hasComputedScales(graph: Graph): boolean {
  return graph.nodes.some(
    (node) =>
      (isOp(node, "Resize") && !graph.initializers.has(node.inputs[1] ?? "")) ||
      subgraphsOf(node).some(hasComputedScales),
  );
}

interface UpgradeRun {
  readonly from: number;
  readonly target: number;
  readonly names: NameAllocator;
  readonly changed: Record<string, number>;
}

interface UpgradeScope {
  readonly types: StaticTypes;
  readonly constant: (value: string) => Tensor | undefined;
}

function upgradeGraph(graph: Graph, run: UpgradeRun, outer: UpgradeScope | undefined): void {
  const inputs = new Set(graph.inputs.map(({ name }) => name));
  const constants = new Map([...graph.initializers].filter(([name]) => !inputs.has(name)));
  const made = new Set(graph.nodes.flatMap((node) => node.outputs));
  for (const node of graph.nodes) {
    const value = node.opType === "Constant" ? node.attributes.get("value") : undefined;
    if (value?.type === "tensor") constants.set(node.outputs[0]!, value.value);
  }
  const constant = (value: string) =>
    constants.get(value) ?? (inputs.has(value) || made.has(value) ? undefined : outer?.constant(value));
  const scope: UpgradeScope = { constant, types: inferStaticTypes(graph, constant, outer?.types) };
  const read = readValues(graph);
  const nodes: Node[] = [];
  for (const node of graph.nodes) {
    const behind: Node[] = [];
    const opType = node.opType;
    const rewritten = upgradeNode(node, run, {
      ...scope,
      graph,
      names: run.names,
      opset: run.from,
      isRead: (value) => read.has(value),
      before: (added) => void nodes.push(added),
      behind: (added) => void behind.push(added),
    });
    if (rewritten) run.changed[opType] = (run.changed[opType] ?? 0) + 1;
    nodes.push(node, ...behind);
    for (const inner of subgraphsOf(node)) upgradeGraph(inner, run, scope);
  }
  graph.nodes = nodes;
}

function readValues(graph: Graph): ReadonlySet<string> {
  const read = new Set(graph.outputs.map(({ name }) => name));
  for (const node of graph.nodes) for (const value of [...node.inputs, ...capturedValues(node)]) read.add(value);
  read.delete("");
  return read;
}

/** Applies the changes between the two opsets to one node; true when there was one. */
function upgradeNode(node: Node, run: UpgradeRun, context: UpgradeContext): boolean {
  if (node.domain !== "") return false;
  if (WITHDRAWN_OPERATORS.has(node.opType)) throw stuck(node, run, "ONNX withdrew this experimental operator");
  if (node.attributes.has("broadcast")) throw stuck(node, run, "attribute broadcast is of opset 6");
  const label = labelOf(node);
  const opType = node.opType;
  let rewritten = false;
  for (const { before, rule } of UPGRADE_RULES.get(opType) ?? []) {
    if (run.from >= before || before > run.target) continue;
    const reason = rule(node, context);
    if (reason !== undefined) throw stuck({ ...node, name: label, opType }, run, reason);
    rewritten = true;
  }
  return rewritten;
}

/** The rules take a node to have the inputs that its operator needs; of a damaged one they would make a graph that is none. */
function requireStillValid(before: Model, after: Model, { from, target }: UpgradeRun): void {
  const [issue] = validateModel(after);
  if (!issue || validateModel(before).length > 0) return;
  throw new ModelError("E4002", `upgradeOpset: opset ${from} cannot be upgraded to ${target}: ${issue.message}`, {
    ...(issue.node !== undefined && { node: issue.node }),
    actual: from,
    expected: target,
    hint: "check the model with onnx.checker: a node lacks an input that its operator needs",
  });
}

function stuck(node: Node, run: UpgradeRun, reason: string): ModelError {
  const what = `node "${labelOf(node)}" (${node.opType})`;
  return new ModelError(
    "E4002",
    `upgradeOpset: ${what} of opset ${run.from} cannot be upgraded to ${run.target}: ${reason}`,
    {
      node: labelOf(node),
      opType: node.opType,
      actual: run.from,
      expected: run.target,
      hint: "export the model again with opset 13 or newer",
    },
  );
}

function tooOld(opset: number): ModelError {
  const found = opset === 0 ? "the model declares no opset of the standard domain" : `opset ${opset} is too old`;
  return new ModelError("E4002", `upgradeOpset: ${found}, expected 7 or newer`, {
    actual: opset,
    expected: ">= 7",
    hint: "export the model again with opset 13 or newer, or convert it with onnx.version_converter to opset 7 first",
  });
}
