import type { Dataset } from "../data/index.js";
import { differentiate, gradientName } from "../gradient/index.js";
import { GraphBuilder, indexGraph, int, isOp, type Model, Tensor } from "../graph/index.js";
import type { LinearLayer } from "../operators/index.js";
import { requireRunner, type TransformContext } from "../runtime/index.js";
import type { ChannelUnits } from "../shrink/channel-units.js";
import { forLabelledBatches, labelsOf, lossNetwork, parameterFeeds } from "./taylor.js";
import type { ParameterValues } from "./weight-scores.js";

/**
 * Taylor scores of channels (Molchanov et al. 2017): mean over the samples of |Σ_positions z·∂L/∂z|, what the loss of a
 * sample changes by, to first order, when channel z becomes 0. A group of coupled channels is switched off as one: the
 * sums of all layers that feed it are added before the magnitude is taken. Behind a layer that ends in
 * BatchNormalization, z is the normalized value.
 */
export async function taylorChannelScores(
  model: Model,
  units: ChannelUnits,
  values: ParameterValues,
  dataset: Dataset,
  context: TransformContext,
): Promise<Map<number, number>> {
  const layers = new Set(
    units.units.flatMap(({ producers }) => {
      // A depthwise layer passes a channel on that another layer made: counted there.
      const makers = producers.filter(({ depthwise }) => !depthwise);
      return makers.length > 0 ? makers : producers.slice(0, 1);
    }),
  );
  const gates = gatesOf(model, [...layers]);
  const names = [...values.keys()];
  const { model: network, loss, shapes } = await lossNetwork(model, names, context);
  const wrt = [...new Set(gates.values())];
  const step = differentiate(network, { loss, wrt, outputs: wrt, shapes });
  const builder = new GraphBuilder(step.graph);
  step.graph.outputs = [];
  const sums = new Map<string, string>();
  for (const gate of wrt) {
    const rank = shapes.get(gate)!.dims.length;
    const name = `taylor/${gate}`;
    let product = builder.node("Mul", [gate, gradientName(gate)], {}, { name });
    if (rank > 2) {
      const axes = Tensor.int64(
        [rank - 2],
        Array.from({ length: rank - 2 }, (_, i) => i + 2),
      );
      product = builder.node(
        "ReduceSum",
        [product, builder.constant(axes, `${name}/axes`)],
        { keepdims: int(0) },
        { name },
      );
    }
    builder.output(product);
    sums.set(gate, product);
  }
  const labels = await labelsOf(model, dataset, context);
  const scores = new Map<number, number>(units.units.flatMap(({ groups }) => groups.map((group) => [group, 0])));
  await requireRunner(context, "prune").using(
    step,
    (session) => {
      const feeds = parameterFeeds(model, values);
      return forLabelledBatches(session, model, dataset, labels, feeds, context, (results, count) => {
        for (const unit of units.units) {
          const own = unit.producers.filter((layer) => layers.has(layer));
          const wanted = new Set(unit.groups);
          for (let sample = 0; sample < count; sample++) {
            const total = new Map<number, number>();
            for (const { output, outChannels } of own) {
              const data = results[sums.get(gates.get(output)!)!]!.data as Float32Array;
              units.groups.ofValue.get(output)!.forEach((group, channel) => {
                if (!wanted.has(group)) return;
                total.set(group, (total.get(group) ?? 0) + data[sample * outChannels + channel]!);
              });
            }
            // The loss is the mean of a batch: a sample's own derivative is `count` times that.
            for (const [group, sum] of total)
              scores.set(group, scores.get(group)! + (Math.abs(sum) * count) / dataset.length);
          }
        }
      });
    },
    { purpose: "taylor" },
  );
  return scores;
}

/** The value to switch off for each layer, by its output: that of a BatchNormalization right behind it, where there is one. */
function gatesOf({ graph }: Model, layers: readonly LinearLayer[]): Map<string, string> {
  const index = indexGraph(graph);
  return new Map(
    layers.map(({ output }) => {
      const next = index.onlyConsumer(output);
      return [output, isOp(next, "BatchNormalization") ? next.outputs[0]! : output];
    }),
  );
}
