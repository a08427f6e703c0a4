import { channelFlow } from "../channels/index.js";
import { ensureBiases } from "../correct/index.js";
import { applyFactors, type ClassClip, type ScaleFactors, scaleClasses } from "../equalize/index.js";
import { ModelError } from "../errors.js";
import { FOLD_KINDS, type FoldKind, fold, upgradeOpset } from "../fold/index.js";
import { assertValid, cloneModel, indexGraph, isOp, labelOf, type Model } from "../graph/index.js";
import {
  filePlan,
  findFactors,
  type LayerMatch,
  matchLayers,
  type QdqFile,
  readQdq,
  weightCosine,
} from "../match/index.js";
import { clipBounds } from "../operators/attributes.js";
import { assertFiniteWeights } from "../operators/finite-weights.js";
import { toFloat32 } from "../operators/index.js";
import { assertNotQuantized, type QuantizationPlan } from "../quantize/index.js";
import { observeShapes, requireRunner, type Skip, type TransformContext, zeroFeeds } from "../runtime/index.js";
import { applyFloatStep } from "../steps/index.js";

/** A layer of the file and the float layer it was made from. */
export interface MatchedLayer {
  readonly layer: string;
  /** What it is called in the file. */
  readonly inFile: string;
  readonly by: "name" | "order";
  /** Cosine between the file's weights and the float ones: close to 1, lower with fewer bits. */
  readonly weightCosine: number;
}

/** What was done to the float network until the file's weights were its rounded ones. */
export interface FileState {
  readonly folded: readonly FoldKind[];
  readonly deadChannelsRemoved: boolean;
  /** Classes whose factors were read from the weights; 0: not equalized. */
  readonly equalizedClasses: number;
}

/** Result of {@link planOfFile}. */
export interface PlanOfFile {
  /** The float network in the state that the file was made from; its function is the original's. */
  readonly model: Model;
  /** What the file does to it. */
  readonly plan: QuantizationPlan;
  readonly state: FileState;
  readonly layers: readonly MatchedLayer[];
  /** What the file quantizes and the plan leaves out, and why. */
  readonly unmatched: readonly Skip[];
}

/** Below, weights are not those of the layer they were paired with. */
const SAME_LAYER = 0.5;
/** Ways to fold that tools have: all of ours, the same with heads in one piece, BatchNormalization alone, nothing. */
const FOLDS: readonly (readonly FoldKind[])[] = [
  FOLD_KINDS,
  FOLD_KINDS.filter((kind) => kind !== "heads"),
  ["constants", "identities", "batchNorms"],
  ["constants", "identities"],
];

interface Candidate {
  readonly model: Model;
  readonly match: LayerMatch;
  readonly state: FileState;
  /** Sum of the weights' cosines over all layers of the file. */
  readonly score: number;
}

/** Options for {@link planOfFile}. */
export interface PlanOfFileOptions {
  /** The float network that the file was made from. */
  float: Model;
}

/**
 * Reads the quantization of a QDQ file, ours or another tool's, as a plan for the float network it was made from, so that
 * everything that analyses plans can analyse files. The float network is folded as the file's was; where that leaves shapes
 * different, dead channels are removed (`context.data` should then be what the file was calibrated on); equalization factors are
 * found from the weights. Neither model is changed.
 * @throws {ModelError} E4005 not a QDQ file, or no layer of it is one of the float network; E4003 the float network is quantized.
 */
export async function planOfFile(
  file: Model,
  { float }: PlanOfFileOptions,
  context: TransformContext,
): Promise<PlanOfFile> {
  assertValid(file);
  assertValid(float);
  assertNotQuantized(float);
  assertFiniteWeights(float);
  const float32 = cloneModel(float);
  toFloat32(float32);
  const qdq = readQdq(file);
  const best = await equalized(qdq, await inState(qdq, float32, context), context);
  const { model, state } = best;
  if (needsBiases(best.match)) ensureBiases(model);
  const match = separated(qdq, matchLayers(qdq, model.graph));
  if (match.pairs.length === 0) {
    throw new ModelError("E4005", "match: no layer of the quantized file is one of the float model", {
      actual: match.skipped.slice(0, 3).map(({ node, reason }) => `${node}: ${reason}`),
      hint: "give the float model that this file was made from with --against",
    });
  }
  const { plan, unmatched } = filePlan(qdq, model, match);
  const layers = match.pairs.map(
    (pair): MatchedLayer => ({
      layer: labelOf(pair.float.node),
      inFile: labelOf(pair.file.node),
      by: pair.by,
      weightCosine: weightCosine(qdq, pair),
    }),
  );
  return { model, plan, state, layers, unmatched };
}

