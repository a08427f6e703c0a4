import type { PruneStep, QuantizeOptions, RecipeStep } from "@equant/core";
import { OptionsError } from "@equant/core/errors";
import type { StepConfig } from "../config/steps.js";
import { ACTIVATION_TYPES, FORMATS, WEIGHT_TYPES } from "./quantize-flags.js";
import { parseChoice } from "./values.js";

const BITS = { int4: 4, int8: 8, int16: 16, uint8: 8 } as const;

/** The steps of a config file as core's recipe. @throws {OptionsError} E2004 for a type that is none, E4004 for what no step does. */
export function recipeSteps(steps: readonly StepConfig[]): RecipeStep[] {
  return steps.map((step, index): RecipeStep => {
    const at = `steps[${index}]`;
    switch (step.use) {
      case "fold":
        return { use: "fold" };
      case "dead-channels":
        return { use: "dead-channels", ...(step.observed !== undefined && { observed: step.observed }) };
      case "equalize": {
        const { method, smax, relu6 } = step;
        return {
          use: "equalize",
          ...(method && { method: method === "cle" ? ("dfq" as const) : method }),
          ...(smax !== undefined && { sMax: smax }),
          ...(relu6 && { relu6 }),
        };
      }
      case "quantize":
        return { use: "quantize", ...quantizeStep(step, at) };
      case "bias-correct":
        return {
          use: "bias-correct",
          ...(step.method && { method: step.method }),
          ...(step.samples !== undefined && { samples: step.samples }),
        };
      case "ada-round":
        return {
          use: "ada-round",
          ...(step.samples !== undefined && { samples: step.samples }),
          ...(step.iterations !== undefined && { iterations: step.iterations }),
        };
      case "tune-biases":
        return {
          use: "tune-biases",
          ...(step.samples !== undefined && { samples: step.samples }),
          ...(step.epochs !== undefined && { epochs: step.epochs }),
          ...(step.rate !== undefined && { rate: step.rate }),
        };
      default:
        return pruneStep(step);
    }
  });
}

/** Steps that draw random numbers with the seed of the command. */
export function seeded(steps: readonly RecipeStep[], seed: number): RecipeStep[] {
  return steps.map((step) =>
    step.use === "prune" || step.use === "ada-round" || step.use === "tune-biases" ? { seed, ...step } : step,
  );
}

function quantizeStep(step: Extract<StepConfig, { use: "quantize" }>, at: string): QuantizeOptions {
  const { weights, activations, granularity, calibrator, target, format, exclude, overrides } = step;
  const floats = (overrides ?? []).filter((entry) => entry.weights === "float32").map((entry) => entry.match);
  const other = (overrides ?? []).find((entry) => entry.weights !== "float32");
  if (other) {
    throw new OptionsError("E2004", `${at}.overrides: weights '${other.weights ?? ""}' is not one of float32`, {
      actual: other.weights,
      expected: ["float32"],
      hint: "an override leaves the layers that match in float",
    });
  }
  const type = weights === undefined ? undefined : parseChoice(`${at}.weights`, weights, WEIGHT_TYPES);
  return {
    ...(type && { weightBits: BITS[type], weightSymmetric: type !== "uint8" }),
    ...(activations && {
      activations: parseChoice(`${at}.activations`, activations, ACTIVATION_TYPES),
    }),
    ...(granularity && {
      granularity: granularity === "per-channel" ? ("perChannel" as const) : ("perTensor" as const),
    }),
    ...(calibrator && { chooser: calibrator.replace(/^min-max$/, "minmax") }),
    ...(target && { target }),
    ...(format && { format: parseChoice(`${at}.format`, format, FORMATS) }),
    exclude: { nodes: [...(exclude ?? []), ...floats] },
  };
}

function pruneStep({ granularity, ...step }: Extract<StepConfig, { use: "prune" }>): PruneStep {
  const pattern = granularity as PruneStep["granularity"];
  const given = Object.entries({ ...step, granularity: pattern }).filter(([, value]) => value !== undefined);
  return { ...Object.fromEntries(given), use: "prune" };
}
