import { ModelError } from "../errors.js";
import type { DType } from "./dtype.js";
import type { Tensor } from "./tensor.js";

/** One dimension: a size, a symbolic name, or unknown. */
export type Dim = number | string | undefined;

/** Type of a graph input, output or intermediate value. Immutable: replace it to change it. */
export interface ValueInfo {
  readonly name: string;
  /** Undefined where the value is not a tensor or the file does not say. */
  readonly dtype?: DType | undefined;
  /** Undefined where the rank is unknown. */
  readonly shape?: readonly Dim[] | undefined;
}

/** A node attribute. Immutable. `opaque` holds kinds that equant carries but does not read. */
export type Attribute =
  | { readonly type: "float"; readonly value: number }
  | { readonly type: "int"; readonly value: number }
  | { readonly type: "string"; readonly value: string }
  | { readonly type: "tensor"; readonly value: Tensor }
  | { readonly type: "graph"; readonly value: Graph }
  | { readonly type: "floats"; readonly value: readonly number[] }
  | { readonly type: "ints"; readonly value: readonly number[] }
  | { readonly type: "strings"; readonly value: readonly string[] }
  | { readonly type: "graphs"; readonly value: readonly Graph[] }
  | { readonly type: "opaque"; readonly value: null };

/** What an attribute of kind `K` holds. */
export type AttributeValue<K extends Attribute["type"]> = Extract<Attribute, { type: K }>["value"];

/** One operator call. Values are named, as in ONNX; an empty input name is an absent optional input. */
export interface Node {
  name: string;
  opType: string;
  /** Normalised: the default ONNX domain is "". */
  domain: string;
  inputs: string[];
  outputs: string[];
  attributes: Map<string, Attribute>;
}

/** A graph: nodes in topological order and the constants they read. */
export interface Graph {
  name: string;
  nodes: Node[];
  inputs: ValueInfo[];
  outputs: ValueInfo[];
  initializers: Map<string, Tensor>;
  valueInfos: Map<string, ValueInfo>;
}

/** An ONNX model as a document: everything equant does is a transform of it. */
export interface Model {
  irVersion: number;
  /** Version by domain; the default domain is "". */
  opsets: Map<string, number>;
  graph: Graph;
  metadata: Map<string, string>;
  producerName: string;
  producerVersion: string;
}

/** "" and "ai.onnx" are the same domain. */
export function normalizeDomain(domain: string): string {
  return domain === "ai.onnx" ? "" : domain;
}

/** True for a standard ONNX operator of one of the given types. */
export function isOp(node: Node, ...opTypes: string[]): boolean;
export function isOp(node: Node | undefined, ...opTypes: string[]): node is Node & { domain: "" };
export function isOp(node: Node | undefined, ...opTypes: string[]): boolean {
  return node !== undefined && node.domain === "" && opTypes.includes(node.opType);
}

export const float = (value: number): Attribute => ({ type: "float", value });
export const int = (value: number): Attribute => ({ type: "int", value });
export const ints = (value: readonly number[]): Attribute => ({ type: "ints", value });
export const string = (value: string): Attribute => ({ type: "string", value });
export const tensor = (value: Tensor): Attribute => ({ type: "tensor", value });

/** What {@link createNode} needs; everything else defaults to empty. */
export interface NodeInit {
  opType: string;
  inputs: readonly string[];
  outputs: readonly string[];
  name?: string;
  domain?: string;
  attributes?: Readonly<Record<string, Attribute>>;
}

export function createNode(init: NodeInit): Node {
  return {
    name: init.name ?? "",
    opType: init.opType,
    domain: normalizeDomain(init.domain ?? ""),
    inputs: [...init.inputs],
    outputs: [...init.outputs],
    attributes: new Map(Object.entries(init.attributes ?? {})),
  };
}

export function createGraph(name: string): Graph {
  return { name, nodes: [], inputs: [], outputs: [], initializers: new Map(), valueInfos: new Map() };
}

/** An empty model in the form equant writes: IR version 8, which ONNX Runtime has read since 1.10. */
export function createModel(name: string, opset = 17): Model {
  return {
    irVersion: 8,
    opsets: new Map([["", opset]]),
    graph: createGraph(name),
    metadata: new Map(),
    producerName: "equant",
    producerVersion: "",
  };
}

/** Value of an attribute of a known kind, or `fallback` where the node does not have it. */
export function attributeOf<K extends Attribute["type"], F>(
  node: Node,
  name: string,
  type: K,
  fallback: F,
): AttributeValue<K> | F {
  const attribute = node.attributes.get(name);
  if (!attribute) return fallback;
  if (attribute.type !== type) {
    throw new ModelError(
      "E3003",
      `node "${node.name}" (${node.opType}): attribute ${name} is ${attribute.type}, expected ${type}`,
      {
        node: node.name,
        opType: node.opType,
        expected: type,
        actual: attribute.type,
      },
    );
  }
  return attribute.value as never;
}

/** What a person calls the node: its name, or the operator and its first output where it has none. */
export function labelOf(node: Node): string {
  return node.name || `${node.opType}:${node.outputs.find((output) => output !== "") ?? ""}`;
}

/** Graphs held by a node's attributes (If, Loop, Scan), in attribute order. */
export function subgraphsOf(node: Node): Graph[] {
  const graphs: Graph[] = [];
  for (const attribute of node.attributes.values()) {
    if (attribute.type === "graph") graphs.push(attribute.value);
    else if (attribute.type === "graphs") graphs.push(...attribute.value);
  }
  return graphs;
}
