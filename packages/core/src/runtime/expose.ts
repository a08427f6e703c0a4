import { ModelError, PreconditionError, RunError } from "../errors.js";
import { cloneModel, type DType, type HostTensor, isFixed, type Model, requiredInputs } from "../graph/index.js";
import { valuesWithoutTensor } from "../operators/tensor-values.js";
import { zeros } from "./feed.js";
import { requireRunner, type TransformContext } from "./transform.js";

/** A copy of the model whose outputs are `values`, which may be intermediate ones. Weights are shared. */
export function exposeValues(model: Model, values: readonly string[]): Model {
  const copy = cloneModel(model);
  const known = new Map([...copy.graph.outputs, ...copy.graph.inputs].map((info) => [info.name, info]));
  copy.graph.outputs = values.map(
    (name) => known.get(name) ?? copy.graph.valueInfos.get(name) ?? { name, dtype: undefined, shape: undefined },
  );
  return copy;
}

/** Element type and sizes of a value, as a run showed them. */
export interface ObservedType {
  readonly dtype: DType;
  readonly dims: readonly number[];
}

/**
 * Types and shapes of every value that is a tensor, found by running the model once on `feeds`: full symbolic inference is never needed.
 * @throws {ModelError} E3003 when the model has no value to observe. @throws {RunError} when the run fails. @throws {PreconditionError} E4005 no runner.
 */
export async function observeShapes(
  model: Model,
  feeds: Readonly<Record<string, HostTensor>>,
  context: TransformContext,
): Promise<Map<string, ObservedType>> {
  const runner = requireRunner(context, "shapes");
  const without = valuesWithoutTensor(model.graph);
  const values = model.graph.nodes.flatMap((node) =>
    node.outputs.filter((output) => output !== "" && !without.has(output)),
  );
  if (values.length === 0) throw new ModelError("E3003", "shapes: the graph has no nodes", {});
  const types = new Map<string, ObservedType>();
  for (const { name } of requiredInputs(model.graph)) {
    const feed = feeds[name];
    if (feed) types.set(name, { dtype: feed.dtype, dims: feed.dims });
  }
  for (const [name, tensor] of model.graph.initializers) types.set(name, { dtype: tensor.dtype, dims: tensor.dims });
  const options = { optimization: "disabled", purpose: "shapes" } as const;
  const results = await runner
    .using(exposeValues(model, [...new Set(values)]), (session) => session.run(feeds), options)
    .catch((error: unknown) => {
      throw tooSmall(model, feeds, error) ?? error;
    });
  for (const [name, tensor] of Object.entries(results)) types.set(name, { dtype: tensor.dtype, dims: tensor.dims });
  return types;
}

/** Where a network does not run because the sizes it leaves open were fed as 1, for want of data: says so. */
function tooSmall(
  model: Model,
  feeds: Readonly<Record<string, HostTensor>>,
  error: unknown,
): PreconditionError | undefined {
  if (!(error instanceof RunError && error.code === "E6004")) return undefined;
  const input = requiredInputs(model.graph).find(({ name, shape }) =>
    shape?.some((dim, axis) => axis > 0 && !isFixed(dim) && feeds[name]?.dims[axis] === 1),
  );
  if (!input) return undefined;
  const message = `shapes: the network does not run where the open sizes of input "${input.name}" are 1, and no data say them`;
  const hint =
    "fix the sizes in the file before this step: the exporter's fixed shapes, or onnxruntime's make_dynamic_shape_fixed";
  return new PreconditionError("E4005", message, { tensor: input.name, hint }, error);
}

/** A feed of zeros for every required input; symbolic and unknown dimensions become 1. */
export function zeroFeeds(model: Model): Record<string, HostTensor> {
  const feeds: Record<string, HostTensor> = {};
  for (const { name, dtype, shape } of requiredInputs(model.graph)) {
    if (!shape || !dtype) {
      throw new ModelError("E3003", `shapes: input "${name}" has no declared type and shape`, { tensor: name });
    }
    feeds[name] = zeros(
      dtype,
      shape.map((dim) => (isFixed(dim) ? dim : 1)),
    );
  }
  return feeds;
}
