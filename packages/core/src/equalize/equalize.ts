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
import { type NoiseModel, noiseModel, predictedNoise, termNoise } from "./noise-model.js";
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
 * A class whose predicted noise rose is set back to 1. When the outputs drifted on the probes in `exact` mode, factors become powers
 * of two, and 1 where that drifts too. In place; a throw leaves the model as it was.
 *
 * @throws {OptionsError} E2001 unknown option, E2002 out of range, E2004 outside its set, E2005 statistics missing.
 * @throws {PreconditionError} E4005 no shapes and no runner, or statistics of another model.
 * @example const [report] = await transformModel(model, [equalize({ stats, shapes })], { runner });
 */
export function equalize(options: EqualizeOptions = {}): Transform<EqualizeReport> {
  const resolved = resolveEqualizeOptions(options);
  return async (model, context) => {
    const shapes = resolved.shapes ?? (await findShapes(model, context));
    const work = cloneModel(model);
    const classes = scaleClasses(channelFlow(work.graph, shapes));
    const result = await run(resolved, model, work, classes, shapes, context);
    if (result.modified) model.graph = work.graph;
    return result;
  };
}

async function findShapes(model: Model, context: TransformContext): Promise<ObservedShapes> {
  return observeShapes(requireRunner(context, "equalize"), model, zeroFeeds(model));
}

/** Chooses factors for the copy, applies them to it, and judges the outcome. */
async function run(
  options: ResolvedEqualizeOptions,
  original: Model,
  work: Model,
  classes: ScaleClasses,
  shapes: ObservedShapes,
  context: TransformContext,
): Promise<EqualizeReport> {
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
  const undone: UndoneClass[] = [];
  if (noise && options.method !== "optimal") undoWorse(classes, noise, chosen.factors, undone);
  const applied = applyFactors(work, classes, chosen.factors, {
    relu6: options.relu6,
    boundFactor: (clip, factors) => chosen.rules.boundFactor(clip, factors),
  });
  let factors: ScaleFactors = chosen.factors;
  let clips = applied.clips;
  let modified = applied.modified;
  let drift = await driftOf(original, work, options, context);
  const drifted = () => drift !== undefined && options.relu6 === "exact" && !(drift.max <= options.driftTolerance);
  if (drifted() && !options.powerOfTwo) {
    // Where large terms cancel, rounding a weight once is too much; multiplying by powers of two rounds nothing.
    undone.push({ class: -1, producers: [], reason: `${driftReason(drift!, options)}: powers of two instead` });
    work.graph = cloneModel(original).graph;
    const rounded = powerOfTwoWithin(factors, (given) => chosen.rules.project(given));
    if (noise) undoWorse(classes, noise, rounded, undone);
    factors = rounded;
    ({ clips, modified } = applyFactors(work, scaleClasses(channelFlow(work.graph, shapes)), factors));
    drift = await driftOf(original, work, options, context);
  }
  if (drifted()) {
    undone.push({ class: -1, producers: [], reason: driftReason(drift!, options) });
    work.graph = cloneModel(original).graph;
    factors = ones;
    clips = [];
    modified = false;
    drift = { max: 0, mean: 0 };
  }
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
      describeClass(own, factors[own.id] as Float64Array, before && after && { before, after }),
    ),
    layers: layerSpreads(classes, ones, factors),
    clips: describeClips(clips, reaches),
    noise: noise && { before: predictedNoise(noise, ones).total, after: predictedNoise(noise, factors).total },
    proof: chosen.proof,
    absorbed: absorption.absorbed,
    drift: absorption.drift ?? drift,
    undone,
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

/** Sets classes back to 1 as long as that lowers the predicted noise. */
function undoWorse(classes: ScaleClasses, noise: NoiseModel, factors: Float64Array[], undone: UndoneClass[]): void {
  for (let changed = true; changed; ) {
    changed = false;
    for (const { id, reason, producers } of classes.classes) {
      const own = factors[id]!;
      if (reason !== undefined || own.every((factor) => factor === 1)) continue;
      const touched = noise.terms.filter(({ rowClass, columnClass }) => rowClass === id || columnClass === id);
      const sum = () => touched.reduce((total, term) => total + termNoise(term, factors), 0);
      const scaled = sum();
      factors[id] = new Float64Array(own.length).fill(1);
      const plain = sum();
      if (plain < scaled) {
        changed = true;
        undone.push({
          class: id,
          producers: producers.map(({ layer }) => labelOf(layer.node)),
          reason: `predicted noise rose by ${rise(plain, scaled)}`,
        });
      } else factors[id] = own;
    }
  }
  // Classes can hold each other in a state that is worse than none, which no single one can leave.
  const ones = unitFactors(classes);
  const [before, after] = [predictedNoise(noise, ones).total, predictedNoise(noise, factors).total];
  if (!(after > before)) return;
  factors.forEach((_, id) => {
    factors[id] = ones[id]!;
  });
  undone.push({ class: -1, producers: [], reason: `predicted noise rose by ${rise(before, after)} in sum` });
}

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
  undone.push({ class: -1, producers: [], reason: `bias absorption: ${driftReason(drift, options)}` });
  work.graph = scaled;
  return nothing;
}
