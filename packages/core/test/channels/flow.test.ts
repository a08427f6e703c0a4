import { describe, expect, it } from "vitest";
import { channelFlow } from "../../src/channels/index.js";
import { exposeValues, observeShapes } from "../../src/runtime/index.js";
import { randomFeeds } from "../equalize/feeds.js";
import { BLOCKS, randomNetwork } from "../equalize/random-network.js";
import { runner } from "../helpers/runner.js";

/**
 * Independent reference: change one input channel of a node and see which output channels change. Only nodes with
 * one activation in and one out, where the runtime alone decides.
 */
describe("channel links are exactly what the runtime shows", () => {
  for (const block of Object.keys(BLOCKS)) {
    it(`in ${block}`, async () => {
      const { model } = randomNetwork(3, [block]);
      const feeds = randomFeeds(model, 4);
      const shapes = await observeShapes(model, feeds, { runner });
      const flow = channelFlow(model.graph, shapes);
      const nodes = flow.nodes.filter(
        ({ links, inputs, outputs }) => links.length === 1 && inputs.length === 1 && outputs.length === 1,
      );
      expect(nodes.length).toBeGreaterThan(0);
      const values = nodes.flatMap(({ inputs, outputs }) => [...inputs, ...outputs]);
      const seen = await runner.using(exposeValues(model, [...new Set(values)]), (session) => session.run(feeds));
      for (const { node, links } of nodes) {
        const { input, output, from, to } = links[0]!;
        const single = exposeValues(model, [output]);
        single.graph.nodes = model.graph.nodes.filter((other) => other === node);
        single.graph.inputs = [{ name: input, dtype: "float32", shape: shapes.get(input)!.dims }];
        const expected = new Set([...from].map((channel, k) => `${channel}-${to[k]}`));
        const found = await runner.using(single, async (session) => {
          const pairs = new Set<string>();
          const base = await session.run({ [input]: seen[input]! });
          const space = flow.space(input)!;
          for (let channel = 0; channel < space.count; channel++) {
            const data = Float32Array.from(seen[input]!.data as Float32Array);
            channels(seen[input]!.dims, space.axes).forEach((own, at) => {
              if (own === channel) data[at] = data[at]! + 3 + at / 7;
            });
            const moved = await session.run({ [input]: { ...seen[input]!, data } });
            const target = channels(base[output]!.dims, flow.space(output)!.axes);
            target.forEach((own, at) => {
              if (moved[output]!.data[at] !== base[output]!.data[at]) pairs.add(`${channel}-${own}`);
            });
          }
          return pairs;
        });
        // An activation that is cut off hides a change; whatever does change must be among the links.
        const quiet = ["Relu", "Clip", "MaxPool", "Max"].includes(node.opType);
        for (const pair of found) expect(expected, `${node.opType} ${pair}`).toContain(pair);
        if (!quiet) expect([...found].sort(), node.opType).toEqual([...expected].sort());
      }
    });
  }
});

/** Channel of every element, by plain index arithmetic. */
function channels(dims: readonly number[], axes: readonly number[]): number[] {
  const size = dims.reduce((product, dim) => product * dim, 1);
  return Array.from({ length: size }, (_, flat) => {
    let rest = flat;
    const index = dims.map(() => 0);
    for (let axis = dims.length - 1; axis >= 0; axis--) {
      index[axis] = rest % dims[axis]!;
      rest = Math.floor(rest / dims[axis]!);
    }
    return axes.reduce((channel, axis) => channel * dims[axis]! + index[axis]!, 0);
  });
}
