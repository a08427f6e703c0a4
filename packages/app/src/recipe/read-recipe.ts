import { OptionsError } from "@equant/core/errors";
import { readStep } from "@equant/core/steps";
import { DATA_DEFAULTS, type Recipe } from "./recipe.js";

/** Reads recipe.json or equant.config.json. @throws {OptionsError} E2007 when it is neither, or a step says what it cannot. */
export function readRecipe(text: string, file = "recipe.json"): Recipe {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new OptionsError("E2007", `${file}: not JSON`, { file, hint: "export a recipe and compare" }, error);
  }
  const { steps, data } = (json ?? {}) as { steps?: unknown; data?: unknown };
  if (!Array.isArray(steps)) {
    throw new OptionsError("E2007", `${file}: no recipe: it has no steps`, {
      file,
      hint: 'a recipe is {"steps": [{"use": "fold"}, {"use": "quantize"}]}',
    });
  }
  const read = (step: unknown, index: number) => {
    try {
      return readStep(step, `steps[${index}]`);
    } catch (error) {
      if (!(error instanceof OptionsError)) throw error;
      throw new OptionsError("E2007", `${file}: ${error.message}`, { ...error.details, file }, error);
    }
  };
  return { data: { ...DATA_DEFAULTS, ...dataFrom(data) }, steps: steps.map(read) };
}

function dataFrom(data: unknown): Partial<Recipe["data"]> {
  const { samples, validate, labels, preprocess, calibrate } = (data ?? {}) as Record<string, unknown>;
  const count = typeof samples === "number" ? samples : (calibrate as { samples?: unknown } | undefined)?.samples;
  return {
    ...(typeof count === "number" && { samples: count }),
    ...(typeof validate === "number" && { validate }),
    ...((labels === "folders" || labels === "none") && { labels }),
    ...(typeof preprocess === "object" && preprocess !== null && { preprocess }),
  };
}
