import { ModelError } from "../errors.js";
import { type DType, type Graph, type Model, requiredInputs, type TypedArray } from "../graph/index.js";
import { type HostTensor, type ObservedType, observeShapes, type Runner } from "../runtime/index.js";

/** Element types and shapes of values; a dimension that changes with the batch is {@link VARIES}. */
export type KnownShapes = ReadonlyMap<string, ObservedType>;

/** Stands for a dimension that is not the same in every run. The value is that of ONNX's Reshape: «take what is left». */
export const VARIES = -1;

/**
 * Shapes of every value for any batch size, seen in two runs on zeros: dimensions that differ vary with the batch.
 * A model whose inputs have no free dimension is run once.
 *
 * @param batch Size given to free dimensions in the first run; the second takes one more. Default: 2.
 * @param sample What the network is fed: free dimensions behind the first have its sizes, and do not vary.
 * @throws {ModelError} E3003 an input without a declared type and shape. @throws {RunError} E6003, E6004 the model does not run.
 */
export async function observeBatchShapes(
  runner: Runner,
  model: Model,
  batch = 2,
  sample: Readonly<Record<string, HostTensor>> = {},
): Promise<KnownShapes> {
  const first = await observeShapes(model, freeFeeds(model.graph, batch, sample), { runner });
  const free = requiredInputs(model.graph).some(({ shape }) => shape?.some((dim) => typeof dim !== "number"));
  if (!free) return first;
  const second = await observeShapes(model, freeFeeds(model.graph, batch + 1, sample), { runner });
  const shapes = new Map<string, ObservedType>();
  for (const [name, { dtype, dims }] of first) {
    const other = second.get(name);
    // A value whose rank changes has no shape to speak of: its readers ask at run time.
    if (other?.dims.length !== dims.length) continue;
    shapes.set(name, { dtype, dims: dims.map((dim, axis) => (dim === other.dims[axis] ? dim : VARIES)) });
  }
  return shapes;
}

/** Zeros for every required input: of `size` along the first dimension, and of the sample's sizes along others, that the model leaves open. */
function freeFeeds(
  graph: Graph,
  size: number,
  sample: Readonly<Record<string, HostTensor>>,
): Record<string, HostTensor> {
  const feeds: Record<string, HostTensor> = {};
  for (const { name, dtype, shape } of requiredInputs(graph)) {
    if (!shape || !dtype) {
      throw new ModelError("E3003", `shapes: input "${name}" has no declared type and shape`, { tensor: name });
    }
    const known = (axis: number) => (axis > 0 ? sample[name]?.dims[axis] : undefined) ?? size;
    const dims = shape.map((dim, axis) => (typeof dim === "number" && dim > 0 ? dim : known(axis)));
    const count = dims.reduce((product, dim) => product * dim, 1);
    feeds[name] = { dtype, dims, data: zeros(dtype, count) };
  }
  return feeds;
}

function zeros(dtype: DType, count: number): TypedArray {
  if (dtype === "int64") return new BigInt64Array(count);
  if (dtype === "int32") return new Int32Array(count);
  if (dtype === "float64") return new Float64Array(count);
  if (dtype === "uint8" || dtype === "bool") return new Uint8Array(count);
  if (dtype === "int8") return new Int8Array(count);
  return new Float32Array(count);
}

/** What a graph itself says about shapes: initializers, declared inputs and value infos; symbolic dimensions vary. */
export function declaredShapes(graph: Graph): Map<string, ObservedType> {
  const shapes = new Map<string, ObservedType>();
  for (const info of [...graph.valueInfos.values(), ...graph.outputs, ...graph.inputs]) {
    if (!info.shape || !info.dtype) continue;
    const dims = info.shape.map((dim) => (typeof dim === "number" && dim >= 0 ? dim : VARIES));
    shapes.set(info.name, { dtype: info.dtype, dims });
  }
  for (const [name, { dtype, dims }] of graph.initializers) shapes.set(name, { dtype, dims });
  return shapes;
}