/** The float network folded, and shrunk if need be, as the file's was. */
async function inState(qdq: QdqFile, float: Model, context: TransformContext): Promise<Candidate> {
  const candidates: Candidate[] = [];
  for (const kinds of FOLDS) {
    const model = cloneModel(float);
    await upgradeOpset()(model, context);
    await fold({ kinds })(model, context);
    candidates.push(candidateOf(qdq, model, { folded: kinds, deadChannelsRemoved: false, equalizedClasses: 0 }));
  }
  const normalized = normalizations(qdq.skeleton);
  const rank = ({ model, match, score }: Candidate) => [
    // Weights of an equalized file tell nothing before the factors are known; what was folded shows in the nodes.
    -Math.abs(normalizations(model) - normalized),
    match.pairs.length,
    Math.round(score * 1e6),
  ];
  const best = candidates.reduce((one, other) => (isGreater(rank(other), rank(one)) ? other : one));
  if (best.match.skipped.length === 0) return best;
  const { onProgress: _onProgress, ...quiet } = context;
  const model = cloneModel(best.model);
  const given = { quantize: {}, known: new Map(), biasCorrected: false };
  const { modified } = await applyFloatStep(model, { use: "dead-channels" }, given, quiet);
  if (!modified) return best;
  const shrunk = candidateOf(qdq, model, { ...best.state, deadChannelsRemoved: true });
  return shrunk.match.skipped.length < best.match.skipped.length ? shrunk : best;
}

function normalizations({ graph }: Model): number {
  return graph.nodes.filter((node) => isOp(node, "BatchNormalization")).length;
}

function isGreater(a: readonly number[], b: readonly number[]): boolean {
  const at = a.findIndex((value, index) => value !== b[index]);
  return at >= 0 && a[at]! > b[at]!;
}

function candidateOf(qdq: QdqFile, model: Model, state: FileState): Candidate {
  const match = matchLayers(qdq, model.graph);
  const score = match.pairs.reduce((sum, pair) => sum + Math.max(0, weightCosine(qdq, pair)), 0);
  return { model, match, state, score };
}

/** The candidate with the equalization that its weights tell, if they do. */
async function equalized(qdq: QdqFile, candidate: Candidate, context: TransformContext): Promise<Candidate> {
  const { model, match, state } = candidate;
  const shapes = await observeShapes(model, zeroFeeds(model), { runner: requireRunner(context, "match") });
  const work = cloneModel(model);
  const classes = scaleClasses(channelFlow(work.graph, shapes));
  const found = findFactors(classes, match.pairs, qdq);
  if (!found) return candidate;
  const scaled = found.factors.filter((own) => own.some((factor) => Math.abs(Math.log(factor)) > 0.01)).length;
  applyFactors(work, classes, found.factors, { relu6: "common", boundFactor: boundIn(qdq) });
  return candidateOf(qdq, work, { ...state, equalizedClasses: scaled });
}

/** The one bound that a Clip has in the file over that in the float network; nothing where the file has one a channel. */
function boundIn({ skeleton: { graph } }: QdqFile): (clip: ClassClip, factors: ScaleFactors) => number {
  const index = indexGraph(graph);
  return ({ node, bounds }) => {
    const own = index.producer(node.outputs[0]!);
    const bound = isOp(own, "Clip") ? clipBounds(own, (value) => graph.initializers.get(value)).high : undefined;
    // Without a number each channel gets its own bound, which is exact: applyFactors asks only whether there is one.
    return (bound === undefined || !Number.isFinite(bound) || !bounds.high ? undefined : bound / bounds.high) as number;
  };
}

function needsBiases({ pairs }: LayerMatch): boolean {
  return pairs.some(({ file, float }) => file.bias !== undefined && float.bias === undefined);
}

/** Pairs whose weights have nothing in common are none. */
function separated(qdq: QdqFile, match: LayerMatch): LayerMatch {
  const different = match.pairs.filter((pair) => Math.abs(weightCosine(qdq, pair)) < SAME_LAYER);
  const skipped = different.map(({ file }): Skip => {
    const reason = "its weights have nothing in common with those of the float layer at its place";
    return { node: labelOf(file.node), opType: file.opType, reason };
  });
  return { pairs: match.pairs.filter((pair) => !different.includes(pair)), skipped: [...match.skipped, ...skipped] };
}
