import { channelFlow } from "../../src/channels/index.js";
import { type ScaleClasses, scaleClasses } from "../../src/equalize/index.js";
import type { Model } from "../../src/graph/index.js";
import { createRandom } from "../../src/math/index.js";
import { runner } from "../helpers/runner.js";
import { type HostTensor, observeShapes, requiredInputFeeds } from "./feeds.js";

/** Classes of a model, shapes found by a run. */
export async function classesOf(model: Model): Promise<ScaleClasses> {
  return scaleClasses(channelFlow(model.graph, await observeShapes(model, requiredInputFeeds(model), { runner })));
}

/** Random factors in [1/4, 4] for every free variable. */
export function randomFactors({ classes }: ScaleClasses, seed: number): Float64Array[] {
  const random = createRandom(seed);
  return classes.map(({ pinned }) =>
    Float64Array.from(pinned, (reason) => (reason === undefined ? 4 ** (2 * random.uniform() - 1) : 1)),
  );
}

/** Outputs of a freshly built session, without graph optimizations. */
export async function outputsOf(model: Model, feeds: Record<string, HostTensor>): Promise<Float32Array[]> {
  return runner.using(
    model,
    async (session) =>
      Object.values(await session.run(feeds)).map(({ data }) => Float32Array.from(data as Float32Array)),
    { optimization: "disabled" },
  );
}

/** Largest difference of all outputs, as share of their range. */
export function drift(before: readonly Float32Array[], after: readonly Float32Array[]): number {
  return Math.max(
    ...before.map((expected, k) => {
      const range = Math.max(...expected) - Math.min(...expected);
      return Math.max(...expected.map((value, i) => Math.abs(value - after[k]![i]!))) / range;
    }),
  );
}
