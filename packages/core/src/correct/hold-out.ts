import { type Dataset, subset } from "../data/index.js";

/** From this many samples on, a quarter of them is kept back to check the effect on. */
const HOLD_OUT_FROM = 16;

/** Every fourth sample checks, the others are learned from: both parts take sorted class folders alike. */
export function splitSamples(dataset: Dataset): { learn: Dataset; check: Dataset; heldOut: boolean } {
  if (dataset.length < HOLD_OUT_FROM) return { learn: dataset, check: dataset, heldOut: false };
  const indices = Array.from({ length: dataset.length }, (_, at) => at);
  const part = (checks: boolean) =>
    subset(
      dataset,
      indices.filter((at) => (at % 4 === 3) === checks),
    );
  return { learn: part(false), check: part(true), heldOut: true };
}
