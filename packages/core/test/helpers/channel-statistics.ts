import { type ActivationStats, type ChannelStats, exposeValues, type HostTensor, type Model } from "../../src/lab.js";
import { runner } from "./runner.js";

interface Sums {
  min: Float64Array;
  max: Float64Array;
  sum: Float64Array;
  squares: Float64Array;
  count: number;
}

/**
 * Channel statistics by brute force, a reference independent of calibration: every value becomes an output and every
 * element is looked at. Channels along axis 1, along the last axis up to rank 2.
 */
export async function naiveStatistics(
  model: Model,
  batches: Iterable<Record<string, HostTensor>>,
  only?: ReadonlySet<string>,
): Promise<ActivationStats> {
  const made = model.graph.nodes.flatMap(({ outputs }) => outputs.filter((output) => output !== ""));
  const values = [...new Set(made)].filter((value) => !only || only.has(value));
  const sums = new Map<string, Sums>();
  await runner.using(exposeValues(model, values), async (session) => {
    for (const feeds of batches) {
      const fetched: Record<string, HostTensor> = { ...(await session.run(feeds)), ...feeds };
      for (const [value, tensor] of Object.entries(fetched)) {
        if (tensor.dtype === "float32") accumulate(sums, value, tensor);
      }
    }
  });
  const stats = new Map<string, ChannelStats>();
  for (const [value, { min, max, sum, squares, count }] of sums) {
    stats.set(value, { min, max, mean: sum.map((x) => x / count), meanSquare: squares.map((x) => x / count) });
  }
  return stats;
}

function accumulate(all: Map<string, Sums>, value: string, { dims, data }: HostTensor): void {
  const axis = dims.length === 0 ? -1 : Math.min(1, dims.length - 1);
  const channels = axis < 0 ? 1 : dims[axis]!;
  const inner = dims.slice(axis + 1).reduce((product, dim) => product * dim, 1);
  let own = all.get(value);
  if (!own) {
    own = {
      min: new Float64Array(channels).fill(Number.POSITIVE_INFINITY),
      max: new Float64Array(channels).fill(Number.NEGATIVE_INFINITY),
      sum: new Float64Array(channels),
      squares: new Float64Array(channels),
      count: 0,
    };
    all.set(value, own);
  }
  const elements = data as Float32Array;
  for (let flat = 0; flat < elements.length; flat++) {
    const channel = Math.floor(flat / inner) % channels;
    const x = elements[flat]!;
    if (x < own.min[channel]!) own.min[channel] = x;
    if (x > own.max[channel]!) own.max[channel] = x;
    own.sum[channel] = own.sum[channel]! + x;
    own.squares[channel] = own.squares[channel]! + x * x;
  }
  own.count += elements.length / channels;
}
