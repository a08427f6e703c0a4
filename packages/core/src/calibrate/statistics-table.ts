import { labelOf, type Model } from "../graph/index.js";
import { linearLayers } from "../operators/index.js";
import type { Calibration } from "./calibration.js";

/** A row of the statistics table, as dlquantizer's calibrate returns it (MathWorks' equalization page). */
export interface StatisticsRow {
  readonly optimizedLayerName: string;
  readonly networkLayerName: string;
  readonly kind: "Weights" | "Bias" | "Activations";
  readonly min: number;
  readonly max: number;
}

/** Ranges of weights, biases and activations, layer by layer in the order of the network. */
export function statisticsTable(model: Model, calibration: Calibration): StatisticsRow[] {
  const rows: StatisticsRow[] = [];
  const layers = new Map(linearLayers(model.graph).map((layer) => [layer.node, layer]));
  const activation = (value: string, layer: string) => {
    const statistics = calibration.values.get(value);
    if (!statistics || statistics.count === 0) return;
    const { min, max } = statistics;
    rows.push({ optimizedLayerName: `${layer}_Activations`, networkLayerName: layer, kind: "Activations", min, max });
  };
  for (const { name } of model.graph.inputs) if (!model.graph.initializers.has(name)) activation(name, name);
  for (const node of model.graph.nodes) {
    const layer = layers.get(node);
    const name = labelOf(node);
    const learnables = layer
      ? ([
          ["Weights", layer.weight],
          ["Bias", layer.bias],
        ] as const)
      : [];
    for (const [kind, tensor] of learnables) {
      if (tensor === undefined) continue;
      const values = model.graph.initializers.get(tensor)!.array() as Float32Array;
      let min = Number.POSITIVE_INFINITY;
      let max = Number.NEGATIVE_INFINITY;
      for (const value of values) {
        if (value < min) min = value;
        if (value > max) max = value;
      }
      rows.push({ optimizedLayerName: `${name}_${kind}`, networkLayerName: name, kind, min, max });
    }
    for (const output of node.outputs) if (output !== "") activation(output, name);
  }
  return rows;
}
