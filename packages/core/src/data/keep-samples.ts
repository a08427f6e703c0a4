import { type Dataset, type Sample, subset } from "./dataset.js";

/** Bytes of samples that {@link keepSamples} holds by default: 426 images of 3 × 224 × 224. */
const KEPT_BYTES = 256 * 2 ** 20;

/**
 * The same samples, each read once as long as all kept ones fit into `limit` bytes (default: {@link KEPT_BYTES}); the rest is read
 * every time. For work that goes over the same data many times, where decoding would cost as much as inference.
 */
export function keepSamples(dataset: Dataset, limit = KEPT_BYTES): Dataset {
  if (dataset.kept) return dataset;
  if (dataset.record) return keepRecords(dataset, limit);
  const size = dataset.shape.reduce((product, length) => product * length, 1);
  const kept: (Float32Array | undefined)[] = [];
  let room = Math.floor(limit / (4 * size));
  return {
    ...whole(dataset),
    async fill(index, out, offset) {
      const known = kept[index];
      if (known) return out.set(known, offset);
      await dataset.fill(index, out, offset);
      // Two readers may be after the same sample: it takes its room once.
      if (room <= 0 || kept[index]) return;
      room--;
      kept[index] = out.slice(offset, offset + size);
    },
    kept: true,
  };
}

/** All samples, with everything that is known of them. */
function whole(dataset: Dataset): Dataset {
  return subset(
    dataset,
    Array.from({ length: dataset.length }, (_, index) => index),
  );
}

function keepRecords(dataset: Dataset, limit: number): Dataset {
  const kept: Sample[] = [];
  let room = limit;
  return {
    ...whole(dataset),
    kept: true,
    async record(index) {
      const known = kept[index];
      if (known) return known;
      const sample = await dataset.record!(index);
      const bytes = Object.values(sample).reduce((sum, { data }) => sum + data.byteLength, 0);
      if (bytes <= room) {
        room -= bytes;
        kept[index] = sample;
      }
      return sample;
    },
  };
}
