import { GraphBuilder, type Model, type Node, partOf, removeDead } from "../graph/index.js";
import type { ObservedType } from "../runtime/index.js";
import { exposeMean } from "./means.js";
import type { WalkStep } from "./walk.js";

/** The part of a model that one step runs: kept values in, the mean of the layer's output and new cut values out. */
export function segmentModel(
  source: Model,
  step: WalkStep,
  layer: Node,
  types: ReadonlyMap<string, ObservedType>,
  batch: number,
): { model: Model; mean: string } {
  const model = partOf(
    source,
    source.graph.nodes.filter((node) => step.nodes.has(node)),
  );
  const { graph } = model;
  graph.inputs = step.feeds.map((name) => {
    const { dtype, dims } = types.get(name)!;
    // Where the first dimension is not the batch, any other may depend on it.
    return { name, dtype, shape: dims.map((dim, axis) => (axis > 0 && dims[0] === batch ? dim : undefined)) };
  });
  graph.outputs = step.keep.map((name) => ({ name, dtype: types.get(name)!.dtype, shape: undefined }));
  const mean = exposeMean(new GraphBuilder(graph), layer);
  removeDead(graph);
  return { model, mean };
}
