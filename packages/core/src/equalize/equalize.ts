import { channelFlow, type ObservedShapes } from "../channels/flow.js";
import { PreconditionError, throwIfAborted } from "../errors.js";
import { cloneModel, labelOf, type Model } from "../graph/index.js";
import {
  observeShapes,
  requireRunner,
  type Skip,
  type Transform,
  type TransformContext,
  zeroFeeds,
} from "../runtime/index.js";
import { absorbBiases } from "./absorb-bias.js";
import { applyFactors } from "./apply-factors.js";
import { chooseFactors } from "./choose-factors.js";
import { clipReaches } from "./clip-rules.js";
import { measureDrift } from "./drift.js";
import { type EqualizeOptions, type ResolvedEqualizeOptions, resolveEqualizeOptions } from "./equalize-options.js";
import {
  type Drift,
  describeClass,
  describeClips,
  type EqualizeReport,
  layerSpreads,
  noiseByClass,
  type UndoneClass,
} from "./equalize-report.js";
import { powerOfTwoWithin, scaleStats, unitFactors } from "./factors.js";
import {
  type BranchMul,
  type EqualizeKnowledge,
  freeBranches,
  payingBranches,
  removeBranches,
  withBranches,
} from "./free-branches.js";
import { type NoiseModel, noiseModel, predictedNoise } from "./noise-model.js";
import { equalizationValues } from "./noise-values.js";
import { type ScaleClasses, type ScaleFactors, scaleClasses } from "./scale-classes.js";

/** Values whose channel statistics {@link equalize} reads. `quantized` as in its options. */
export function equalizeValues(model: Model, shapes: ObservedShapes, quantized?: readonly string[]): string[] {
  return equalizationValues(channelFlow(model.graph, shapes), quantized);
}

/**
 * Scales channels so that quantization disturbs the network less (Meller et al. 2019): output channel k of a layer is multiplied by
 * a factor, the matching input channels of all layers behind it are divided by it, and the function stays the same. Which channels
 * must be scaled together follows from {@link scaleClasses}; layers whose channels cannot be scaled are in `skipped`, with the
 * reason. Requires: BatchNormalization folded, dead channels removed (both by advice: their meaningless weights set ranges).
 *
 * The factors are those of the method, to the last one. With `keep: 'better'` all of them are set back to 1 where the predicted noise
 * rose; where the outputs drifted on the probes in `exact` mode they become powers of two, and 1 where that drifts too. With
 * `keep: 'always'` they stay, and `worse` says what spoke against them. In place; a throw leaves the model as it was.
 *
 * @throws {OptionsError} E2001 unknown option, E2002 out of range, E2004 outside its set, E2005 statistics missing.
 * @throws {PreconditionError} E4005 no shapes and no runner, or statistics of another model.
 * @example const [report] = await transform(model, [equalize({ stats, shapes })], { runner });
 */
export function equalize(options: EqualizeOptions = {}): Transform<EqualizeReport> {
  const resolved = resolveEqualizeOptions(options);
  return async (model, context) => {
    const shapes = resolved.shapes ?? (await findShapes(model, context));
    const work = cloneModel(model);
    const known = { ...resolved, shapes };
    const branches = resolved.branches ? freeBranches(work.graph, known) : [];
    const result = await run(withBranches(known, branches), model, work, branches, context);
    if (result.modified) model.graph = work.graph;
    return result;
  };
}

async function findShapes(model: Model, context: TransformContext): Promise<ObservedShapes> {
  return observeShapes(model, zeroFeeds(model), { runner: requireRunner(context, "equalize") });
}

