import { BATCH_DEFAULTS, checkLabels, type Dataset } from "../data/index.js";
import { DataError, OptionsError, RunError, rejectUnknownOptions } from "../errors.js";
import { type Model, serializeModel } from "../graph/index.js";
import { macsOf } from "../operators/macs.js";
import { contextOf, targetOf } from "../quantize/index.js";
import {
  type FedBatch,
  observeShapes,
  requireData,
  requireRunner,
  type Session,
  sumsExactly,
  type TransformContext,
} from "../runtime/index.js";
import { TaskJudge, type TaskOptions } from "../tasks/index.js";
import { type Int8Coverage, int8Coverage, isQuantized } from "./int8-coverage.js";
import { KERNEL_SQNR_DB, kernelAgreement } from "./kernel-agreement.js";
import { type LatencyOptions, type LatencyReport, measureLatency } from "./latency.js";
import { measuredCoverage, type OptimizeModel } from "./measured-coverage.js";
import { asSamples, type ModelUnderTest, modelUnderTest, runSamples, type SampleOutputs } from "./model-under-test.js";
import { type NamedDifference, OutputComparison } from "./output-error.js";
import { PairScore } from "./pair-score.js";
import type { ModelMeasures, ValidationReport, ValidationWarning } from "./validation-report.js";

/** Options for {@link validateModels}. */
export interface ValidateOptions {
  /** What it is compared with, usually the float original. Default: none, only the candidate is measured. */
  baseline?: Model;
  /** Output to look at. Default: the first one of each model. */
  output?: string;
  /** What the network is for, to judge it in that measure. Default: by its largest output alone. */
  task?: TaskOptions;
  /** Samples a run. Changes memory and speed, not the figures. Default: 8. */
  batchSize?: number;
  /** How latency is measured; false: not at all. Default: {@link LATENCY_DEFAULTS}. */
  latency?: LatencyOptions | false;
  /** Bytes of the files, where the caller knows them. Default: those of the models as equant would write them. */
  bytes?: { readonly baseline?: number; readonly candidate?: number };
  /** Gives the graph the runtime executes, so that integer arithmetic is counted there. Default: read off the pattern. */
  optimize?: OptimizeModel;
}
const KEYS = ["baseline", "output", "task", "batchSize", "latency", "bytes", "optimize"] as const;

/**
 * Measures a model on `context.data`, whose labels give accuracy, alone or against the model it was made from: accuracy with its interval, whether a drop is
 * more than chance and whether it is even over the classes, agreement and signal-to-noise ratio of the outputs, size,
 * latency, and where its arithmetic runs. One pass over the data; memory does not grow with it. docs/validate.md says
 * what each figure means.
 *
 * @throws {DataError} E5001 no samples; E5003 they do not fit a model; E5004 a label that the output has no class for.
 * @throws {RunError} E7001 NaN or Inf in an output, naming the sample; E6005 cancelled.
 * @example const report = await validateModels(candidate, { baseline }, { runner, data: dataset });
 */
