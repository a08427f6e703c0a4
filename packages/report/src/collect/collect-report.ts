import {
  type AdviceReport,
  type CompressResult,
  compareSqnr,
  type Dataset,
  type EqualizeReport,
  Feed,
  fuses,
  indexGraph,
  labelOf,
  linearLayers,
  type Model,
  measureSqnr,
  observeShapes,
  type PruneIteration,
  type RecipeStep,
  requireRunner,
  type SqnrReport,
  type TransformContext,
  type ValidationReport,
} from "@equant/core/lab";
import { type PruningSection, REPORT_SCHEMA, type Report } from "../schema.js";
import { activationHistograms, activationMsb, activationRanges, observeActivations } from "./activations.js";
import { collectFindings } from "./findings.js";
import { collectEqualization, collectGraph, collectLayers } from "./network.js";
import { prunedStructure } from "./pruning.js";
import { finiteDb, short } from "./rounding.js";
import { collectParameterMsb, collectParameterRanges, collectWeights } from "./tensors.js";
import { collectLatency, collectValidation, measureSampleErrors, validatedErrors } from "./validation.js";

/** Everything a run learned, for {@link collectReport}. */
export interface CollectInput {
  readonly tool: Report["tool"];
  readonly title?: string;
  readonly model: Report["model"];
  readonly output?: Report["output"];
  readonly recipe: readonly RecipeStep[];
  /** Facts of the data that decide the result. */
  readonly data?: Readonly<Record<string, unknown>>;
  readonly result: CompressResult;
  readonly validation?: ValidationReport | undefined;
  readonly pruning?: PruningSection | undefined;
  readonly advice?: AdviceReport | undefined;
  /** Calibration data: values are counted and ratios measured on some of it. */
  readonly dataset: Dataset;
  /** Samples for counts and ratios, spread over the data. Default: 16. */
  readonly samples?: number;
}

const COLLECT_DEFAULTS = { samples: 16 } as const;

/**
 * Turns what a run learned into a report: statistics of weights and of values on `samples` of the calibration data, ratios
 * measured on the same, and the results of the steps as they are. Shown as it is; nothing is computed for display later.
 * @throws {RunError} E6005 cancelled. @throws {PreconditionError} E4005 without a runner.
 */
export async function collectReport(input: CollectInput, context: TransformContext): Promise<Report> {
  const { result, dataset, samples = COLLECT_DEFAULTS.samples } = input;
  const { before, calibration } = result;
  const after = { floatModel: result.floatModel, plan: result.plan };
  const nameOf = layerNames(after.floatModel);
  const observed = await observeActivations(after, dataset, samples, nameOf, context);
  const sqnrAfter = await measureSqnr(after.floatModel, { plan: after.plan, samples }, { ...context, data: dataset });
  const changed = before.floatModel !== after.floatModel;
  const sqnrBefore = changed
    ? await measureSqnr(
        before.floatModel,
        { plan: before.plan, samples, cumulative: false },
        { ...context, data: dataset },
      )
    : undefined;
  const validation = input.validation && collectValidation(input.validation);
  const latency = input.validation && collectLatency(input.validation);
  const sampleErrors = input.validation
    ? validatedErrors(input.validation)
    : await measureSampleErrors(result, dataset, context);
  const steps = result.steps.map(({ step, kept, note, error, drift }) => ({
    step,
    kept,
    note,
    error: { ...error, sqnrDb: finiteDb(error.sqnrDb) },
    ...(drift && { drift: { ...drift, sqnrDb: finiteDb(drift.sqnrDb) } }),
  }));
  const sqnr = sqnrSection(sqnrAfter);
  const equalized = result.steps.find(({ step, kept }) => step === "equalize" && kept);
  const pruning = input.pruning ?? prunedBy(result);
  const convergence = calibration.rangeConvergence();
  // A report may be collected of a result whose recipe was not kept.
  const quantizes = input.recipe.some(({ use }) => use === "quantize");
  return {
    schema: REPORT_SCHEMA,
    ...(input.title !== undefined && { title: input.title }),
    tool: input.tool,
    model: input.model,
    ...(input.output && { output: input.output }),
    recipe: input.recipe.map((step) => ({ ...step })),
    ...(input.data && { data: { ...input.data } }),
    samples: observed.length === 0 ? 0 : Math.min(samples, dataset.length),
    random: calibration.random,
    steps,
    findings: collectFindings({ sqnr, advice: input.advice, steps, validation, random: calibration.random }),
    layers: collectLayers(before, after),
    graph: collectGraph(after.floatModel, await shapesOf(after.floatModel, dataset, context)),
    ranges: [...collectParameterRanges(after), ...activationRanges(observed)],
    msb: [...collectParameterMsb(after), ...activationMsb(observed)],
    weights: collectWeights(before, after),
    histograms: activationHistograms(observed, quantizes ? result.quantize : {}),
    sqnr,
    ...(sqnrBefore && { curves: curvesOf(sqnrBefore, sqnrAfter) }),
    ...(equalized && {
      equalization: collectEqualization(equalized.report as EqualizeReport, before.floatModel, after.floatModel),
    }),
    ...(pruning && { pruning }),
    ...(convergence && { convergence: { curve: short(convergence.curve), stableAfter: convergence.stableAfter } }),
    ...(validation && { validation }),
    ...(sampleErrors && { sampleErrors }),
    ...(latency && { latency }),
  };
}

