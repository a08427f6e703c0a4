import { expect } from "vitest";
import {
  createRandom,
  exposeValues,
  type HostTensor,
  type Model,
  observeShapes,
  requiredInputs,
  sizeOf,
  zeroFeeds,
} from "../../src/lab.js";
import { runner } from "../helpers/runner.js";

export const shapesOf = (model: Model) => observeShapes(model, zeroFeeds(model), { runner });

/** Uniform random inputs in [−1, 1]. */
export function randomFeeds(model: Model, seed: number, batch = 3): Record<string, HostTensor> {
  const random = createRandom(seed);
  const feeds: Record<string, HostTensor> = {};
  for (const { name, shape } of requiredInputs(model.graph)) {
    const dims = shape!.map((dim) => (typeof dim === "number" ? dim : batch));
    const data = Float32Array.from({ length: sizeOf(dims) }, () => 2 * random.uniform() - 1);
    feeds[name] = { dtype: "float32", dims, data };
  }
  return feeds;
}

/** Outputs of the graph as written, in a session of its own. */
export function outputsOf(model: Model, seed: number, batch = 3): Promise<Record<string, HostTensor>> {
  const feeds = randomFeeds(model, seed, batch);
  return runner.using(model, (session) => session.run(feeds), { optimization: "disabled" });
}

/** Every float value of the graph on random inputs. */
export function valuesOf(model: Model, seed: number, batch = 3): Promise<Record<string, HostTensor>> {
  const names = [...new Set(model.graph.nodes.flatMap(({ outputs }) => outputs.filter(Boolean)))];
  const feeds = randomFeeds(model, seed, batch);
  return runner.using(exposeValues(model, names), async (session) => ({ ...feeds, ...(await session.run(feeds)) }), {
    optimization: "disabled",
  });
}

/** Largest difference of the outputs, as share of their largest magnitude. */
export async function driftOf(before: Model, after: Model, seed: number): Promise<number> {
  const [a, b] = [await outputsOf(before, seed), await outputsOf(after, seed)];
  expect(Object.keys(b)).toEqual(Object.keys(a));
  let drift = 0;
  for (const [name, { data, dims }] of Object.entries(a)) {
    expect(b[name]!.dims).toEqual(dims);
    const values = data as Float32Array;
    const range = values.reduce((top, x) => Math.max(top, Math.abs(x)), 1e-6);
    values.forEach((x, at) => {
      drift = Math.max(drift, Math.abs(x - Number(b[name]!.data[at])) / range);
    });
  }
  return drift;
}
