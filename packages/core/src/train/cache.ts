import type { Dataset } from "../data/dataset.js";
import { keepSamples } from "../data/keep-samples.js";
import { sizeOf } from "../graph/index.js";

/**
 * Keeps the samples of a dataset in memory once they were read, for training reads each of them every epoch and
 * decoding an image costs more than a training step of it may. A dataset larger than `limitBytes` is returned as it is.
 */
export function cachedDataset(dataset: Dataset, limitBytes: number): Dataset {
  if (dataset.record) return keepSamples(dataset, limitBytes);
  const size = sizeOf(dataset.shape);
  if (dataset.length * size * 4 > limitBytes) return dataset;
  const samples = new Float32Array(dataset.length * size);
  const known = new Uint8Array(dataset.length);
  const copy = (index: number, out: Float32Array, offset: number) => {
    known[index] = 1;
    out.set(samples.subarray(index * size, (index + 1) * size), offset);
  };
  const { label } = dataset;
  return {
    ...dataset,
    origin: dataset.origin ?? dataset,
    ...(label && { label: label.bind(dataset) }),
    id: (index) => dataset.id(index),
    fill(index, out, offset) {
      if (known[index] === 1) return copy(index, out, offset);
      const reading = dataset.fill(index, samples, index * size);
      if (reading instanceof Promise) return reading.then(() => copy(index, out, offset));
      copy(index, out, offset);
    },
  };
}
