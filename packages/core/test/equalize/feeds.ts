import type { Model } from "../../src/graph/index.js";
import { createRandom } from "../../src/math/index.js";
import { type HostTensor, zeroFeeds } from "../../src/runtime/index.js";

export { type HostTensor, observeShapes, zeroFeeds as requiredInputFeeds } from "../../src/runtime/index.js";

/** Normal random inputs; `batch` samples. */
export function randomFeeds(model: Model, seed: number, batch = 1): Record<string, HostTensor> {
  const random = createRandom(seed);
  const feeds: Record<string, HostTensor> = {};
  for (const [name, { dtype, dims }] of Object.entries(zeroFeeds(model))) {
    const size = dims.reduce((product, dim) => product * dim, 1) * batch;
    const data = Float32Array.from({ length: size }, () => random.normal());
    feeds[name] = { dtype, dims: [dims[0]! * batch, ...dims.slice(1)], data };
  }
  return feeds;
}
