import type { DType, Graph, Node } from "../graph/index.js";
import { Tensor } from "../graph/index.js";
import { type Encoding, quantizeValues } from "../math/index.js";
import type { Placement } from "./placement.js";

/** A constant that integer operators read beside activations: the offset of an Add, the factor of a Mul. */
export interface ConstantParameters {
  /** Name of the initializer. */
  readonly value: string;
  /** The operators that read it on integers; others keep the float one. */
  readonly readers: ReadonlySet<Node>;
  readonly encoding: Encoding;
  readonly data: Tensor;
}

/** Integers of the constants among the values that have an encoding. */
export function quantizeConstants(
  graph: Graph,
  placement: Placement,
  activations: ReadonlyMap<string, Encoding>,
): ConstantParameters[] {
  const layers = new Set(placement.layers.map(({ node }) => node));
  const operators = [...placement.nodes].filter((node) => !layers.has(node));
  const result: ConstantParameters[] = [];
  for (const [value, encoding] of activations) {
    const tensor = graph.initializers.get(value);
    if (!tensor) continue;
    const readers = new Set(operators.filter((node) => node.inputs.includes(value)));
    const integers = quantizeValues(tensor.array() as Float32Array, encoding, { dims: tensor.dims });
    result.push({ value, readers, encoding, data: Tensor.of(encoding.dtype as DType, tensor.dims, integers) });
  }
  return result;
}
