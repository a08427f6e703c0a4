import { OptionsError } from "../errors.js";
import { createRandom } from "../math/random.js";
import { type Dataset, subset } from "./dataset.js";

/**
 * `samples` samples spread evenly: the i-th is sample floor(i·length / samples). Class folders are in order of class,
 * so an even spread takes every class alike. All samples when there are no more.
 *
 * @throws {OptionsError} E2002 `samples` is not a positive integer.
 */
export function spread(dataset: Dataset, samples: number): Dataset {
  if (!(Number.isInteger(samples) && samples >= 1)) {
    throw new OptionsError("E2002", `data: invalid samples ${samples}, expected a positive integer`, {
      actual: samples,
    });
  }
  const { length } = dataset;
  if (samples >= length) return dataset;
  return subset(
    dataset,
    Array.from({ length: samples }, (_, i) => Math.floor((i * length) / samples)),
  );
}

/** The same samples in a random order that depends on the seed alone. */
export function shuffled(dataset: Dataset, seed: number): Dataset {
  return subset(dataset, Array.from(createRandom(seed).permutation(dataset.length)));
}

/**
 * Splits every class in the same proportion: of a class with n samples, round(fraction·n) drawn at random go to the
 * first part, the rest to the second. Both parts keep the dataset's order. Without labels everything is one class; so it is where the
 * classes are too small to be split, which would leave a part empty (one sample a class).
 *
 * @param fraction Share of the first part, 0–1: 0.7 and 0.75 for training, 0.1 for calibration.
 * @throws {OptionsError} E2002 the fraction is not in (0, 1).
 */
export function splitByClass(dataset: Dataset, fraction: number, seed: number): [Dataset, Dataset] {
  if (!(fraction > 0 && fraction < 1)) {
    throw new OptionsError("E2002", `data: invalid split ${fraction}, expected a share between 0 and 1`, {
      actual: fraction,
    });
  }
  const byClass = drawn(dataset, fraction, seed, (i) => dataset.label?.(i) ?? 0);
  const isSplit = byClass.size > 0 && byClass.size < dataset.length;
  const first = isSplit ? byClass : drawn(dataset, fraction, seed, () => 0);
  const all = Array.from({ length: dataset.length }, (_, i) => i);
  return [
    subset(
      dataset,
      all.filter((i) => first.has(i)),
    ),
    subset(
      dataset,
      all.filter((i) => !first.has(i)),
    ),
  ];
}

/** The samples of the first part, where `classOf` says which of them belong together. */
function drawn(dataset: Dataset, fraction: number, seed: number, classOf: (index: number) => number): Set<number> {
  const classes = new Map<number, number[]>();
  for (let i = 0; i < dataset.length; i++) {
    const label = classOf(i);
    const members = classes.get(label);
    if (members) members.push(i);
    else classes.set(label, [i]);
  }
  const first = new Set<number>();
  for (const [label, members] of classes) {
    // One stream a class: adding a class does not change the draw of the others.
    const order = createRandom(seed, label).permutation(members.length);
    const count = Math.floor(fraction * members.length + 0.5);
    for (const position of order.subarray(0, count)) first.add(members[position]!);
  }
  return first;
}