export async function validateModels(
  model: Model,
  options: ValidateOptions,
  context: TransformContext,
): Promise<ValidationReport> {
  rejectUnknownOptions("validate", options, KEYS);
  const { batchSize = BATCH_DEFAULTS.batchSize, output, latency } = options;
  if (!Number.isInteger(batchSize) || batchSize < 1) {
    throw new OptionsError("E2002", `validate: invalid batch size ${batchSize}, expected a whole number from 1`, {
      actual: batchSize,
    });
  }
  const dataset = requireData(context, "validate");
  if (dataset.length === 0) {
    throw new DataError("E5001", "validate: no samples", { hint: "give a folder of images with --data DIR" });
  }
  requireRunner(context, "validate");
  const candidate = await modelUnderTest(model, "candidate", dataset, context, output);
  const baseline = options.baseline && (await modelUnderTest(options.baseline, "baseline", dataset, context, output));
  const models = baseline ? [baseline, candidate] : [candidate];
  // A file for other hardware is run as that hardware computes; its latency is this machine's.
  const target = targetOf(candidate.model);
  const there = target ? await contextOf(target, context) : context;
  const judge = options.task && new TaskJudge(options.task, dataset);
  const { score, outputs } = await scoreAll(models, dataset, batchSize, there, judge);
  const kernels = (await kernelAgreement(candidate, dataset, there)) ?? null;
  const arithmetic: Awaited<ReturnType<typeof arithmeticOf>>[] = [];
  for (const under of models) arithmetic.push(await arithmeticOf(under, options.optimize, context));
  const timed = latency === false ? null : await latencyOf(models, latency ?? {}, context);

  const measures = (under: ModelUnderTest, bytes: number | undefined): ModelMeasures => {
    const at = models.indexOf(under);
    const accuracy = score.accuracy(at);
    return {
      top1: accuracy?.top1 ?? null,
      top5: accuracy?.top5 ?? null,
      accuracy,
      bytes: bytes ?? fileBytes(under.model),
      parameterBytes: parameterBytes(under.model),
      latencyMs: timed?.models[at]?.medianMs ?? null,
      latencyMinMs: timed?.models[at]?.minMs ?? null,
      ...arithmetic[at]!,
      reconstructionMse: score.reconstructionMse(at),
    };
  };
  const report = {
    samples: dataset.length,
    random: dataset.random === true,
    output: { name: candidate.output, ...score.output },
    outputs,
    baseline: baseline ? measures(baseline, options.bytes?.baseline) : null,
    candidate: measures(candidate, options.bytes?.candidate),
    ...score.comparison(),
    task: judge ? await judge.report() : null,
    latency: timed,
    kernelAgreement: kernels,
  };
  const differ = kernels !== null && kernels.sqnrDb < KERNEL_SQNR_DB;
  const lost = differ && !(await sumsExactly(requireRunner(there, "validate")));
  return { ...report, warnings: warningsOf(report, dataset, lost ? kernels.sqnrDb : undefined) };
}

/** Runs all models over the data, batch by batch. */
async function scoreAll(
  models: readonly ModelUnderTest[],
  dataset: Dataset,
  batchSize: number,
  context: TransformContext,
  judge: TaskJudge | undefined,
): Promise<{ score: PairScore; outputs: readonly NamedDifference[] }> {
  const runner = requireRunner(context, "validate");
  const sessions: Session[] = [];
  let score: PairScore | undefined;
  const comparison = new OutputComparison();
  // The batches of the one that is harder to feed suit the other; what insists on another number runs in portions.
  const { feed } = models.find((under) => under.feed.fixed !== undefined) ?? models[0]!;
  const alike = models.every((under) => under.feed.fixed === feed.fixed);
  try {
    for (const { model, role } of models) {
      sessions.push(await runner.open(model, { purpose: `validate (${role})`, spinning: false }));
    }
    const { signal } = context;
    const reading = { batchSize, ...(signal && { signal }) };
    for await (const batch of (alike ? feed : models[0]!.feed.free()).batches(reading)) {
      const outputs: SampleOutputs[] = [];
      const all: Awaited<ReturnType<typeof runSamples>>[] = [];
      for (const [i, under] of models.entries()) {
        const results = await runSamples(sessions[i]!, under, batch, signal);
        const answer = asSamples(results[under.output]!, batch, under);
        requireNumbers(answer, under, batch, dataset);
        outputs.push(answer);
        all.push(results);
        await judge?.add(
          i,
          under.outputs.map((name) => [name, results[name]!] as const),
          batch,
        );
      }
      if (all.length > 1) {
        // By position: the candidate may call its outputs by other names.
        const [names, others] = models.map((under) => under.outputs) as [readonly string[], readonly string[]];
        const paired = names.flatMap((name, position) => {
          const other = all[1]![others[position] ?? ""];
          return other ? [[name, other] as const] : [];
        });
        comparison.add(all[0]!, Object.fromEntries(paired), batch);
      }
      score ??= startScore(models, outputs, dataset);
      score.add(batch, outputs);
      context.onProgress?.({ phase: "validate", done: batch.firstIndex + batch.count, total: dataset.length });
    }
  } finally {
    for (const session of sessions) await session.dispose();
  }
  return { score: score!, outputs: comparison.outputs() };
}

function startScore(models: readonly ModelUnderTest[], outputs: readonly SampleOutputs[], dataset: Dataset): PairScore {
  const [first, second = first] = outputs;
  if (first!.size !== second!.size) {
    const [baseline, candidate] = [first!, second!].map(({ dims }) => `[${dims.join(", ")}]`);
    throw new DataError("E5003", `validate: the baseline gives ${baseline} a sample, the candidate ${candidate}`, {
      tensor: models[0]!.output,
      expected: first!.dims,
      actual: second!.dims,
      hint: "the two models must answer the same question; check that they belong together",
    });
  }
  const score = new PairScore(outputs, dataset);
  if (score.output.labelled) checkLabels(dataset, score.output.classes!);
  return score;
}