/** Chooses factors for the copy, applies them to it, and judges the outcome. */
async function run(
  options: EqualizeKnowledge,
  original: Model,
  work: Model,
  branches: readonly BranchMul[],
  context: TransformContext,
): Promise<EqualizeReport> {
  const { shapes } = options;
  const unscaled = cloneModel(work);
  const classes = scaleClasses(channelFlow(work.graph, shapes));
  const ones = unitFactors(classes);
  const noise = options.stats ? noiseModel(classes, options.stats, options.noise) : undefined;
  if (noise && noise.terms.length === 0 && classes.flow.nodes.some(({ layer }) => layer)) {
    throw new PreconditionError("E4005", "equalize: the statistics name no value of this model", {
      actual: [...options.stats!.keys()].slice(0, 3),
      hint: "collect them after the last step that changed the model, for equalizeValues(model, shapes)",
    });
  }
  context.onProgress?.({ phase: "equalize", done: 0, total: 1 });
  const chosen = chooseFactors(options, classes, noise);
  throwIfAborted(context.signal, "equalize");
  const undoes = options.keep === "better";
  const undone: UndoneClass[] = [];
  const paying = noise ? payingBranches(noise, chosen.factors, branches) : { factors: chosen.factors, paying: [] };
  const risen = noise && riseOf(noise, ones, paying.factors);
  if (risen) undone.push(risen);
  let factors: ScaleFactors = risen && undoes ? ones : paying.factors;
  const applied = applyFactors(work, classes, factors, {
    relu6: options.relu6,
    boundFactor: (clip, given) => chosen.rules.boundFactor(clip, given),
  });
  let clips = applied.clips;
  let modified = applied.modified;
  let drift = await driftOf(original, work, options, context);
  const drifted = () => drift !== undefined && options.relu6 === "exact" && !(drift.max <= options.driftTolerance);
  if (drifted() && !undoes) undone.push({ class: -1, producers: [], reason: driftReason(drift!, options) });
  if (drifted() && undoes && !options.powerOfTwo) {
    // Where large terms cancel, rounding a weight once is too much; multiplying by powers of two rounds nothing.
    undone.push({ class: -1, producers: [], reason: `${driftReason(drift!, options)}: powers of two instead` });
    work.graph = cloneModel(unscaled).graph;
    factors = powerOfTwoWithin(factors, (given) => chosen.rules.project(given));
    const worse = noise && riseOf(noise, ones, factors);
    if (worse) {
      undone.push(worse);
      factors = ones;
    }
    ({ clips, modified } = applyFactors(work, scaleClasses(channelFlow(work.graph, shapes)), factors));
    drift = await driftOf(original, work, options, context);
  }
  if (drifted() && undoes) {
    undone.push({ class: -1, producers: [], reason: driftReason(drift!, options) });
    work.graph = cloneModel(original).graph;
    factors = ones;
    clips = [];
    modified = false;
    drift = { max: 0, mean: 0 };
  }
  removeBranches(work.graph, branches);
  const absorption = await absorb(options, original, work, classes, factors, shapes, context, undone);
  const before = noise && noiseByClass(noise, ones);
  const after = noise && noiseByClass(noise, factors);
  const scaled = classes.classes.filter(({ reason }) => reason === undefined);
  const reaches = options.stats ? scaled.flatMap((own) => clipReaches(classes, own, options.stats!)) : [];
  context.onProgress?.({ phase: "equalize", done: 1, total: 1 });
  return {
    transform: "equalize",
    modified: modified || absorption.absorbed.length > 0,
    method: options.method,
    relu6: options.relu6,
    granularity: options.noise.granularity,
    skipped: [...refusals(classes), ...chosen.skipped, ...absorption.skipped],
    classes: scaled.map((own) =>
      describeClass(classes, own, factors, before && after && { before, after }, options.stats),
    ),
    layers: layerSpreads(classes, ones, factors),
    clips: describeClips(clips, reaches),
    noise: noise && { before: predictedNoise(noise, ones).total, after: predictedNoise(noise, factors).total },
    proof: chosen.proof,
    branches: modified ? paying.paying : [],
    absorbed: absorption.absorbed,
    drift: absorption.drift ?? drift,
    undone: undoes ? undone : undone.filter(({ reason }) => reason.startsWith(ABSORPTION)),
    worse: undoes ? [] : undone.filter(({ reason }) => !reason.startsWith(ABSORPTION)),
  };
}

/** Layers whose output channels cannot be scaled, and why. */
function refusals(classes: ScaleClasses): Skip[] {
  return classes.classes.flatMap(({ producers, reason }) =>
    reason === undefined
      ? []
      : producers.map(({ layer }) => ({ node: labelOf(layer.node), opType: layer.opType, reason })),
  );
}

/** That the predicted noise rose, if it did. */
function riseOf(noise: NoiseModel, ones: ScaleFactors, factors: ScaleFactors): UndoneClass | undefined {
  const [before, after] = [predictedNoise(noise, ones).total, predictedNoise(noise, factors).total];
  if (!(after > before)) return undefined;
  return { class: -1, producers: [], reason: `predicted noise rose by ${rise(before, after)}` };
}

/** Absorbing a bias is no factor: it is taken back where it drifts, whatever is kept. */
const ABSORPTION = "bias absorption: ";

function rise(before: number, after: number): string {
  return `${(100 * (after / before - 1)).toPrecision(3)} %`;
}

async function driftOf(
  original: Model,
  work: Model,
  { probes }: ResolvedEqualizeOptions,
  context: TransformContext,
): Promise<Drift | undefined> {
  if (probes.length === 0) return undefined;
  return measureDrift(requireRunner(context, "equalize"), original, work, probes, context.signal);
}

function driftReason(drift: Drift, { driftTolerance }: ResolvedEqualizeOptions): string {
  return `outputs drifted by ${drift.max.toExponential(1)} of their range, more than ${driftTolerance}`;
}

/** Absorbs high biases in the scaled copy; takes it back where the outputs drift. */
async function absorb(
  options: ResolvedEqualizeOptions,
  original: Model,
  work: Model,
  classes: ScaleClasses,
  factors: ScaleFactors,
  shapes: ObservedShapes,
  context: TransformContext,
  undone: UndoneClass[],
) {
  const nothing = { absorbed: [], skipped: [], drift: undefined };
  if (options.absorbBias === "none") return nothing;
  const scaled = cloneModel(work).graph;
  const stats = scaleStats(options.stats!, classes, factors);
  const { absorbed, skipped } = absorbBiases(work.graph, shapes, stats, options.absorbBias);
  if (absorbed.length === 0) return { absorbed, skipped, drift: undefined };
  const drift = await driftOf(original, work, options, context);
  if (!drift || drift.max <= options.driftTolerance) return { absorbed, skipped, drift };
  undone.push({ class: -1, producers: [], reason: `${ABSORPTION}${driftReason(drift, options)}` });
  work.graph = scaled;
  return nothing;
}
