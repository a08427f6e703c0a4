import type { Dim, Graph, Model, ValueInfo } from "./document.js";
import type { DType } from "./dtype.js";
import { requiredInputs } from "./edit.js";

/** What an input is to a sample: its own `data`, a `state` that begins at zero, or a `constant` of all samples. */
export type InputRole = "data" | "state" | "constant";

/** One value that a network takes or gives. */
export interface SignatureValue {
  readonly name: string;
  /** Undefined where the file does not say. */
  readonly dtype: DType | undefined;
  /** Sizes; one that is left open is its name, or undefined. The whole is undefined where the rank is unknown. */
  readonly dims: readonly Dim[] | undefined;
}

export interface SignatureInput extends SignatureValue {
  readonly role: InputRole;
  /** For integers that choose rows of a table (tokens): how many it has. */
  readonly limit?: number;
}

/** What a network takes and gives. Sequences and optional values are no tensors: they are never fetched. */
export interface Signature {
  readonly inputs: readonly SignatureInput[];
  readonly outputs: readonly SignatureValue[];
}

/** States of recurrent networks go by these names in what PyTorch, Keras and sherpa write. */
const STATE_NAME =
  /^(h|c|h0|c0|hn|cn|h_?in|c_?in|state\w*|hidden\w*|cell\w*|\w*[_.-](h|c|state|hidden|cell|cache)|cache\w*|past\w*)$/i;

/**
 * Reads what a network takes and gives. An input is a state where it goes by a state's name, its sizes but one are fixed, and another
 * input is left to be the data; a number without dimensions is a constant. `roles` overrules both. `sizes` are those
 * of open dimensions, by name.
 */
export function signatureOf(
  { graph }: Model,
  roles: Readonly<Record<string, InputRole>> = {},
  sizes: Readonly<Record<string, number>> = {},
): Signature {
  const inputs = requiredInputs(graph);
  const isState = ({ name, shape }: ValueInfo) => STATE_NAME.test(name) && shape !== undefined && shape.length > 1;
  const named = inputs.filter(isState);
  const states = new Set(named.length < inputs.length ? named : []);
  return {
    inputs: inputs.map((info) => ({
      ...described(info, sizes),
      ...limitOf(graph, info),
      role: roles[info.name] ?? (states.has(info) ? "state" : info.shape?.length === 0 ? "constant" : "data"),
    })),
    outputs: graph.outputs.map((info) => described(info, sizes)),
  };
}

function described({ name, dtype, shape }: ValueInfo, sizes: Readonly<Record<string, number>>): SignatureValue {
  return { name, dtype, dims: shape?.map((dim) => (typeof dim === "string" ? (sizes[dim] ?? dim) : dim)) };
}

/** Rows of the table whose rows an input chooses. */
function limitOf({ nodes, initializers }: Graph, { name }: ValueInfo): { limit?: number } {
  for (const { opType, inputs, attributes } of nodes) {
    const table = opType === "Gather" && inputs[1] === name ? initializers.get(inputs[0]!) : undefined;
    const axis = attributes.get("axis");
    if (table) return { limit: table.dims[axis?.type === "int" ? axis.value : 0]! };
  }
  return {};
}

/** Whether a size is said. */
export function isFixed(dim: Dim): dim is number {
  return typeof dim === "number" && dim > 0;
}
