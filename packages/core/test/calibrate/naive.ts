import type { Dataset } from "../../src/data/index.js";
import type { Model } from "../../src/graph/index.js";
import { exposeValues, type HostTensor } from "../../src/runtime/index.js";
import { runner } from "../helpers/runner.js";

/** What calibration should know of a value, by looking at every element. */
export interface NaiveStatistics {
  min: number;
  max: number;
  count: number;
  channels: { min: number[]; max: number[]; sum: number[]; squares: number[]; count: number };
  /** Values by float bits >>> 19, without zeros told from denormals. */
  bins: Map<number, number>;
}

/** Runs sample by sample with every value as output, and looks at each element. */
export async function naiveStatistics(
  model: Model,
  dataset: Dataset,
  values: readonly string[],
): Promise<Map<string, NaiveStatistics>> {
  const result = new Map<string, NaiveStatistics>();
  const size = dataset.shape.reduce((a, b) => a * b, 1);
  const made = values.filter((value) => value !== "input");
  await runner.using(exposeValues(model, made), async (session) => {
    for (let index = 0; index < dataset.length; index++) {
      const data = new Float32Array(size);
      await dataset.fill(index, data, 0);
      const input: HostTensor = { dtype: "float32", dims: [1, ...dataset.shape], data };
      const fetched: Record<string, HostTensor> = { ...(await session.run({ input })), input };
      for (const value of values) look(result, value, fetched[value]!);
    }
  });
  return result;
}

function look(all: Map<string, NaiveStatistics>, value: string, { dims, data }: HostTensor): void {
  const axis = dims.length >= 3 ? 1 : dims.length - 1;
  const channels = dims[axis]!;
  const inner = dims.slice(axis + 1).reduce((a, b) => a * b, 1);
  let own = all.get(value);
  if (!own) {
    const list = (fill: number) => new Array<number>(channels).fill(fill);
    own = {
      min: Infinity,
      max: -Infinity,
      count: 0,
      channels: { min: list(Infinity), max: list(-Infinity), sum: list(0), squares: list(0), count: 0 },
      bins: new Map(),
    };
    all.set(value, own);
  }
  const elements = data as Float32Array;
  const bits = new Uint32Array(elements.buffer, elements.byteOffset, elements.length);
  elements.forEach((x, flat) => {
    const c = Math.floor(flat / inner) % channels;
    own.min = Math.min(own.min, x) + 0;
    own.max = Math.max(own.max, x) + 0;
    own.channels.min[c] = Math.min(own.channels.min[c]!, x) + 0;
    own.channels.max[c] = Math.max(own.channels.max[c]!, x) + 0;
    own.channels.sum[c]! += x;
    own.channels.squares[c]! += x * x;
    const bin = bits[flat]! >>> 19;
    own.bins.set(bin, (own.bins.get(bin) ?? 0) + 1);
  });
  own.count += elements.length;
  own.channels.count += elements.length / channels;
}
