import { ModelError } from "../errors.js";
import { type Graph, labelOf, type Model, type Node, subgraphsOf } from "./document.js";
import { topologicalOrder } from "./index-graph.js";
import { carriedValues } from "./proto.js";

/** One defect of a model, with the place it is at. */
export interface ValidationIssue {
  readonly message: string;
  readonly node?: string;
  readonly tensor?: string;
}

/** Values visible to a graph: its own and those of the graphs around it. */
interface Scope {
  readonly own: ReadonlySet<string>;
  readonly outer: Scope | undefined;
}

/**
 * Checks what every later step relies on: each value made once, no missing input, no cycle, an opset for every domain in
 * use. Returns all defects found. What is inside local functions is not looked at.
 */
export function validateModel(model: Model): ValidationIssue[] {
  const issues: ValidationIssue[] = [];
  if (model.graph.outputs.length === 0) issues.push({ message: "the graph has no output" });
  if (model.opsets.size === 0) issues.push({ message: "no opset is declared" });
  if (model.irVersion < 1) issues.push({ message: `IR version ${model.irVersion} does not exist` });
  for (const [domain, version] of model.opsets) {
    if (version < 1) issues.push({ message: `opset ${version} of domain "${domain || "ai.onnx"}" does not exist` });
  }
  validateGraph(model.graph, undefined, model, issues);
  return issues;
}

/** As {@link validateModel}, but throws the first defect as {@link ModelError} E3003. */
export function assertValid(model: Model): void {
  const [issue, ...others] = validateModel(model);
  if (!issue) return;
  const more = others.length > 0 ? ` (and ${others.length} more)` : "";
  throw new ModelError("E3003", `graph: ${issue.message}${more}`, {
    ...(issue.node !== undefined && { node: issue.node }),
    ...(issue.tensor !== undefined && { tensor: issue.tensor }),
    hint: "check the model with onnx.checker and export it again",
  });
}

function validateGraph(graph: Graph, outer: Scope | undefined, model: Model, issues: ValidationIssue[]): void {
  const declared = new Set<string>();
  for (const { name } of graph.inputs) {
    if (name === "") issues.push({ message: "an input has no name" });
    if (declared.has(name)) issues.push({ message: `input "${name}" is declared twice`, tensor: name });
    declared.add(name);
  }
  const constants = new Set(graph.initializers.keys());
  for (const name of carriedValues(graph)) {
    if (constants.has(name)) issues.push({ message: `initializer "${name}" is defined twice`, tensor: name });
    constants.add(name);
  }
  const made = new Set<string>();
  for (const node of graph.nodes) {
    if (node.opType === "") issues.push(at(node, "has no operator type"));
    if (!model.opsets.has(node.domain)) issues.push(at(node, `uses domain "${node.domain}", which has no opset`));
    for (const output of node.outputs) {
      if (output === "") continue;
      const clash = constants.has(output) ? "initializer" : declared.has(output) ? "graph input" : undefined;
      if (clash !== undefined || made.has(output)) {
        const why = clash === undefined ? "which another output makes too" : `which is ${clash} too`;
        issues.push({ ...at(node, `makes value "${output}", ${why}`), tensor: output });
      }
      made.add(output);
    }
  }
  const scope: Scope = { own: new Set([...declared, ...constants, ...made]), outer };
  for (const node of graph.nodes) {
    for (const input of node.inputs) {
      if (input === "" || isVisible(input, scope)) continue;
      issues.push({ ...at(node, `reads value "${input}", which nobody makes`), tensor: input });
    }
    for (const inner of subgraphsOf(node)) validateGraph(inner, scope, model, issues);
  }
  const names = new Set<string>();
  for (const { name } of graph.outputs) {
    if (!isVisible(name, scope)) issues.push({ message: `output "${name}" is made by no node`, tensor: name });
    if (names.has(name)) issues.push({ message: `output "${name}" is declared twice`, tensor: name });
    names.add(name);
  }
  try {
    topologicalOrder(graph);
  } catch (error) {
    if (!(error instanceof ModelError)) throw error;
    issues.push({
      message: error.message.replace(/^graph: /, ""),
      ...(error.details.node && { node: error.details.node }),
    });
  }
}

function isVisible(value: string, scope: Scope): boolean {
  for (let at: Scope | undefined = scope; at; at = at.outer) if (at.own.has(value)) return true;
  return false;
}

function at(node: Node, what: string): ValidationIssue {
  return { message: `node "${labelOf(node)}" (${node.opType}) ${what}`, node: labelOf(node) };
}
