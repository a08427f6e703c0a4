import { type Recipe, type StepOf, stepOf } from "./recipe.js";

/** A recipe in a few words: `int8 per channel · mse · equalize optimal · bias`. */
export function runTitle(recipe: Recipe): string {
  const quantize = stepOf(recipe, "quantize");
  const equalize = stepOf(recipe, "equalize");
  const bits = quantize?.weightBits ?? 8;
  const excluded = quantize?.exclude?.nodes?.length ?? 0;
  const parts = [
    `${quantize?.weightSymmetric === false ? "uint" : "int"}${bits} per ${quantize?.granularity === "perChannel" ? "channel" : "tensor"}`,
    quantize?.activations,
    quantize?.target && quantize.target !== "ort-cpu" ? quantize.target : undefined,
    quantize?.chooser === "tail" ? undefined : (quantize?.chooser ?? "minmax"),
    pruneTitle(stepOf(recipe, "prune")),
    stepOf(recipe, "dead-channels") && "dead channels",
    equalize && `equalize ${equalize.method ?? "optimal"}`,
    stepOf(recipe, "bias-correct") && "bias",
    stepOf(recipe, "ada-round") && "AdaRound",
    stepOf(recipe, "tune-biases") && "tuned biases",
    excluded > 0 ? `${excluded} in float` : undefined,
  ];
  return parts.filter(Boolean).join(" · ");
}

/** `prune 50 % of the weights (synflow)`; defaults are those of core's prune. */
export function pruneTitle(step: StepOf<"prune"> | undefined): string | undefined {
  if (!step) return undefined;
  const { granularity = "weights", sparsity = 0.9, method = "synflow" } = step;
  const what = granularity === "channels" ? "channels" : "weights";
  const share = granularity.includes(":") ? granularity : `${Math.round(1000 * sparsity) / 10} %`;
  return `prune ${share} of the ${what} (${method})`;
}
