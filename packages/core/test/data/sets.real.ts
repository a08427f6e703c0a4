import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { batches, checkLabels, splitByClass } from "../../src/data/index.js";
import { openDataset, sharpDecoder } from "../../src/node.js";
import { labelsOf, sampleOf } from "./helpers.js";
import { sharedData } from "./shared.js";

const decode = sharpDecoder(sharp);

/** Sum of all values of the dataset and of their squares, in float64. */
async function moments(dataset: Awaited<ReturnType<typeof openDataset>>) {
  let sum = 0;
  let squares = 0;
  let count = 0;
  for await (const { data } of batches(dataset, { batchSize: 32 })) {
    for (const x of data) {
      sum += x;
      squares += x * x;
    }
    count += data.length;
  }
  return { count, mean: sum / count, power: squares / count };
}

describe("shared data sets", () => {
  // Reference figures: numpy over Pillow's convert("RGB"), see scripts/data-fixtures.py for the versions.
  it("cifar10/calib: pixels equal Pillow's, labels and classes are found", async () => {
    const data = await openDataset(sharedData("cifar10/calib"), { input: { shape: [3, 32, 32] }, decode });
    expect(data).toMatchObject({ length: 1000, format: "labels.csv" });
    expect(data.classNames?.slice(0, 2)).toEqual(["airplane", "automobile"]);
    checkLabels(data, 10);
    const { count, mean, power } = await moments(data);
    expect([count, mean * count, power * count]).toEqual([3072000, 365740473, 56094378587]);
  });

  it("cifar10/calib: 100 samples are ten of each class", async () => {
    const data = await openDataset(sharedData("cifar10/calib"), {
      input: { shape: [3, 32, 32] },
      decode,
      samples: 100,
    });
    const counts = new Array<number>(10).fill(0);
    for (const label of labelsOf(data)) counts[label]!++;
    expect(counts).toEqual(new Array(10).fill(10));
  });

  it("cifar10 enlarged to 224: equals Pillow's bicubic", async () => {
    const data = await openDataset(sharedData("cifar10/calib"), {
      input: { shape: [3, 224, 224] },
      decode,
      samples: 10,
    });
    const { count, mean, power } = await moments(data);
    expect([mean * count, power * count].map(Math.round)).toEqual([165547144, 24527930628]);
  });

  it("imagenet-sample: class list of 1000, labels even", async () => {
    const preprocess = { preset: "tf" } as const;
    const data = await openDataset(sharedData("imagenet-sample"), {
      input: { shape: [3, 224, 224] },
      decode,
      preprocess,
      samples: 20,
    });
    expect([data.total, data.classNames?.length, data.classNames?.[0]]).toEqual([500, 1000, "tench"]);
    checkLabels(data, 1000);
    expect(labelsOf(data).every((label) => label % 2 === 0)).toBe(true);
    const { mean, power } = await moments(data);
    expect(Math.abs(mean)).toBeLessThan(0.5);
    expect(power).toBeLessThan(1);
    const folders = await openDataset(sharedData("imagenet-sample"), {
      input: { shape: [3, 224, 224] },
      decode,
      labels: "folders",
    });
    // classes.csv knows the folders by their WordNet ids, so both ways give the same labels.
    expect(labelsOf(folders)).toEqual(Array.from({ length: 500 }, (_, i) => 2 * i));
  });

  it("mnist: IDX gzip with labels, split 75/25 by class", async () => {
    for (const path of ["mnist", "mnist/t10k-images-idx3-ubyte.gz"]) {
      const preprocess = { preset: "zero-one" } as const;
      const data = await openDataset(sharedData(path), { input: { shape: [1, 28, 28] }, preprocess });
      expect(data).toMatchObject({ length: 10_000, format: "IDX" });
      expect(labelsOf(data).slice(0, 8)).toEqual([7, 2, 1, 0, 4, 1, 4, 9]);
      expect((await sampleOf(data, 0)).reduce((a, b) => a + b, 0)).toBeCloseTo(18454 / 255, 3);
      const [train, test] = splitByClass(data, 0.75, 1);
      // 892 fives: 669 and 223.
      expect([train, test].map((part) => labelsOf(part).filter((label) => label === 5).length)).toEqual([669, 223]);
    }
  });

  it("ad-toycar: 196 overlapping windows of five frames", async () => {
    const path = sharedData("ad-toycar-sample/normal_id_01_00000000.f32");
    const data = await openDataset(path, { input: { shape: [640] }, stride: 128 });
    expect(data.length).toBe(196);
    expect((await sampleOf(data, 0)).slice(128, 256)).toEqual((await sampleOf(data, 1)).slice(0, 128));
    const { mean } = await moments(data);
    expect(mean).toBeCloseTo(-28.136413, 4);
  });
});
