import fc from "fast-check";
import { expect, it } from "vitest";
import { channelFlow, channelIntervals, cloneModel, removeDeadChannels, sizeOf, validateModel } from "../../src/lab.js";
import { driftOf, shapesOf, valuesOf } from "./helpers.js";
import { RandomNet } from "./random-net.js";

const inputRange = { min: -1, max: 1 };
const run = { seed: 20260101, numRuns: 40 };

/** Channel of an element, by its index along the channel axes. */
function channelOf(flat: number, dims: readonly number[], axes: readonly number[]): number {
  let channel = 0;
  for (const axis of axes) {
    const inner = sizeOf(dims.slice(axis + 1));
    channel = channel * dims[axis]! + (Math.floor(flat / inner) % dims[axis]!);
  }
  return channel;
}

it("intervals hold every value that occurs, and constants are constant", async () => {
  let constants = 0;
  await fc.assert(
    fc.asyncProperty(fc.nat(1e6), async (seed) => {
      const { model } = new RandomNet(seed);
      const shapes = await shapesOf(model);
      const flow = channelFlow(model.graph, shapes);
      const intervals = channelIntervals(flow, shapes, { inputRange });
      const values = await valuesOf(model, seed);
      for (const [name, { low, high }] of intervals) {
        const { axes } = flow.space(name)!;
        const { data, dims } = values[name]!;
        (data as Float32Array).forEach((x, flat) => {
          const channel = channelOf(flat, dims, axes);
          const slack = 2e-6 * Math.max(1, Math.abs(x));
          if (x < low[channel]! - slack || x > high[channel]! + slack) {
            throw new Error(`${name}[${flat}] = ${x} is not in [${low[channel]}, ${high[channel]}]`);
          }
          if (low[channel] === high[channel]) constants++;
        });
      }
    }),
    run,
  );
  expect(constants).toBeGreaterThan(1000);
});

it("the function is preserved, channels leave, and nothing is left to do", async () => {
  const counts = { removed: 0, zeroed: 0, parameters: 0, again: 0 };
  await fc.assert(
    fc.asyncProperty(fc.nat(1e6), fc.constantFrom(1, 4), async (seed, channelMultiple) => {
      const { model } = new RandomNet(seed);
      const before = cloneModel(model);
      const options = { inputRange, channelMultiple };
      const report = await removeDeadChannels({ shapes: await shapesOf(model), ...options })(model, {});
      expect(validateModel(model)).toEqual([]);
      expect(await driftOf(before, model, seed)).toBeLessThan(2e-5);
      const shapes = await shapesOf(model);
      for (const [value, { dims }] of shapes) expect([value, report.shapes.get(value)?.dims]).toEqual([value, dims]);
      expect(report.after.parameters).toBeLessThanOrEqual(report.before.parameters + 16);
      const again = await removeDeadChannels({ shapes, ...options })(cloneModel(model), {});
      counts.again += again.removed.length > 0 ? 1 : 0;
      counts.removed += report.removed.length;
      counts.zeroed += report.zeroed.length;
      counts.parameters += report.before.parameters - report.after.parameters;
    }),
    run,
  );
  // A depthwise convolution of one remaining channel is an ordinary one to the second run: only such may lose more.
  expect(counts.again).toBeLessThan(6);
  expect(counts.removed).toBeGreaterThan(80);
  expect(counts.zeroed).toBeGreaterThan(20);
  expect(counts.parameters).toBeGreaterThan(5000);
});