function requireNumbers(
  { values, size }: SampleOutputs,
  under: ModelUnderTest,
  batch: FedBatch,
  dataset: Dataset,
): void {
  for (let i = 0; i < batch.count * size; i++) {
    if (Number.isFinite(values[i]!)) continue;
    const sample = dataset.id(batch.firstIndex + Math.floor(i / size));
    const what = Number.isNaN(values[i]!) ? "NaN" : "Inf";
    throw new RunError(
      "E7001",
      `validate: ${what} in output "${under.output}" of the ${under.role} at sample ${sample}`,
      {
        tensor: under.output,
        sample,
        hint: "check the preprocessing of that sample and the model's weights",
      },
    );
  }
}

async function latencyOf(
  models: readonly ModelUnderTest[],
  options: LatencyOptions,
  context: TransformContext,
): Promise<LatencyReport> {
  const timed = [];
  for (const under of models) timed.push({ under, feeds: await under.feed.first() });
  return measureLatency(timed, options, context);
}

/** MACs a sample and where they run; neither for a model whose intermediate shapes cannot be observed. */
async function arithmeticOf(
  under: ModelUnderTest,
  optimize: OptimizeModel | undefined,
  context: TransformContext,
): Promise<{ macs: number | null; int8: Int8Coverage | null }> {
  const { model, feed } = under;
  const { fixed = 1 } = feed;
  try {
    const counts = macsOf(
      model,
      await observeShapes(model, await feed.first(), { runner: requireRunner(context, "validate") }),
    );
    const { nodes, total, uncounted } = counts;
    // A share of what could be counted would be no share of the model.
    if (uncounted.length > 0) return { macs: null, int8: null };
    const macs = {
      uncounted,
      total: total / fixed,
      nodes: nodes.map((entry) => ({ ...entry, macs: entry.macs / fixed })),
    };
    if (!isQuantized(model)) return { macs: macs.total, int8: null };
    const measured = optimize && (await measuredCoverage(model, macs, optimize));
    return { macs: macs.total, int8: measured ?? int8Coverage(model, macs) };
  } catch (error) {
    // Some runtimes cannot expose every value of a graph: the figure is left out, the validation goes on.
    if (error instanceof RunError && ["E4001", "E6003", "E6004"].includes(error.code))
      return { macs: null, int8: null };
    throw error;
  }
}

function fileBytes(model: Model): number {
  let external = 0;
  for (const tensor of model.graph.initializers.values()) external += tensor.external?.length ?? 0;
  return serializeModel(model).length + external;
}

/** Bytes of initializers and of tensors in Constant nodes. */
function parameterBytes({ graph }: Model): number {
  let bytes = 0;
  for (const tensor of graph.initializers.values()) bytes += tensor.byteLength ?? 0;
  for (const node of graph.nodes) {
    const value = node.opType === "Constant" ? node.attributes.get("value") : undefined;
    if (value?.type === "tensor") bytes += value.value.byteLength ?? 0;
  }
  return bytes;
}

function warningsOf(
  report: Omit<ValidationReport, "warnings">,
  dataset: Dataset,
  kernelsLostDb: number | undefined,
): ValidationWarning[] {
  const warnings: ValidationWarning[] = [];
  const reference = (report.baseline ?? report.candidate).accuracy;
  const { classes } = report.output;
  // With fewer samples an interval around chance says nothing.
  if (reference && classes !== null && report.samples >= 20 && reference.top1Interval.low <= 1 / classes) {
    const share = `${(100 * reference.top1).toFixed(2)} %`;
    const which = report.baseline ? "baseline" : "model";
    const message = `top-1 of the ${which} is ${share}, no better than chance: is this the right preset, and do the labels count as the model does?`;
    warnings.push({ code: "W5002", message });
  }
  if (dataset.label && report.output.kind === "values") {
    const shape = `[${report.output.dims.join(", ")}]`;
    warnings.push({
      code: "W5003",
      message: `labels are not used: an output of ${shape} a sample is not one number a class`,
    });
  }
  if (kernelsLostDb !== undefined) {
    const db = `${kernelsLostDb.toFixed(1)} dB`;
    const message = `ONNX Runtime's optimized graph and the literal one differ: ${db}; integer kernels of this processor saturate: quantize with --weight-storage uint8, or 7 bits`;
    warnings.push({ code: "W6001", message });
  }
  return warnings;
}
