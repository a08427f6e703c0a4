import type { Recipe } from "./recipe.js";

/** The recipe as equant.config.json, which `equant run` takes: the steps are said there as everywhere. */
export function toConfig({ data, steps }: Recipe, model = "model.onnx", folder = "images/"): object {
  const { preprocess, samples, labels } = data;
  return {
    model,
    data: {
      calibrate: { dir: folder, samples, ...(labels !== "auto" && { labels }) },
      ...(Object.keys(preprocess).length > 0 && { preprocess }),
    },
    steps,
  };
}
