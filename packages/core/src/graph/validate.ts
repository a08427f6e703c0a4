import { ModelError } from "../errors.js";
import { type Graph, labelOf, type Model, type Node, subgraphsOf } from "./document.js";
import { topologicalOrder } from "./index-graph.js";

/** One defect of a model, with the place it is at. */
export interface ValidationIssue {
  readonly message: string;
  readonly node?: string;
  readonly tensor?: string;
}

/**
 * Checks what every later step relies on: each value made once and before it is read, no cycle, no missing input,
 * an opset for every domain in use. Returns all defects found.
 */
export function validateModel(model: Model): ValidationIssue[] {
  const issues: ValidationIssue[] = [];
  if (model.graph.outputs.length === 0) issues.push({ message: "the graph has no output" });
  if (!model.opsets.has("")) issues.push({ message: "no opset of the standard domain is declared" });
  validateGraph(model.graph, new Set(), model, issues);
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

function validateGraph(graph: Graph, outer: ReadonlySet<string>, model: Model, issues: ValidationIssue[]): void {
  const known = new Set(outer);
  const declared = new Set<string>();
  for (const { name } of graph.inputs) {
    if (declared.has(name)) issues.push({ message: `input "${name}" is declared twice`, tensor: name });
    declared.add(name);
    known.add(name);
  }
  for (const name of graph.initializers.keys()) known.add(name);
  const made = new Set<string>();
  for (const node of graph.nodes) {
    if (!model.opsets.has(node.domain)) issues.push(at(node, `uses domain "${node.domain}", which has no opset`));
    for (const output of node.outputs) {
      if (output === "") continue;
      if (made.has(output) || declared.has(output) || graph.initializers.has(output)) {
        issues.push({ ...at(node, `makes value "${output}", which exists already`), tensor: output });
      }
      made.add(output);
    }
  }
  const all = new Set([...known, ...made]);
  for (const node of graph.nodes) {
    for (const input of node.inputs) {
      if (input !== "" && !all.has(input))
        issues.push({ ...at(node, `reads value "${input}", which nobody makes`), tensor: input });
    }
    for (const inner of subgraphsOf(node)) validateGraph(inner, all, model, issues);
  }
  for (const { name } of graph.outputs) {
    if (!all.has(name)) issues.push({ message: `output "${name}" is made by no node`, tensor: name });
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

function at(node: Node, what: string): ValidationIssue {
  return { message: `node "${labelOf(node)}" (${node.opType}) ${what}`, node: labelOf(node) };
}
