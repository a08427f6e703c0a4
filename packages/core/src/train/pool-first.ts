import { attributeOf, type Graph, indexGraph, isOp, sortNodes } from "../graph/index.js";

/**
 * Turns Relu – MaxPool into MaxPool – Relu where nobody else reads the Relu. Both orders give the same numbers, since
 * Relu is monotone; and the same gradients, since a window whose maximum is not positive has none. On a quarter of the
 * elements Relu's gradient costs a quarter: in a step of 128 digits it took 0.66 and 0.39 ms before its two pools. In place.
 */
export function poolBeforeRelu(graph: Graph): void {
  const index = indexGraph(graph);
  for (const relu of graph.nodes) {
    if (!isOp(relu, "Relu")) continue;
    const pool = index.onlyConsumer(relu.outputs[0]!);
    if (!isOp(pool, "MaxPool") || pool.outputs.length > 1) continue;
    // What lies in the padding is −∞: it never wins a window, in either order.
    if (attributeOf(pool, "storage_order", "int", 0) !== 0) continue;
    const [input, between, output] = [relu.inputs[0]!, relu.outputs[0]!, pool.outputs[0]!];
    pool.inputs[0] = input;
    pool.outputs[0] = between;
    relu.inputs[0] = between;
    relu.outputs[0] = output;
    graph.valueInfos.delete(between);
  }
  sortNodes(graph);
}
