import { describe, expect, test } from "vitest";
import { readPreprocessorConfig } from "../../src/data/preprocessor-config.js";

const read = (config: unknown) => readPreprocessorConfig(JSON.stringify(config), "p.json");

describe("preprocessor_config.json in pixel units", () => {
  test.each([
    [
      "mean and std of shares",
      { image_mean: [0.5, 0.5, 0.5], image_std: [0.5, 0.5, 0.5] },
      { mean: 127.5, std: 127.5 },
    ],
    [
      "by channel",
      { image_mean: [0.2, 0.4, 0.6], image_std: [0.1, 0.2, 0.4] },
      { mean: [51, 102, 153], std: [25.5, 51, 102] },
    ],
    ["only rescaled", { do_normalize: false, image_mean: [9], image_std: [9] }, { mean: 0, std: 255 }],
    [
      "not rescaled",
      { do_rescale: false, image_mean: [120, 110, 100], image_std: [60] },
      { mean: [120, 110, 100], std: 60 },
    ],
    ["another factor", { rescale_factor: 1 / 128, image_mean: [1], image_std: [1] }, { mean: 128, std: 128 }],
    ["size as a number", { size: 224 }, { mean: 0, std: 255, resize: 224 }],
    ["both sides", { size: { height: 64, width: 96 } }, { mean: 0, std: 255, resize: [64, 96] }],
    [
      "shorter side and centre",
      { size: { shortest_edge: 256 }, do_center_crop: true, crop_size: { height: 224, width: 224 } },
      { mean: 0, std: 255, resize: 256, crop: [224, 224] },
    ],
    [
      "a crop that is not done",
      { crop_size: 224, do_center_crop: false, do_resize: false, size: 9 },
      { mean: 0, std: 255 },
    ],
  ])("%s", (_name, config, expected) => {
    const options = read(config);
    for (const key of ["mean", "std"] as const) {
      const [got, wanted] = [[options[key]!].flat(), [expected[key]].flat()];
      expect(got.length).toBe(wanted.length);
      for (const [at, value] of got.entries()) expect(value).toBeCloseTo(wanted[at]!, 9);
    }
    expect({ ...options, mean: 0, std: 0 }).toEqual({ ...expected, mean: 0, std: 0 });
  });

  test.each([
    ["no JSON", "{"],
    ["no settings", "[1]"],
    ["words for numbers", '{"image_mean": ["a"]}'],
    ["division by zero", '{"image_std": [0, 1, 1]}'],
    ["no scale", '{"rescale_factor": 0}'],
  ])("%s is E5002", (_name, text) => {
    expect(() => readPreprocessorConfig(text, "p.json")).toThrow(expect.objectContaining({ code: "E5002" }));
  });
});