/** What a prune step of the recipe left of the layers; accuracy is not measured there. */
function prunedBy({ steps }: CompressResult): PruningSection | undefined {
  const step = steps.find(({ step, kept }) => step === "prune" && kept);
  const last = (step?.report as { iterations?: readonly PruneIteration[] } | undefined)?.iterations?.at(-1);
  return last && { original: null, curves: [], layers: prunedStructure(last) };
}

function sqnrSection({ samples, random, layers, agreement }: SqnrReport): Report["sqnr"] & object {
  const short = <T>(value: T): T =>
    JSON.parse(JSON.stringify(value, (_key, item) => (typeof item === "number" ? Number(item.toPrecision(5)) : item)));
  return short({
    samples,
    random,
    layers: layers.map(({ channels: _, ...layer }) => ({ ...layer, findings: [...layer.findings] })),
    agreement,
  });
}

function curvesOf(before: SqnrReport, after: SqnrReport): Report["curves"] {
  const { layers, states, optimal } = compareSqnr({ before, after });
  return {
    layers: [...layers],
    states: states.map((state) => ({
      state: state.state,
      weights: short(state.weights),
      activations: nullable(state.activations),
      weightUniform: short(state.weightUniform),
      activationUniform: nullable(state.activationUniform),
      cumulative: short(state.cumulative),
    })),
    optimal: { weights: short(optimal.weights), activations: nullable(optimal.activations) },
  };
}

function nullable(values: readonly (number | null)[]): (number | null)[] {
  return values.map((value) => (value === null ? null : Number(value.toPrecision(4))));
}

/** The layer that a value belongs to: the linear layer whose fused activation made it, or the node that did. */
export function layerNames(model: Model): (value: string) => string {
  const index = indexGraph(model.graph);
  const linear = new Set(linearLayers(model.graph).map(({ node }) => node));
  return (value) => {
    const producer = index.producer(value);
    if (!producer) return value;
    for (let node = producer; fuses(node); ) {
      const next = index.producer(node.inputs[0] ?? "");
      if (!next) break;
      if (linear.has(next)) return labelOf(next);
      node = next;
    }
    return labelOf(producer);
  };
}

async function shapesOf(model: Model, dataset: Dataset, context: TransformContext) {
  const feed = await Feed.of(model, dataset, context);
  return observeShapes(model, await feed.first(), { runner: requireRunner(context, "report") });
}
