import type { RecipeStep } from "@equant/core/web";
import type { Recipe } from "./recipe.js";

/** The recipe as equant.config.json, which `equant run` takes; the names there are those of the flags. */
export function toConfig({ data, steps }: Recipe, model = "model.onnx", folder = "images/"): object {
  const { preprocess, samples, labels } = data;
  return {
    model,
    data: {
      calibrate: { dir: folder, samples, ...(labels !== "auto" && { labels }) },
      ...(Object.keys(preprocess).length > 0 && { preprocess }),
    },
    steps: steps.map(stepToConfig),
  };
}

function stepToConfig(step: RecipeStep): object {
  switch (step.use) {
    case "equalize": {
      const { sMax, keep: _keep, ...rest } = step;
      return { ...rest, ...(sMax !== undefined && { smax: sMax }) };
    }
    case "quantize": {
      const { granularity, chooser, activations, target, format, exclude, weightBits, weightSymmetric } = step;
      const weights = weightSymmetric === false ? "uint8" : { 4: "int4", 16: "int16" }[weightBits ?? 8];
      return {
        use: "quantize",
        ...(weights && { weights }),
        ...(activations && { activations }),
        ...(granularity && { granularity: granularity === "perChannel" ? "per-channel" : "per-tensor" }),
        ...(chooser && { calibrator: chooser }),
        ...(target && { target }),
        ...(format && { format }),
        ...(exclude?.nodes?.length && { exclude: exclude.nodes }),
      };
    }
    default: {
      const { keep: _keep, ...rest } = step;
      return rest;
    }
  }
}
