import { OptionsError } from "@equant/core/errors";
import type { RecipeStep } from "@equant/core/web";
import { DATA_DEFAULTS, type Recipe } from "./recipe.js";

/** Reads recipe.json or equant.config.json. @throws {OptionsError} E2007 when it is neither. */
export function readRecipe(text: string, file = "recipe.json"): Recipe {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new OptionsError("E2007", `${file}: not JSON`, { file, hint: "export a recipe and compare" }, error);
  }
  const { steps, data } = (json ?? {}) as { steps?: unknown; data?: unknown };
  if (!Array.isArray(steps) || steps.some((step) => typeof (step as { use?: unknown }).use !== "string")) {
    throw new OptionsError("E2007", `${file}: no recipe: it has no steps`, {
      file,
      hint: 'a recipe is {"steps": [{"use": "fold"}, {"use": "quantize"}]}',
    });
  }
  const read = steps.map((step, index) => stepFromJson(step as Record<string, unknown>, `${file}: steps[${index}]`));
  return { data: { ...DATA_DEFAULTS, ...dataFrom(data) }, steps: read };
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

const KNOWN = ["fold", "prune", "dead-channels", "equalize", "quantize", "bias-correct", "ada-round", "tune-biases"];

/** A step of either file: names of flags become names of options. */
function stepFromJson(step: Record<string, unknown>, at: string): RecipeStep {
  if (!KNOWN.includes(step.use as string)) {
    throw new OptionsError("E2007", `${at}: ${String(step.use)} is no step of a recipe`, { expected: KNOWN });
  }
  if (step.use === "equalize") {
    const { smax, method, ...rest } = step;
    const named = method === "cle" ? "dfq" : method;
    return {
      ...rest,
      ...(named !== undefined && { method: named }),
      ...(smax !== undefined && { sMax: smax }),
    } as RecipeStep;
  }
  if (step.use !== "quantize") return step as unknown as RecipeStep;
  const { granularity, calibrator, weights, exclude, overrides, ...rest } = step;
  const floats = ((overrides ?? []) as { match: string; weights?: string }[])
    .filter((entry) => entry.weights === "float32")
    .map(({ match }) => match);
  const nodes = [...(Array.isArray(exclude) ? (exclude as string[]) : []), ...floats];
  return {
    ...rest,
    ...(exclude !== undefined && !Array.isArray(exclude) && { exclude }),
    ...(granularity !== undefined && { granularity: String(granularity).replace(/-(t|c)/, (_, l) => l.toUpperCase()) }),
    ...(calibrator !== undefined && { chooser: String(calibrator).replace(/^min-max$/, "minmax") }),
    ...(weights === "int4" && { weightBits: 4 }),
    ...(weights === "int16" && { weightBits: 16 }),
    ...(weights === "uint8" && { weightSymmetric: false }),
    ...(nodes.length > 0 && { exclude: { nodes } }),
  } as RecipeStep;
}
